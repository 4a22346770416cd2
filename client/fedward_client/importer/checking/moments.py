"""When something was: ISO 8601 dates and times, and hours between two of them.

`2026-01-31`, `2026-01-31T14:05`, `2026-01-31 14:05:09.5`, each with or without an offset (`Z`, `+02:00`, `+0200`). A
date is its midnight. Two moments can be compared where both have an offset, or neither has.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from fedward_client.importer.checking.cells import text

__all__ = ["Moment", "hours_between", "read_moments"]

_USUAL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9])?)?$"
_FORMATS = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S")
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


def hours_between(start: Moment, end: Moment) -> pl.Expr:
    """Hours from `start` to `end` (Float64); null where one is no moment, or only one knows its offset."""
    return pl.when(start.aware == end.aware).then((end.micros - start.micros) / _HOUR)


def read_moments(cells: pl.Series, missing: frozenset[str]) -> pl.DataFrame:
    """The columns `micros`, `aware` and `absent` (see `Moment`) of a column of dates and times, as text or typed.

    `missing` are spellings of "none", beside "".
    """
    dtype = cells.dtype
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        aware = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
        typed = cells if isinstance(dtype, pl.Datetime) else cells.cast(pl.Datetime("us"))
        micros = typed.dt.epoch("us").alias("micros")
        return micros.to_frame().with_columns(pl.lit(aware).alias("aware"), cells.is_null().alias("absent"))
    written = cells.to_frame("cell").select(text(pl.col("cell"), dtype))
    usual = pl.when(pl.col("cell").str.contains(_USUAL)).then(pl.col("cell").str.replace(" ", "T", literal=True))
    table = written.with_columns(usual.alias("usual")).select(
        "cell",
        pl.coalesce(pl.col("usual").str.to_datetime(form, strict=False, time_unit="us") for form in _FORMATS)
        .dt.epoch("us")
        .alias("micros"),
        pl.lit(value=False).alias("aware"),
        pl.col("cell").is_in(["", *missing]).alias("absent"),
    )
    return _mended(table).drop("cell")


def _mended(table: pl.DataFrame) -> pl.DataFrame:
    """Reads again, slowly, what is not written in the usual way."""
    open_ = table["micros"].is_null() & ~table["absent"]
    if not open_.any():
        return table
    places = open_.arg_true()
    read = table.select(pl.col("cell").gather(places)).with_columns(_unusual())
    return table.with_columns(
        table["micros"].scatter(places, read["micros"]), table["aware"].scatter(places, read["aware"])
    )


def _unusual() -> tuple[pl.Expr, pl.Expr]:
    """`micros` and `aware` of the column `cell`."""
    parts = pl.col("cell").str.extract_groups(_ISO).struct
    day = parts.field("day").str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    number = {name: parts.field(name).cast(pl.Int64) for name in _LAST}
    fits = pl.all_horizontal((number[name] <= last).fill_null(value=True) for name, last in _LAST.items())
    clock = (number["hour"].fill_null(0) * 3600 + number["minute"].fill_null(0) * 60) * _MICROSECONDS
    clock += number["second"].fill_null(0) * _MICROSECONDS
    clock += parts.field("part").fill_null("").str.pad_end(6, "0").str.head(6).cast(pl.Int64)
    ahead = (number["oh"].fill_null(0) * 60 + number["om"].fill_null(0)) * 60 * _MICROSECONDS
    ahead = pl.when(parts.field("sign") == "-").then(-ahead).otherwise(ahead)
    micros = pl.when(fits).then(day + clock - ahead)
    return micros.alias("micros"), parts.field("offset").is_not_null().fill_null(value=False).alias("aware")
