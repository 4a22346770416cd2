"""Both sides of a join copied to disk: rows in their order, and who they are and the wanted events by patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fedward_client.importer.events.clock import moments, words
from fedward_client.importer.events.losses import Losses
from fedward_client.importer.events.matching import EVENT_SCHEMA, KEY_SCHEMA, patient_hash
from fedward_client.importer.events.measures import Measure, Whose
from fedward_client.importer.events.reading import EventReader
from fedward_client.importer.events.runs import Runs
from fedward_client.importer.quarantine import Rejection
from fedward_client.importer.sources.source import ROW, Batch, Source
from fedward_shared.errors import SourceDataError

__all__ = ["Kept", "SpooledRows", "spool_events", "spool_rows"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A batch whose table lies in a file; its first row has the given place in the whole."""

    path: Path
    place: int
    rejections: tuple[Rejection, ...]
    done: int
    of: int


@dataclass(frozen=True, slots=True)
class SpooledRows:
    """The rows on disk, in order, and `keys`: who they are (`matching.KEY_SCHEMA`)."""

    batches: tuple[Kept, ...]
    keys: Runs

    def tables(self) -> Iterator[tuple[Kept, pl.DataFrame]]:
        """Each batch with its table, once: its file is removed."""
        for kept in self.batches:
            table = pl.read_ipc(kept.path)
            kept.path.unlink()
            yield kept, table


def spool_rows(batches: Iterable[Batch], own: Sequence[str] | None, whose: Whose, folder: Path) -> SpooledRows:
    """Copies `ROW` and the columns `own` (None: all) of every row to disk. Every table has the columns of `whose`."""
    runs = Runs(folder / "keys", "hash", KEY_SCHEMA)
    kept: list[Kept] = []
    place = 0
    for batch in batches:
        path = folder / f"rows-{len(kept):06d}.ipc"
        table = batch.table if own is None else batch.table.select(*dict.fromkeys([ROW, *own]))
        table.write_ipc(path, compression="lz4")
        runs.add(_keys(batch.table, whose, place))
        kept.append(Kept(path, place, batch.rejections, batch.done, batch.of))
        place += table.height
    return SpooledRows(tuple(kept), runs)


def _keys(table: pl.DataFrame, whose: Whose, place: int) -> pl.DataFrame:
    """Who the rows of a table are; the first of them has the given place."""
    schema = table.schema

    def text(name: str | None) -> pl.Expr:
        return words(pl.col(name), schema[name]) if name else pl.lit(None, dtype=pl.String)

    at = whose.time_zero
    zero = moments(pl.col(at), schema[at], dated=True) if at else pl.lit(0, dtype=pl.Int64)
    found = table.select(
        text(whose.patient).alias("patient"),
        text(whose.encounter).alias("encounter"),
        pl.int_range(place, place + pl.len(), dtype=pl.Int64).alias("seq"),
        zero.alias("zero"),
    )
    return found.select(patient_hash(), pl.all())


def spool_events(
    source: Source, measures: Sequence[Measure], whose: Whose, decimal: str, folder: Path
) -> tuple[Runs, Losses]:
    """Copies the usable events to disk (`matching.EVENT_SCHEMA`).

    Raises:
        SourceDataError: the source is damaged, or no event names its encounter where rows are told apart by it.
    """
    events = Runs(folder / "events", "hash", EVENT_SCHEMA)
    reader = EventReader(measures, dated=whose.time_zero is not None, decimal=decimal)
    for table in reader.read_all(source):
        events.add(table)
    if whose.encounter and events.rows and not reader.with_encounter:
        raise SourceDataError(
            "the study tells a patient's stays apart, but no event names its encounter",
            hint="Name the column in the mapping: encounter = … under [events].",
        )
    return events, reader.losses
