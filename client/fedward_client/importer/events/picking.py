"""Several values of one cell become one, as `Pick` says. The order in which events arrive never matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.arrays import Pick

if TYPE_CHECKING:
    import polars as pl

__all__ = ["COUNTING", "pick_values"]

COUNTING = frozenset({Pick.COUNT, Pick.ANY})
"""Picks for which events count whatever their value is."""


def pick_values(events: pl.DataFrame, pick: Pick, out: NDArray[np.float64]) -> None:
    """Writes what stands for the events of each cell into `out`; cells without events are left as they are.

    `events` has `cell` (Int64, an index into `out`), `time` (Int64) and `number` (Float64, finite unless the pick only
    counts). Of several values at the latest (earliest) time the smallest stands. A mean is the sum in ascending order
    over the count; a median of an even count is the mean of the two in the middle.
    """
    if not events.height:
        return
    if pick is Pick.ANY:
        out[events["cell"].to_numpy()] = 1.0
        return
    if pick is Pick.COUNT:
        cells, counts = np.unique(events["cell"].to_numpy(), return_counts=True)
        out[cells] = counts
        return
    timed = pick in {Pick.LAST, Pick.FIRST}
    ordered = events.select("cell", *(("time",) if timed else ()), "number").sort(
        ["cell", "time", "number"] if timed else ["cell", "number"]
    )
    cell, value = ordered["cell"].to_numpy(), ordered["number"].to_numpy()
    starts = _starts(cell)
    ends = np.append(starts[1:], len(cell))
    if pick is Pick.LAST:
        chosen = value[_last_times(cell, ordered["time"].to_numpy())]
    elif pick is Pick.HIGHEST:
        chosen = value[ends - 1]
    elif pick is Pick.MEAN:
        chosen = np.add.reduceat(value, starts) / (ends - starts)
    elif pick is Pick.MEDIAN:
        count = ends - starts
        chosen = (value[starts + (count - 1) // 2] + value[starts + count // 2]) / 2
    else:
        chosen = value[starts]
    out[cell[starts]] = chosen


def _starts(cell: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where each cell's run of events begins."""
    return np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))


def _last_times(cell: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where the first of those at each cell's latest time stands."""
    begins = np.append(True, (cell[1:] != cell[:-1]) | (time[1:] != time[:-1]))
    moments = np.flatnonzero(begins)
    last = np.flatnonzero(np.append(cell[moments][1:] != cell[moments][:-1], True))
    return np.take(moments, last)
