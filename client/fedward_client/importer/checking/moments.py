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
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?)?$"
)
_MICROSECONDS = 1_000_000
_HOUR = 3600 * _MICROSECONDS


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
    fits = written.str.contains(_ISO)
    day = written.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    second = pl.when(written.str.slice(16, 1) == ":").then(written.str.slice(17, 2))
    part = written.str.extract(r"^.{19}[.,]([0-9]{1,6})").str.pad_end(6, "0")
    tail = written.str.slice(16)
    offset = tail.str.extract(r"([+-][0-9]{2}:?[0-9]{2})$")
    clock = (_digits(written.str.slice(11, 2)) * 60 + _digits(written.str.slice(14, 2))) * 60 + _digits(second)
    ahead = (_digits(offset.str.slice(1, 2)) * 60 + _digits(offset.str.slice(-2))) * 60
    ahead = pl.when(offset.str.starts_with("-")).then(-ahead).otherwise(ahead)
    micros = pl.when(fits).then(day + (clock - ahead) * _MICROSECONDS + _digits(part))
    aware = fits & (offset.is_not_null() | tail.str.contains("[Zz]$"))
    return Moment(micros, aware, written.is_in(["", *missing]))


def _digits(written: pl.Expr) -> pl.Expr:
    return written.cast(pl.Int64, strict=False).fill_null(0)


def hours_between(start: Moment, end: Moment) -> pl.Expr:
    """Hours from `start` to `end` (Float64); null where one is no moment, or only one knows its offset."""
    return pl.when(start.aware == end.aware).then((end.micros - start.micros) / _HOUR)
