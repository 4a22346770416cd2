"""Events become series: what was measured in each step of a regular grid around each record's time zero."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedward_client.importer.events.clock import microseconds
from fedward_client.importer.events.losses import NO_LOSSES, Losses
from fedward_client.importer.events.matching import Matched, matched
from fedward_client.importer.events.measures import Whose, channels, whose
from fedward_client.importer.events.picking import COUNTING, pick_values
from fedward_client.importer.events.spooling import spool_events, spool_rows
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.sources.source import Batch, Source
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import DataContract

__all__ = ["Gridded", "grids"]


@dataclass(frozen=True, slots=True)
class Gridded:
    """Some records: rows of the tables that went in, unchanged and in their order, and `x` (rows, *form.shape).

    `losses` are events dropped since the piece before; all of them come with the first piece.
    """

    table: pl.DataFrame
    x: NDArray[np.float32]
    losses: Losses


_MOST_CELLS = 4_000_000


def grids(
    tables: Iterable[pl.DataFrame],
    events: Source,
    form: Series,
    *,
    mapping: Mapping,
    contract: DataContract,
    scratch: Path,
) -> Iterator[Gridded]:
    """The series of every row of `tables`, in pieces of at most some 64 MB; memory does not grow with either source.

    A step takes the events from its start up to, not including, its end, in whole microseconds. Where a channel has
    several, `pick` chooses; a value outside the channel's range is dropped before. A channel that counts has 0 where
    there is nothing, others hold the value before (`hold`) or 0 after normalisation. A mask is 1 where the step has an
    event. Events find their rows, dates without a time of the day are read and what is told twice counts as
    `windows.WithEvents` says of inputs. A delta is how many steps ago the latest step with an event was (0: this one),
    or, before the first, how many steps there were.

    Args:
        tables: accepted rows (`Checked.table`). They are read to the end first. They have the contract's `patient`, if
            declared `encounter` (both String), and if declared `time_zero` (Datetime in microseconds, UTC) and
            `checking.checked.AWARE`.
        events: a source with `EVENT_COLUMNS`.
        form: the grid and its channels.
        mapping: its answers for channels say the unit of events that name none, and a code of the site's own.
        contract: names the patient, encounter and time zero columns.
        scratch: a folder of the importer's own for temporary files; what is written there is removed again.

    Raises:
        SourceDataError: the events are damaged, or none names its encounter where the contract asks for it.
        UsageError: the contract or the mapping do not say whose events they are.
    """
    there = whose(contract, mapping)
    keys = Whose(contract.patient or there.patient, contract.encounter, contract.time_zero)
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        folder = Path(name)
        spool = spool_rows((Batch(table) for table in tables), None, keys, folder)
        found, losses = spool_events(events, channels(form, mapping), spool, mapping.decimal, folder)
        by_encounter = range(len(form.channels)) if keys.encounter else None
        most_rows = max(1, _MOST_CELLS // (form.steps * max(form.shape[1], 1)))
        pieces = _Pieces(folder, form)
        for some in matched(spool.keys, found, by_encounter=by_encounter, most_rows=most_rows):
            pieces.add(some.seq, gridded(some, form))
        for kept, table in spool.tables():
            for start in range(0, max(table.height, 1), most_rows):
                part = table[start : start + most_rows]
                yield Gridded(part, pieces.take(kept.place + start, part.height), losses)
                losses = NO_LOSSES


def gridded(found: Matched, form: Series) -> NDArray[np.float32]:
    """The arrays of some rows, (rows, steps, width)."""
    count, shape = len(form.channels), (len(found.seq), form.steps, len(form.channels))
    start, step = microseconds(form.window[0]), microseconds(form.step)
    bins = found.events.with_columns(step=(pl.col("after") - start) // step)
    bins = bins.filter(pl.col("step").is_between(0, form.steps - 1)).select(
        "measure",
        cell=(pl.col("local") * form.steps + pl.col("step")) * count + pl.col("measure"),
        time=pl.col("after"),
        number=pl.col("number"),
    )
    values = np.full(shape, np.nan)
    for place, channel in enumerate(form.channels):
        if channel.pick in COUNTING:
            values[found.timed, :, place] = 0.0
    for pick in dict.fromkeys(channel.pick for channel in form.channels):
        chosen = [place for place, channel in enumerate(form.channels) if channel.pick is pick]
        pick_values(bins.filter(pl.col("measure").is_in(chosen)), pick, values.reshape(-1))
    mask = np.zeros(shape, dtype=bool)
    mask.reshape(-1)[bins["cell"].to_numpy()] = True
    return _encoded(values, mask, form)


def _encoded(values: NDArray[np.float64], mask: NDArray[np.bool_], form: Series) -> NDArray[np.float32]:
    """Held, normalised, and with masks and deltas beside."""
    steps = np.arange(form.steps).reshape(1, -1, 1)
    latest = np.maximum.accumulate(np.where(mask, steps, -1), axis=1)
    if form.hold:
        held = np.take_along_axis(values, np.maximum(latest, 0), axis=1)
        values = np.where(np.isnan(values), held, values)
    centre = np.array([channel.centre for channel in form.channels])
    scale = np.array([channel.scale for channel in form.channels])
    normalised = (values - centre) / scale
    parts = [np.where(np.isnan(normalised), 0.0, normalised).astype(np.float32)]
    if form.masks:
        parts.append(mask.astype(np.float32))
    if form.deltas:
        parts.append(np.where(latest < 0, steps, steps - latest).astype(np.float32))
    return np.concatenate(parts, axis=2)


class _Pieces:
    """Arrays of rows in any order on disk, taken back in theirs."""

    def __init__(self, folder: Path, form: Series) -> None:
        self._folder = folder
        self._shape = form.shape
        self._pieces: list[tuple[Path, NDArray[np.int64]]] = []

    def add(self, seq: NDArray[np.int64], x: NDArray[np.float32]) -> None:
        """Keeps `x`, the arrays of the rows whose places, ascending, are `seq`."""
        path = self._folder / f"x-{len(self._pieces):06d}.f32"
        x.tofile(path)
        self._pieces.append((path, seq))

    def take(self, place: int, rows: int) -> NDArray[np.float32]:
        """The arrays of as many rows from `place` on."""
        width = math.prod(self._shape)
        x = np.empty((rows, width), dtype=np.float32)
        for path, seq in self._pieces:
            first, last = np.searchsorted(seq, (place, place + rows))
            if last > first:
                flat = np.fromfile(path, np.float32, count=(last - first) * width, offset=4 * width * first)
                x[seq[first:last] - place] = flat.reshape(-1, width)
        return x.reshape(rows, *self._shape)
