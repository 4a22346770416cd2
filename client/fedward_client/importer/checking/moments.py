"""When something was: ISO 8601 dates and times, and hours between two of them.

`2026-01-31`, `2026-01-31T14:05`, `2026-01-31 14:05:09.5`, each with or without an offset (`Z`, `+02:00`, `+0200`). A
date is its midnight. Two moments can be compared where both have an offset, or neither has.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fedward_client.importer.checking.cells import text

__all__ = ["Moment", "hours_between", "moment"]

_ISO = (
    r"^(?<day>[0-9]{4}-[0-9]{2}-[0-9]{2})"
    r"(?:[Tt ](?<hour>[0-9]{2}):(?<minute>[0-9]{2})(?::(?<second>[0-9]{2})(?:[.,](?<part>[0-9]{1,9}))?)?"
    r"(?<offset>[Zz]|(?<sign>[+-])(?<oh>[0-9]{2}):?(?<om>[0-9]{2}))?)?$"
)
_MICROSECONDS = 1_000_000
_HOUR = 3600 * _MICROSECONDS
_LAST = {"hour": 23, "minute": 59, "second": 59, "oh": 23, "om": 59}


@dataclass(frozen=True, slots=True)
class Moment:
    """A column of times: `micros` since 1970 (Int64; null: none), is it `aware` of its offset, is it `absent`."""

    micros: pl.Expr
    aware: pl.Expr
    absent: pl.Expr


def moment(column: str, dtype: pl.DataType, missing: frozenset[str]) -> Moment:
    """How to read a column of dates and times, as text or typed. `missing` are spellings of "none", beside ""."""
    cell = pl.col(column)
    if isinstance(dtype, pl.Datetime):
        aware = pl.lit(value=dtype.time_zone is not None)
        return Moment(cell.dt.epoch("us"), aware, cell.is_null())
    if dtype == pl.Date:
        return Moment(cell.cast(pl.Datetime("us")).dt.epoch("us"), pl.lit(value=False), cell.is_null())
    written = text(cell, dtype)
    parts = written.str.extract_groups(_ISO).struct
    day = parts.field("day").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    number = {name: parts.field(name).cast(pl.Int64) for name in _LAST}
    fits = pl.all_horizontal((number[name] <= last).fill_null(value=True) for name, last in _LAST.items())
    clock = (number["hour"].fill_null(0) * 3600 + number["minute"].fill_null(0) * 60) * _MICROSECONDS
    clock += number["second"].fill_null(0) * _MICROSECONDS
    clock += parts.field("part").fill_null("").str.pad_end(6, "0").str.head(6).cast(pl.Int64)
    ahead = (number["oh"].fill_null(0) * 60 + number["om"].fill_null(0)) * 60 * _MICROSECONDS
    ahead = pl.when(parts.field("sign") == "-").then(-ahead).otherwise(ahead)
    micros = pl.when(fits).then(day + clock - ahead)
    return Moment(micros, parts.field("offset").is_not_null().fill_null(value=False), written.is_in(["", *missing]))


def hours_between(start: Moment, end: Moment) -> pl.Expr:
    """Hours from `start` to `end` (Float64); null where one is no moment, or only one knows its offset."""
    return pl.when(start.aware == end.aware).then((end.micros - start.micros) / _HOUR)
