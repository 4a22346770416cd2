"""When something was: ISO 8601 dates and times, and hours between two of them.

`2026-01-31`, `2026-01-31T14:05`, `2026-01-31 14:05:09.5`, each time with or without an offset (`Z`, `+02:00`, `+0200`).
A date (also `2026-01-31Z`, where times have offsets) lasts the whole day: `Moment.micros` is its midnight,
`Moment.last` its last microsecond. Two moments can be compared where both have an offset, or neither has.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fedward_client.importer.checking.cells import text

__all__ = ["Moment", "hours_between", "last_microsecond", "read_moments"]

_USUAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?)?$"
_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:Z|"
    r"(?:[Tt ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):?[0-5][0-9])?)?)$"
)
_DATE_CHARS = 11
_MICROSECONDS = 1_000_000
_HOUR = 3600 * _MICROSECONDS
_DAY = 24 * _HOUR
_WEST = 12 * _HOUR


@dataclass(frozen=True, slots=True)
class Moment:
    """A column of times: `micros` since 1970 (Int64; null: none), is it `aware` of its offset, is it `absent`.

    `last` is the latest that it can have been: where a day is all that is known, its last microsecond.
    """

    micros: pl.Expr
    aware: pl.Expr
    absent: pl.Expr
    last: pl.Expr


def hours_between(start: Moment, end: Moment, *, last: bool = False) -> pl.Expr:
    """Hours from `start` to `end` (Float64); null where one is no moment, or only one knows its offset.

    `last` takes the latest that `end` can have been.
    """
    return pl.when(start.aware == end.aware).then(((end.last if last else end.micros) - start.micros) / _HOUR)


def last_microsecond() -> pl.Expr:
    """Over what `read_moments` gives: the latest that each can have been.

    A day where others know their offsets is over when it is over everywhere, twelve hours after it is in UTC.
    """
    over = pl.when(pl.col("aware")).then(_DAY - 1 + _WEST).otherwise(_DAY - 1)
    return pl.when(pl.col("day")).then(pl.col("micros") + over).otherwise(pl.col("micros"))


def read_moments(cells: pl.Series, missing: frozenset[str]) -> pl.DataFrame:
    """The columns `micros`, `aware`, `absent` (see `Moment`) and `day` of a column of dates and times, text or typed.

    `day` says that it is a date, without a time of the day. `missing` are spellings of "none", beside "".
    """
    dtype = cells.dtype
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        aware = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        typed = cells if isinstance(dtype, pl.Datetime) else cells.cast(pl.Datetime("us"))
        micros = typed.dt.epoch("us").alias("micros")
        return micros.to_frame().with_columns(
            pl.lit(aware).alias("aware"), cells.is_null().alias("absent"), pl.lit(dtype == pl.Date).alias("day")
        )
    written = cells.to_frame("cell").select(text(pl.col("cell"), dtype))
    usual = pl.when(pl.col("cell").str.contains(_USUAL)).then(pl.col("cell").str.replace(" ", "T", literal=True))
    table = written.with_columns(usual.alias("usual")).select(
        "cell",
        pl.coalesce(pl.col("usual").str.to_datetime(form, strict=False, time_unit="us") for form in _FORMATS)
        .dt.epoch("us")
        .alias("micros"),
        pl.lit(value=False).alias("aware"),
        pl.col("cell").is_in(["", *missing]).alias("absent"),
        (pl.col("cell").str.len_chars() < _DATE_CHARS).alias("day"),
    )
    return _mended(table).drop("cell")


def _mended(table: pl.DataFrame) -> pl.DataFrame:
    """Reads again, slowly, what is not written in the usual way."""
    open_ = table["micros"].is_null() & ~table["absent"]
    if not open_.any():
        return table
    places = open_.arg_true()
    read = table.select(pl.col("cell").gather(places)).with_columns(_unusual())
    return table.with_columns(table[name].scatter(places, read[name]) for name in ("micros", "aware", "day"))


def _unusual() -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """`micros`, `aware` and `day` of the column `cell`, by the places of its characters."""
    cell = pl.col("cell")
    fits = cell.str.contains(_ISO)
    day = cell.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    second = pl.when(cell.str.slice(16, 1) == ":").then(cell.str.slice(17, 2))
    part = pl.when(cell.str.slice(19, 1).is_in([".", ","])).then(cell.str.slice(20, 6).str.extract("^([0-9]+)"))
    tail = cell.str.slice(16)
    offset = tail.str.extract(r"([+-][0-9]{2}:?[0-9]{2})$")
    clock = (_digits(cell.str.slice(11, 2)) * 60 + _digits(cell.str.slice(14, 2))) * 60 + _digits(second)
    ahead = (_digits(offset.str.slice(1, 2)) * 60 + _digits(offset.str.slice(-2))) * 60
    ahead = pl.when(offset.str.starts_with("-")).then(-ahead).otherwise(ahead)
    micros = pl.when(fits).then(day + (clock - ahead) * _MICROSECONDS + _digits(part.str.pad_end(6, "0")))
    aware = (fits & (offset.is_not_null() | cell.str.contains("[Zz]$"))).fill_null(value=False)
    whole = fits & (cell.str.len_chars() <= _DATE_CHARS)
    return micros.alias("micros"), aware.alias("aware"), whole.alias("day")


def _digits(written: pl.Expr) -> pl.Expr:
    return written.cast(pl.Int64, strict=False).fill_null(0)
