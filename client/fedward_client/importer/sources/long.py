"""Events as rows of a table of any type: measurements, diagnoses or prescriptions in long form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.columns import positions
from fedward_client.importer.sources.options import Options, only, text
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW, Batch, Source
from fedward_client.importer.sources.zones import ZONE, in_zone, zone_of
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["TIME_FORMATS", "LongEvents"]

TIME_FORMATS = ("iso", "hours", "minutes", "hh:mm")
"""Dates and times as they stand, or a duration since whatever the source counts from: numbers, or ``36:15``."""

_NEEDED = ("patient", "time", "code")
_CLOCK = r"^([+-]?)([0-9]{1,7}):([0-5][0-9])(?::([0-5][0-9]))?$"


class LongEvents:
    """A table with one event a row; its row numbers are the table's.

    Options name the table's columns: `patient`, `time`, `code`, `value`, and if there are such, `unit` and
    `encounter`; one that is not named is looked for under that very name, and only the first three must be there.
    `time_format` says how times are written (`TIME_FORMATS`; without it they are left as they stand: dates and times,
    or hours where the study declares no time zero). `zone` (`zones.ZONE`) turns times with an offset from UTC into
    local times. All other options are the table's own.
    """

    OPTIONS: ClassVar[Options] = {**dict.fromkeys(EVENT_COLUMNS, str), "time_format": str, ZONE: str}

    def __init__(self, table: Source, columns: Mapping[str, str], time_format: str = "iso", zone: str = "") -> None:
        """`columns` has the table's name for each of `EVENT_COLUMNS` that it says."""
        if time_format not in TIME_FORMATS:
            raise UsageError(
                f"there is no time_format {time_format!r}", hint=f"There are: {', '.join(map(repr, TIME_FORMATS))}."
            )
        self._table = table
        self._columns = {name: column for name, column in columns.items() if column}
        self._time_format = time_format
        self._zone = zone

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the table that `terms` name, by the registry."""
        from fedward_client.importer.sources.registry import open_source

        table = open_source(only(terms, cls.OPTIONS, without=True), folder)
        columns = {name: text(terms, name) for name in EVENT_COLUMNS}
        return cls(table, columns, text(terms, "time_format", "iso"), zone_of(terms))

    def columns(self) -> tuple[str, ...]:
        """`EVENT_COLUMNS`."""
        return EVENT_COLUMNS

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """Every row of the table; what it does not say is null."""
        import polars as pl

        positions(EVENT_COLUMNS, columns, "events")
        offered = self._table.columns()
        there = {name: self._columns.get(name, name) for name in columns}
        kept = {
            name: column
            for name, column in there.items()
            if column in offered or name in self._columns or name in _NEEDED
        }
        for batch in self._table.batches(tuple(dict.fromkeys(kept.values()))):
            table = batch.table.select(
                ROW,
                *(
                    pl.col(kept[name]).alias(name) if name in kept else pl.lit(None, pl.String).alias(name)
                    for name in columns
                ),
            )
            if "time" in kept:
                table = table.with_columns(_hours(pl.col("time"), table.schema["time"], self._time_format))
                table = in_zone(table, ("time",), self._zone)
            yield Batch(table, batch.rejections, batch.done, batch.of)


def _hours(time: pl.Expr, kind: pl.DataType, time_format: str) -> pl.Expr:
    """Times that the reader of events understands: as they stand, or hours (Float64; null where a cell is no time)."""
    import polars as pl

    if time_format == "minutes":
        written = time.str.strip_chars().str.replace(",", ".", literal=True) if kind == pl.String else time
        return written.cast(pl.Float64, strict=False) / 60
    if time_format == "hh:mm":
        written = time.cast(pl.String).str.strip_chars()
        hours = written.str.extract(_CLOCK, 2).cast(pl.Float64)
        minutes = written.str.extract(_CLOCK, 3).cast(pl.Float64)
        seconds = written.str.extract(_CLOCK, 4).cast(pl.Float64).fill_null(0)
        found = ((hours * 60 + minutes) * 60 + seconds) / 3600
        return pl.when(written.str.extract(_CLOCK, 1) == "-").then(-found).otherwise(found).alias("time")
    return time
