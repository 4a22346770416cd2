"""From one hostile file to one array of the declared form."""

__all__: list[str] = []
