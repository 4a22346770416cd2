"""What the channels of a series are: values, masks, deltas. Steps in which nothing was measured can then be told."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fedward_shared.contracts.arrays import Series
from fedward_shared.errors import UsageError
from fedward_shared.models.problem import Problem

__all__ = ["Channels", "channels_of"]

_SERIES_AXES = 2
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Channels:
    """Channels of a series (time, all): `values` of them, then as many masks and as many deltas where there are any."""

    all: int
    values: int
    masks: bool = False
    deltas: bool = False
    held: bool = False

    def mask(self, records: Tensor) -> Tensor:
        """Which values were measured: (records, time, all) -> (records, time, values) bool. Needs `masks`."""
        return records[..., self.values : 2 * self.values] > _HALF

    def delta(self, records: Tensor) -> Tensor:
        """Steps since each value was measured: (records, time, all) -> (records, time, values). Needs `deltas`."""
        first = self.values * (1 + self.masks)
        return records[..., first : first + self.values]

    def seen(self, records: Tensor) -> Tensor | None:
        """Steps in which something was measured, (records, time) bool; None where the series has no masks.

        All of a record's steps, where nothing ever was: somebody has to be looked at.
        """
        if not self.masks:
            return None
        seen = self.mask(records).any(dim=2)
        return seen | ~seen.any(dim=1, keepdim=True)


def channels_of(model: str, problem: Problem) -> Channels:
    """The channels of the records that a model gets, of shape [time, channels].

    Raises:
        UsageError: they are no series.
    """
    if len(problem.shape) != _SERIES_AXES:
        raise UsageError(
            f'[model] name: "{model}" needs series, of kind "tensor" and shape [time, channels]',
            hint='For a table take "logistic" or "mlp", for images "cnn".',
        )
    form, width = problem.contract.form, problem.shape[1]
    if problem.frozen or not isinstance(form, Series):
        return Channels(width, width)
    return Channels(width, len(form.channels), form.masks, form.deltas, form.hold)
