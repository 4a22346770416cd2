"""The records that a step draws from, grouped by the unit of privacy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedward_shared.errors import UsageError
from fedward_shared.privacy.sampling import Indices

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["TrainingSet"]


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Training records on the device, and whose they are.

    `records` (rows, *input shape) float32 (int64 for tokens), `labels` (rows,) int64, `units` unit index of each row,
    0 to `count` - 1. `order` lists the rows unit by unit; unit i owns `order[starts[i] : starts[i + 1]]`.
    """

    records: Tensor
    labels: Tensor
    count: int
    order: Indices
    starts: Indices

    @classmethod
    def of(cls, records: Tensor, labels: Tensor, units: Indices, count: int) -> TrainingSet:
        """Groups the rows; the order of a unit's rows is that of the file.

        Raises:
            UsageError: a unit has no row.
        """
        order = np.argsort(units, kind="stable").astype(np.int64, copy=False)
        sizes = np.bincount(units, minlength=count)
        if len(sizes) != count or (count and not sizes.all()):
            raise UsageError(
                "every patient of a training set needs a record", hint="Number the patients that have one."
            )
        starts = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
        return cls(records, labels, count, order, starts)

    @property
    def one_each(self) -> bool:
        """Whether every unit has exactly one row."""
        return self.count == len(self.order)

    def rows_of(self, chosen: Indices) -> tuple[Indices, Indices]:
        """The rows of the chosen units, and for each row the position in `chosen` of its unit (ascending)."""
        sizes = self.starts[chosen + 1] - self.starts[chosen]
        groups = np.repeat(np.arange(len(chosen)), sizes)
        first = np.cumsum(sizes) - sizes
        within = np.arange(len(groups)) - np.repeat(first, sizes)
        return self.order[self.starts[chosen][groups] + within], groups
