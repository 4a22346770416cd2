"""Events that were not used, counted: of which column, and why. The row that they belong to is not rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fedward_client.importer.quarantine import Reason, Rejection

__all__ = ["NO_LOSSES", "Losses"]

_MOST_TOLD = 10_000


@dataclass(frozen=True, slots=True)
class Losses:
    """How many events were dropped, by column (or channel) and reason, whether or not their patient is in the cohort.

    `told` are the first 10,000 of them, for the quarantine list; their `row` is the event's row in its own source.
    """

    counts: Mapping[tuple[str, Reason], int] = field(default_factory=lambda: MappingProxyType({}))
    told: tuple[Rejection, ...] = ()

    def __add__(self, other: Losses) -> Losses:
        counts = Counter(self.counts)
        counts.update(other.counts)
        return Losses(MappingProxyType(dict(counts)), (*self.told, *other.told)[:_MOST_TOLD])

    @classmethod
    def of(cls, column: str, reason: Reason, rows: Iterable[int], count: int) -> Losses:
        """`count` events of one column, the first of which stand in `rows`."""
        told = tuple(Rejection(row, column, reason) for _, row in zip(range(_MOST_TOLD), rows, strict=False))
        return cls(MappingProxyType({(column, reason): count}), told)


NO_LOSSES = Losses()
