"""The consortium's coordinator: enrolment, the link, the rounds. It never sees a patient's record."""

from fedward_shared import flower as _flower  # first, because it switches off flwr's telemetry

__all__: list[str] = []

del _flower
