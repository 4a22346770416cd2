"""Which row is which step of which series, as a recurrent layer walks through a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

import torch
from torch import Tensor

__all__ = ["Gaps", "Timeline"]


@dataclass(frozen=True, slots=True)
class Gaps:
    """Where rows are when series differ in length. All int64.

    Attributes:
        last: (records,) the last row of each series.
        turned: (rows,) each row's counterpart when every series is reversed in its own length.
        places: (rows,) each row's place when all records, in the order of the batch, have all steps.
    """

    last: Tensor
    turned: Tensor
    places: Tensor


@dataclass(frozen=True, slots=True)
class Timeline:
    """Rows are ordered by step, and within a step by series; at each step the first so many series have a row.

    Attributes:
        records: number of series.
        sizes: rows of each step, never rising.
        backwards: seen from the last step to the first; never where there are gaps, since there the rows are turned.
        gaps: None where all series have one length.
    """

    records: int
    sizes: tuple[int, ...]
    backwards: bool = False
    gaps: Gaps | None = None

    @classmethod
    def even(cls, steps: int, records: int) -> Timeline:
        """Series of one length."""
        return cls(records, (records,) * steps)

    @classmethod
    def packed(cls, batch_sizes: Tensor, order: Tensor | None, device: torch.device) -> Timeline:
        """Series as a `PackedSequence` has them; `order` (records,) is where in the batch each is, None: just there."""
        records, steps = int(batch_sizes[0]), len(batch_sizes)
        step = torch.arange(steps).repeat_interleave(batch_sizes)
        starts = batch_sizes.cumsum(0) - batch_sizes
        series = torch.arange(len(step)) - starts[step]
        lengths = torch.bincount(series, minlength=records)
        record = series if order is None else order.cpu()[series]
        gaps = Gaps(
            last=(starts[lengths - 1] + torch.arange(records)).to(device),
            turned=(starts[lengths[series] - 1 - step] + series).to(device),
            places=(record * steps + step).to(device),
        )
        return cls(records, tuple(batch_sizes.tolist()), gaps=gaps)

    @property
    def rows(self) -> int:
        """Steps of all series together."""
        return sum(self.sizes)

    def reverse(self) -> Timeline:
        """The same series seen from their ends; rows must go through `turn` first, and what comes of them after."""
        return self if self.gaps else replace(self, backwards=not self.backwards)

    def turn(self, rows: Tensor) -> Tensor:
        """(rows, n) in the order that the reverse wants, and back."""
        return rows.index_select(0, self.gaps.turned) if self.gaps else rows

    def split(self, rows: Tensor) -> list[Tensor]:
        """(rows, ...) -> views (rows of the step, ...), in the order in which steps are seen."""
        return self._seen(rows.split_with_sizes(self.sizes))

    def steps(self, series: Tensor) -> list[Tensor]:
        """As `split`, of series as a layer takes and gives them: (rows, n) with gaps, else (steps, records, n)."""
        return self.split(series) if self.gaps else self._seen(series.unbind())

    def carried(self, steps: list[Tensor]) -> list[Tensor]:
        """Of each step but the last one seen, the rows of those series that have another step."""
        if self.gaps is None:
            return steps[:-1]
        return [step[:size] for step, size in zip(steps, self.sizes[1:], strict=False)]

    def runs(self, rows: int) -> list[tuple[slice, slice]]:
        """Steps that follow each other, of about `rows` rows together: (which rows, which steps in the order seen)."""
        steps = len(self.sizes)
        many = max(1, rows * steps // max(1, self.rows))
        ends = [0, *accumulate(self.sizes)]
        found = []
        for first in range(0, steps, many):
            last = min(first + many, steps)
            at = (steps - last, steps - first) if self.backwards else (first, last)
            found.append((slice(ends[at[0]], ends[at[1]]), slice(first, last)))
        return found

    def running(self, state: Tensor) -> list[Tensor]:
        """(records, n) -> for each step in the order seen, a view of the series that have a row there."""
        return [state] * len(self.sizes) if self.gaps is None else [state[:size] for size in self.sizes]

    def final(self, series: Tensor) -> Tensor:
        """The row of each series that is seen last: series as for `steps` -> (records, n), a copy."""
        if self.gaps:
            return series.index_select(0, self.gaps.last)
        return self.steps(series)[-1].clone()

    def by_record(self, rows: Tensor) -> Tensor:
        """(rows, n) -> (records, steps, n), records in the order of the batch; zero where a series has ended."""
        steps, width = len(self.sizes), rows.shape[1]
        if self.gaps is None:
            return rows.view(steps, self.records, width).transpose(0, 1)
        padded = rows.new_zeros(self.records * steps, width).index_copy_(0, self.gaps.places, rows)
        return padded.view(self.records, steps, width)

    def _seen(self, steps: Sequence[Tensor]) -> list[Tensor]:
        return list(reversed(steps)) if self.backwards else list(steps)
