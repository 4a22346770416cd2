"""Brings events to the rows they belong to, patient by patient, in pieces that fit in memory."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedward_client.importer.events.runs import Runs

__all__ = ["EVENT_SCHEMA", "KEY_SCHEMA", "Matched", "matched", "patient_hash"]

KEY_SCHEMA = {"hash": pl.Int64, "patient": pl.String, "encounter": pl.String, "seq": pl.Int64, "zero": pl.Int64}
"""Of a row of the cohort: whose it is, its place in the whole, and its time zero in microseconds (null: none)."""

EVENT_SCHEMA = {
    "hash": pl.Int64,
    "patient": pl.String,
    "encounter": pl.String,
    "time": pl.Int64,
    "measure": pl.Int32,
    "number": pl.Float64,
    "text": pl.String,
    "same": pl.UInt64,
}
"""Of an event: whose it is, when (microseconds; null: it was at some time), which measure it serves (its place in the
list of measures), the value in the measure's unit or the rank of a category's value; `text` is a value that has no
rank, else null. Two events of a patient with the same time, measure and `same` are one event, told twice."""

_REPEATED = ["hash", "time", "measure", "same"]

_TOGETHER = 1_000_000
_MOST_OF_ONE = 5_000_000


@dataclass(frozen=True, slots=True)
class Matched:
    """Some rows of the cohort and the events of their patients.

    `seq` (Int64) holds the rows' places in the whole, ascending, `timed` whether each has a time zero. `events` has
    `local` (Int64, index into `seq`), `after` (Int64, microseconds after the row's time zero), `measure`, `number` and
    `text`, in no particular order; `undated` has `local` and `measure` of events that were nobody knows when.
    """

    seq: NDArray[np.int64]
    timed: NDArray[np.bool_]
    events: pl.DataFrame
    undated: pl.DataFrame


def patient_hash() -> pl.Expr:
    """Where the rows of a patient gather, Int64 from 0. Only places on the disk depend on it, never a result."""
    return (pl.col("patient").hash(seed=0) // 2).cast(pl.Int64).alias("hash")


def matched(keys: Runs, events: Runs, *, by_encounter: Collection[int] | None, most_rows: int) -> Iterator[Matched]:
    """All rows, each once, at most `most_rows` at a time; those without time zero have no events.

    An event belongs to every row of its patient. Those of the measures `by_encounter` (None: no encounters are
    declared) that name an encounter belong only to rows of that encounter. An event that is told twice comes once.

    Raises:
        SourceDataError: one patient has more events (or rows) than anybody can have.
    """
    parts = max(1, -(-max(keys.rows, events.rows) // _TOGETHER))
    cuts = np.array([(2**63 // parts) * part for part in range(1, parts)], dtype=np.int64)
    for rows, found in zip(keys.ranges(cuts, most=_MOST_OF_ONE), events.ranges(cuts, most=_MOST_OF_ONE), strict=True):
        once = found.unique(subset=_REPEATED)
        yield from _within(rows.sort("seq"), once, by_encounter, most_rows)


def _within(
    rows: pl.DataFrame, events: pl.DataFrame, by_encounter: Collection[int] | None, most_rows: int
) -> Iterator[Matched]:
    """A patient with many rows and many events makes many pairs, so rows are taken until their pairs are enough."""
    counts = events.group_by("patient").len("pairs")
    pairs = rows.select("patient").join(counts, on="patient", how="left", maintain_order="left")["pairs"].fill_null(0)
    total = pairs.cast(pl.Int64).cum_sum().to_numpy()
    start = 0
    while start < rows.height:
        before = int(total[start - 1]) if start else 0
        end = int(np.searchsorted(total, before + _TOGETHER, side="right"))
        end = min(max(end, start + 1), start + most_rows)
        chosen = rows[start:end].with_columns(local=pl.int_range(pl.len(), dtype=pl.Int64))
        joined = chosen.join(events, on="patient", suffix="_named")
        if by_encounter is not None:
            anywhere = pl.col("encounter_named").is_null() | ~pl.col("measure").is_in(list(by_encounter))
            joined = joined.filter(anywhere | (pl.col("encounter") == pl.col("encounter_named")))
        after = (pl.col("time") - pl.col("zero")).alias("after")
        yield Matched(
            chosen["seq"].to_numpy(),
            chosen["zero"].is_not_null().to_numpy(),
            joined.select("local", after, "measure", "number", "text").filter(pl.col("after").is_not_null()),
            joined.filter(pl.col("time").is_null()).select("local", "measure"),
        )
        start = end
