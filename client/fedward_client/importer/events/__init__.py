"""Events (measurements, diagnoses in long form) become columns of a table, or a series on a regular grid."""

__all__: list[str] = []
