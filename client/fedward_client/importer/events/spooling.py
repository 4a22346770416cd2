"""Both sides of a join copied to disk: rows in their order, and who they are and the wanted events by patient."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fedward_client.importer.checking.checked import AWARE
from fedward_client.importer.checking.people import keys
from fedward_client.importer.events.clock import times
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
    """The rows on disk, in order, and `keys`: who they are (`matching.KEY_SCHEMA`).

    `aware` says whether their time zeros have an offset from UTC; None where there are none.
    """

    batches: tuple[Kept, ...]
    keys: Runs
    whose: Whose
    aware: bool | None

    def tables(self) -> Iterator[tuple[Kept, pl.DataFrame]]:
        """Each batch with its table, once: its file is removed."""
        for kept in self.batches:
            table = pl.read_ipc(kept.path)
            kept.path.unlink()
            yield kept, table


def spool_rows(batches: Iterable[Batch], own: Sequence[str] | None, whose: Whose, folder: Path) -> SpooledRows:
    """Copies `ROW` and the columns `own` to disk; None: all columns, of checked rows (which have `checked.AWARE`).

    Raises:
        SourceDataError: some time zeros say their offset from UTC, and others do not.
    """
    runs = Runs(folder / "keys", "hash", KEY_SCHEMA)
    kept: list[Kept] = []
    aware: set[bool] = set()
    place = 0
    for batch in batches:
        path = folder / f"rows-{len(kept):06d}.ipc"
        table = batch.table if own is None else batch.table.select(*dict.fromkeys([ROW, *own]))
        table.write_ipc(path, compression="lz4")
        keys = _keys(batch.table, whose, place)
        aware |= set(keys.filter(pl.col("zero").is_not_null())["aware"].unique())
        runs.add(keys.drop("aware"))
        kept.append(Kept(path, place, batch.rejections, batch.done, batch.of))
        place += table.height
    if len(aware) > 1 and whose.time_zero:
        raise SourceDataError(
            f"some times in {whose.time_zero!r} say their offset from UTC, and others do not",
            hint="Events cannot be put before or after them. Write all times in one way.",
        )
    return SpooledRows(tuple(kept), runs, whose, aware.pop() if whose.time_zero and aware else None)


def _keys(table: pl.DataFrame, whose: Whose, place: int) -> pl.DataFrame:
    """Who the rows of a table are (`KEY_SCHEMA`, and `aware`); the first of them has the given place."""

    def name(column: str | None) -> pl.Expr:
        if column is None:
            return pl.lit(None, dtype=pl.String)
        return pl.lit(keys(table[column])).replace("", None)

    found = table.select(
        name(whose.patient).alias("patient"),
        name(whose.encounter).alias("encounter"),
        pl.int_range(place, place + pl.len(), dtype=pl.Int64).alias("seq"),
        pl.lit(0, dtype=pl.Int64).alias("zero"),
        pl.lit(value=False).alias("aware"),
    )
    if whose.time_zero:
        when = times(table, whose.time_zero, dated=True)
        found = found.with_columns(
            when["micros"].alias("zero"), table[AWARE].alias("aware") if AWARE in table.columns else when["aware"]
        )
    return found.select(patient_hash(), pl.all())


def spool_events(
    source: Source, measures: Sequence[Measure], rows: SpooledRows, decimal: str, folder: Path
) -> tuple[Runs, Losses]:
    """Copies the usable events, and those of counts and outcomes that have no time, to disk (`matching.EVENT_SCHEMA`).

    `decimal` is the mapping's; a source whose format leaves no choice says so in `DECIMAL`. One that can find single
    codes by itself has a method `narrowed`.

    Raises:
        SourceDataError: the source is damaged; no event of an input names its encounter where rows are told apart by
            it; or all events of a measure are lost for one reason.
    """
    events = Runs(folder / "events", "hash", EVENT_SCHEMA)
    decimal = str(getattr(source, "DECIMAL", decimal))
    if hasattr(source, "narrowed"):
        source = source.narrowed(frozenset(code for measure in measures for code in measure.codes))
    reader = EventReader(measures, dated=rows.whose.time_zero is not None, decimal=decimal, aware=rows.aware)
    for table in reader.read_all(source):
        events.add(table)
    reader.check_used()
    if rows.whose.encounter and reader.with_encounter is False:
        raise SourceDataError(
            "the study tells a patient's stays apart, but no event names its encounter",
            hint="Name the column in the mapping: encounter = … under [events].",
        )
    return events, reader.losses
