"""What the arrays of a study of kind "tensor" look like, on a sample: which cannot be made, and their scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.array_records import decoded
from fedward_client.importer.events.grids import Gridded, grids
from fedward_client.importer.events.losses import NO_LOSSES, Losses
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.preflight.profile import ArrayFacts, Lost, Quarantined, Unreadable
from fedward_client.importer.quarantine import Rejection
from fedward_client.importer.sources.registry import open_events
from fedward_client.importer.tally import Tally
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ARRAYS", "Arrays", "array_facts", "lost_events"]

ARRAYS = 1000
"""Records whose arrays are made."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """What was found, the records that have no array, and the events that were not used (of these records)."""

    facts: ArrayFacts
    quarantine: tuple[Quarantined, ...]
    lost: tuple[Lost, ...]


class _Moments:
    """Mean and deviation of numbers that come in parts (Chan, Golub & LeVeque 1979)."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, values: NDArray[np.float32]) -> None:
        if not values.size:
            return
        mean = float(values.mean(dtype=np.float64))
        squares = float(values.var(dtype=np.float64)) * values.size
        whole, step = self.count + values.size, mean - self.mean
        self._squares += squares + step * step * self.count * values.size / whole
        self.mean += step * values.size / whole
        self.count = whole

    @property
    def deviation(self) -> float:
        return float(np.sqrt(self._squares / self.count)) if self.count else 0.0


class _Listing(Tally):
    """A tally that also keeps which rows were rejected."""

    def __init__(self, contract: DataContract, order: ImportOrder, scratch: Path) -> None:
        super().__init__(contract, order.limits, None, scratch)
        self.found: list[Rejection] = []

    def rejected(self, rejections: Iterable[Rejection]) -> None:
        told = tuple(rejections)
        self.found += told
        super().rejected(told)


def array_facts(sample: pl.DataFrame, contract: DataContract, order: ImportOrder, scratch: Path) -> Arrays:
    """Makes the arrays of some accepted rows, as the import would, and keeps nothing of them."""
    moments = _Moments()
    losses = NO_LOSSES
    with _Listing(contract, order, scratch) as listing:
        if isinstance(contract.form, Series):
            for piece in _gridded(sample, contract, contract.form, order, scratch):
                moments.add(piece.x)
                losses += piece.losses
        else:
            folder = order.folder / (order.mapping.files or "")
            for part in decoded([sample], contract, folder, order.limits.file_bytes, listing):
                moments.add(part.x)
    reasons = Counter(str(one.reason) for one in listing.found)
    return Arrays(
        ArrayFacts(
            sample.height,
            tuple(Unreadable(reason, count) for reason, count in reasons.most_common()),
            moments.mean,
            moments.deviation,
        ),
        tuple(Quarantined(one.row, one.column, str(one.reason)) for one in listing.found),
        lost_events(losses),
    )


def lost_events(losses: Losses) -> tuple[Lost, ...]:
    """Events that were not used, the most frequent reason first."""
    found = Counter({(column, str(reason)): count for (column, reason), count in losses.counts.items()})
    return tuple(Lost(column, reason, count) for (column, reason), count in found.most_common())


def _gridded(
    sample: pl.DataFrame, contract: DataContract, form: Series, order: ImportOrder, scratch: Path
) -> Iterator[Gridded]:
    if order.mapping.events is None:
        raise UsageError("the study needs events", hint="Say in the mapping's [events] where they are.")
    events = open_events(order.mapping.events, order.folder)
    return grids([sample], events, form, mapping=order.mapping, contract=contract, scratch=scratch)
