"""Times of cells as whole microseconds, so that the ends of windows and of steps are exact.

Where the contract declares a time zero, times are dates and times as `checking.moments` reads them (ISO 8601). Where it
declares none, they are hours after whatever the source counts from.
"""

from __future__ import annotations

import polars as pl

from fedward_client.importer.checking.cells import NumberCells, parse_numbers
from fedward_client.importer.checking.moments import last_microsecond, read_moments

__all__ = ["microseconds", "times"]

_HOUR = 3_600_000_000
_MOST_HOURS = 1e8


def microseconds(hours: float) -> int:
    """Hours as whole microseconds, to the nearest."""
    return round(hours * _HOUR)


def times(table: pl.DataFrame, column: str, *, dated: bool, decimal: str = ".") -> pl.DataFrame:
    """When each row of a table was, by one of its columns.

    `micros` (Int64; null: no such time) counts from 1970 if `dated`, else from where the source's hours do; `last` is
    the latest that it can have been: of a date its last microsecond, where `micros` is its midnight. `aware` says
    whether a dated one has an offset from UTC; where that is unknown it counts as UTC.
    """
    if dated:
        found = read_moments(table[column], frozenset())
        return found.select(
            "micros", last_microsecond().alias("last"), pl.col("aware") & pl.col("micros").is_not_null()
        )
    hours = parse_numbers(table, [NumberCells(column, frozenset(), decimal)]).select("p0").to_series()
    within = pl.when(pl.col("p0").is_between(-_MOST_HOURS, _MOST_HOURS)).then((pl.col("p0") * _HOUR).round())
    micros = within.cast(pl.Int64)
    return hours.to_frame().select(micros.alias("micros"), micros.alias("last"), pl.lit(value=False).alias("aware"))
