"""The intervals of a survival study's model, as `[model.options] intervals` declares them. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from fedward_shared.contracts.cohort import TICKS, FollowUp
from fedward_shared.contracts.study import Scalar
from fedward_shared.errors import UsageError

__all__ = ["Intervals", "intervals_of"]

_DEFAULT = 10
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Intervals:
    """Follow-up from time zero to the declared maximum, cut into intervals (end before, end].

    `ends` are in the unit of the follow-up and increase; the last is the maximum. An event belongs to the interval that
    holds its time; one at time zero to the first.
    """

    ends: tuple[float, ...]

    @property
    def end_ticks(self) -> tuple[int, ...]:
        """The ends as the ticks of labels, so that a time at an end is told apart from a later one."""
        return tuple(_tick(end, self.ends[-1]) for end in self.ends)

    @property
    def shares(self) -> tuple[float, ...]:
        """How much of the maximum each interval takes; they add up to 1."""
        return tuple((end - start) / self.ends[-1] for start, end in pairwise((0.0, *self.ends)))


def intervals_of(options: Mapping[str, Scalar | tuple[Scalar, ...]], follow_up: FollowUp) -> Intervals:
    """The intervals that the option declares: their ends, or a number of equal parts (default: 10).

    Raises:
        UsageError: the option is neither, or its ends do not increase up to the maximum.
    """
    value = options.get("intervals", _DEFAULT)
    if isinstance(value, tuple | list):
        return Intervals(_checked(tuple(value), follow_up))
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _MOST:
        raise UsageError(
            f"[model.options] intervals: {value!r} is neither a list of ends nor a number of equal parts",
            hint=f"Write a number from 1 to {_MOST}, or ends such as {[follow_up.maximum / 2, follow_up.maximum]}.",
        )
    return Intervals(tuple(follow_up.maximum * (part / value) for part in range(1, value + 1)))


def _checked(ends: tuple[Scalar, ...], follow_up: FollowUp) -> tuple[float, ...]:
    numbers = tuple(float(end) for end in ends if isinstance(end, int | float) and not isinstance(end, bool))
    if len(numbers) != len(ends) or not 1 <= len(ends) <= _MOST:
        raise UsageError(f"[model.options] intervals: 1 to {_MOST} numbers are needed, the ends of the intervals")
    if numbers[-1] != follow_up.maximum:
        raise UsageError(
            f"[model.options] intervals: the last end is {numbers[-1]:g}; it must be {follow_up.maximum:g}, the "
            "maximum of [data.label.follow_up]",
            hint="The ends are in the unit of the follow-up.",
        )
    ticks = (0, *(_tick(end, follow_up.maximum) for end in numbers))
    if not all(before < after for before, after in pairwise(ticks)):
        raise UsageError(
            "[model.options] intervals: the ends must be above 0 and increase, each by a millionth of the maximum"
        )
    return numbers


def _tick(end: float, maximum: float) -> int:
    return round(end / maximum * TICKS)
