"""Times of cells as whole microseconds, so that the ends of windows and steps are exact.

Where the contract declares a time zero, times are dates and times in ISO 8601 (``2024-03-01``, ``2024-03-01 14:30``,
``2024-03-01T14:30:05.25+01:00``); without an offset they are UTC, and a date alone is its midnight. Where it declares
none, times are numbers: hours after whatever the source counts from.
"""

from __future__ import annotations

import polars as pl

from fedward_shared.manifest.contract import BLANKS

__all__ = ["HOUR", "microseconds", "moments", "words"]

HOUR = 3_600_000_000
"""Microseconds."""

_DAY = 24 * HOUR
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:[.,][0-9]{1,9})?)?(?:Z|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_OFFSET = r"^.{16,29}?([+-])([0-9]{2}):?([0-9]{2})?$"
_MOST_HOURS = 1e8


def microseconds(hours: float) -> int:
    """Hours as whole microseconds, to the nearest."""
    return round(hours * HOUR)


def words(cell: pl.Expr, kind: pl.DataType) -> pl.Expr:
    """A cell as trimmed text; a whole number has no point, whatever type holds it. Empty is null."""
    text = cell.cast(pl.String).str.strip_chars(BLANKS)
    if kind.is_float():
        text = text.str.replace(r"\.0$", "")
    return pl.when(text != "").then(text)


def moments(cell: pl.Expr, kind: pl.DataType, *, dated: bool) -> pl.Expr:
    """A column of times as Int64 microseconds (since 1970 if `dated`), null where a cell is no such time."""
    if not dated:
        return _hours(cell, kind)
    if isinstance(kind, pl.Date | pl.Datetime):
        return cell.cast(pl.Datetime("us") if isinstance(kind, pl.Date) else kind).dt.epoch("us")
    return _iso(cell.str.strip_chars(BLANKS)) if isinstance(kind, pl.String) else pl.lit(None, dtype=pl.Int64)


def _hours(cell: pl.Expr, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.String):
        text = cell.str.strip_chars(BLANKS)
        cell = pl.when(text.str.contains(_NUMBER)).then(text).cast(pl.Float64, strict=False)
    elif not kind.is_numeric():
        return pl.lit(None, dtype=pl.Int64)
    hours = cell.cast(pl.Float64)
    return pl.when(hours.is_between(-_MOST_HOURS, _MOST_HOURS)).then((hours * HOUR).round()).cast(pl.Int64)


def _iso(text: pl.Expr) -> pl.Expr:
    day = text.str.slice(0, 10).str.to_date("%Y-%m-%d", strict=False).cast(pl.Int64)
    hour, minute = _digits(text.str.slice(11, 2)), _digits(text.str.slice(14, 2))
    second = _digits(text.str.extract(r"^.{16}:([0-9]{2})"))
    fraction = _digits(text.str.extract(r"^.{19}[.,]([0-9]{1,6})").str.pad_end(6, "0"))
    ahead = _digits(text.str.extract(_OFFSET, 2)) * 60 + _digits(text.str.extract(_OFFSET, 3))
    ahead = pl.when(text.str.extract(_OFFSET, 1) == "-").then(-ahead).otherwise(ahead)
    fine = (
        text.str.contains(_ISO)
        & (hour <= 23)  # noqa: PLR2004 - the parts of a time
        & (minute <= 59)  # noqa: PLR2004
        & (second <= 59)  # noqa: PLR2004
        & ahead.is_between(-24 * 60, 24 * 60)
    )
    seconds = (hour * 60 + minute - ahead) * 60 + second
    return pl.when(fine).then(day * _DAY + seconds * 1_000_000 + fraction)


def _digits(text: pl.Expr) -> pl.Expr:
    return text.cast(pl.Int64, strict=False).fill_null(0)
