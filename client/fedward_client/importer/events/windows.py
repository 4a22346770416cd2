"""Events become columns of the cohort's rows: what was measured in a window around each row's time zero.

However many rows and events there are, memory holds only some of them: the rows are copied to disk in their order and,
beside, who they are by the hash of their patient; the wanted events are copied by the same hash; then hash range after
hash range is joined and reduced, and the made cells go back beside the rows in the rows' order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedward_client.importer.events.losses import NO_LOSSES, Losses
from fedward_client.importer.events.made import event_columns
from fedward_client.importer.events.matching import Matched, matched
from fedward_client.importer.events.measures import Measure, measures, whose
from fedward_client.importer.events.picking import pick_values
from fedward_client.importer.events.runs import Runs
from fedward_client.importer.events.spooling import SpooledRows, spool_events, spool_rows
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.sources.source import ROW, Batch, Source
from fedward_shared.contracts.arrays import Pick
from fedward_shared.contracts.cohort import DataContract

__all__ = ["WithEvents", "event_columns"]

_MOST_CELLS = 4_000_000
_UNKNOWN = 1_000_000
"""Values of a category that the contract does not know rank from here on, in their order as texts."""


class WithEvents:
    """The rows of a source with, beside its own columns, those that the contract makes of events.

    The added columns (`event_columns`) carry the contract's names and hold the contract's words already: a number is
    Float64 in the contract's unit, a category String in its declared spelling (or, where the site has another one, as
    it stands there), a label made of codes "1" or "0". The mapping's answer for such a column was used here, so a
    checker reads it as if there were no answer: no unit to convert, no spelling to replace, only the range, the
    allowed values and whether it is required. `timing.window` was applied here, too.

    A mapping's `source` for such a column is a further code, the site's own. An event belongs to every row of its
    patient; where the contract declares encounters, an input's event that names one belongs only to the rows of that
    encounter (the label's may fall into a later stay). Events of one patient that agree in encounter, time, code, value
    and unit are one event. A number outside the column's range is not used, and is told.

    A date without a time of the day counts for an input as the end of that day, for a label as its start. A label's
    events count after time zero only. Where an event of a count or of a label has no usable time, nobody knows whether
    it belongs to the window: the count is null, and so is a label (or `any`) that no other event makes 1. A row without
    time zero has no events, and its cells are null, where otherwise a count would be 0.
    """

    def __init__(self, rows: Source, events: Source, contract: DataContract, mapping: Mapping, scratch: Path) -> None:
        self._rows = rows
        self._events = events
        self._contract = contract
        self._mapping = mapping
        self._scratch = scratch
        self.losses: Losses = NO_LOSSES
        """Events that the latest reading dropped; complete with the first batch."""

    def columns(self) -> tuple[str, ...]:
        """The names of all columns: the source's own (but for those that events make), then `event_columns`."""
        made = event_columns(self._contract)
        return (*(name for name in self._rows.columns() if name not in made), *made)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row, in the order of the source.

        Both sources are read to their ends before the first batch comes.

        Raises:
            SourceDataError: either source is damaged or lacks a column, or no event names its encounter where the
                contract asks for it.
            UsageError: contract or mapping do not say whose events they are.
        """
        made = measures(self._contract, self._mapping, [name for name in columns if name in self._made])
        if not made:
            yield from self._rows.batches(columns)
            return
        keys = whose(self._contract, self._mapping)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            own = [name for name in columns if name not in self._made]
            asked = dict.fromkeys([*own, *keys.names])
            spool = spool_rows(self._rows.batches(tuple(asked)), own, keys, Path(folder))
            events, self.losses = spool_events(self._events, made, spool, self._mapping.decimal, Path(folder))
            cells = Runs(
                Path(folder) / "cells", "seq", {"seq": pl.Int64, **{measure.name: _kind(measure) for measure in made}}
            )
            most_rows = max(1, _MOST_CELLS // len(made))
            inputs = [place for place, measure in enumerate(made) if not measure.outcome]
            by_encounter = inputs if keys.encounter else None
            for found in matched(spool.keys, events, by_encounter=by_encounter, most_rows=most_rows):
                cells.add(_reduced(found, made))
            yield from _joined(spool, cells, made, columns)

    @property
    def _made(self) -> frozenset[str]:
        return frozenset(event_columns(self._contract))


def in_windows(events: pl.DataFrame, made: Sequence[Measure]) -> pl.DataFrame:
    """Those events of `Matched` that lie in their measure's window, its ends included."""
    places = list(range(len(made)))
    starts = pl.col("measure").replace_strict(places, [measure.window[0] for measure in made], return_dtype=pl.Int64)
    ends = pl.col("measure").replace_strict(places, [measure.window[1] for measure in made], return_dtype=pl.Int64)
    return events.filter(pl.col("after").is_between(starts, ends))


def _reduced(found: Matched, made: tuple[Measure, ...]) -> pl.DataFrame:
    """One cell for each row and measure, with `seq`."""
    cells = np.full((len(found.seq), len(made)), np.nan)
    for place, measure in enumerate(made):
        if measure.counted:
            cells[found.timed, place] = 0.0
    unknown = found.undated["local"].to_numpy(), found.undated["measure"].to_numpy()
    cells[unknown] = np.nan
    events = in_windows(found.events, made)
    strange = events["text"].drop_nulls().unique().sort().to_list()
    ranks = [float(_UNKNOWN + rank) for rank in range(len(strange))]
    events = events.select(
        "measure",
        cell=pl.col("local") * len(made) + pl.col("measure"),
        time=pl.col("after"),
        number=pl.col("text").replace_strict(strange, ranks, default=pl.col("number"), return_dtype=pl.Float64),
    )
    for pick in dict.fromkeys(measure.pick for measure in made):
        chosen = [place for place, measure in enumerate(made) if measure.pick is pick]
        pick_values(events.filter(pl.col("measure").is_in(chosen)), pick, cells.reshape(-1))
    counts = np.array([measure.pick is Pick.COUNT for measure in made])
    cells[unknown] = np.where(counts[unknown[1]], np.nan, cells[unknown])
    columns = [_column(cells[:, place], measure, strange) for place, measure in enumerate(made)]
    return pl.DataFrame([pl.Series("seq", found.seq), *columns])


def _column(cells: NDArray[np.float64], measure: Measure, strange: list[str]) -> pl.Series:
    """A measure's cells as the column that the class promises."""
    values = pl.Series(measure.name, cells, nan_to_null=True)
    if measure.words is None:
        return values
    if measure.counted:
        return values.cast(pl.Int64).cast(pl.String)
    ranks = [*map(float, range(len(measure.words))), *(float(_UNKNOWN + rank) for rank in range(len(strange)))]
    return values.replace_strict(ranks, [*measure.words, *strange], default=None, return_dtype=pl.String)


def _joined(spool: SpooledRows, runs: Runs, made: tuple[Measure, ...], columns: Sequence[str]) -> Iterator[Batch]:
    """The rows as they came, with the made cells beside them."""
    if not spool.batches:
        return
    names = [measure.name for measure in made]
    cuts = np.array([kept.place for kept in spool.batches[1:]], dtype=np.int64)
    for (kept, table), cells in zip(spool.tables(), runs.ranges(cuts), strict=True):
        yield Batch(
            table.hstack(cells.select(*names)).select(*dict.fromkeys([ROW, *columns])),
            kept.rejections,
            kept.done,
            kept.of,
        )


def _kind(measure: Measure) -> type[pl.DataType]:
    return pl.Float64 if measure.words is None else pl.String
