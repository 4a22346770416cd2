"""Dates as hospitals write them: cells of one declared form become ISO 8601, and what has another form no time.

Day and month are never guessed: a form says which is first, and `31/01/2026` is no time where it says that months are.
A form without a clock gives dates, which last the whole day. `excel` are days since 1899-12-30, as spreadsheets count.
"""

from __future__ import annotations

from collections.abc import Collection

import polars as pl

from fedward_client.importer.checking.cells import text

__all__ = ["iso_dates"]

_NO_TIME = "?"
_PARTS = {"dd": "(?P<d>[0-9]{2})", "mm": "(?P<m>[0-9]{2})", "yyyy": "(?P<y>[0-9]{4})"}
_EXCEL = r"^[0-9]{1,7}(?:\.[0-9]{1,12})?$"
_FIRST_DAY, _LAST_DAY = 61, 2_958_465
"""Serial days that every spreadsheet means alike: before March 1900 they count a day that never was."""
_EPOCH_DAYS = 25_569
_DAY_SECONDS = 86_400


def iso_dates(cells: pl.Series, form: str, missing: Collection[str] = ()) -> pl.Series:
    """A column of dates as ISO 8601 texts; typed dates, and an empty `form`, as they are.

    Args:
        cells: texts, numbers or typed dates.
        form: one of `mapping.DATE_FORMS`.
        missing: spellings of "never", which stay, as empty cells do.
    """
    if not form or isinstance(cells.dtype, pl.Datetime) or cells.dtype == pl.Date:
        return cells
    frame = cells.to_frame("cell").select(text(pl.col("cell"), cells.dtype))
    cell = pl.col("cell")
    written = _serial(cell) if form == "excel" else _rewritten(cell, form)
    kept = pl.when(cell.is_in(["", *missing])).then(cell).otherwise(pl.coalesce(written, pl.lit(_NO_TIME)))
    return frame.select(kept.alias(cells.name)).to_series()


def _rewritten(cell: pl.Expr, form: str) -> pl.Expr:
    date, _, clock = form.partition(" ")
    pattern = date.replace(".", r"\.")
    for part, digits in _PARTS.items():
        pattern = pattern.replace(part, digits)
    to = "${y}-${m}-${d}"
    if clock:
        seconds = ":[0-9]{2}" if clock.endswith("ss") else ""
        pattern += f" (?P<t>[0-9]{{2}}:[0-9]{{2}}{seconds})"
        to += "T${t}"
    return pl.when(cell.str.contains(f"^{pattern}$")).then(cell.str.replace(f"^{pattern}$", to))


def _serial(cell: pl.Expr) -> pl.Expr:
    days = pl.when(cell.str.contains(_EXCEL)).then(cell.cast(pl.Float64, strict=False))
    seconds = ((days - _EPOCH_DAYS) * _DAY_SECONDS).round().cast(pl.Int64)
    moment = (seconds * 1_000_000).cast(pl.Datetime("us"))
    plain = pl.when(days == days.floor()).then(moment.dt.strftime("%Y-%m-%d"))
    found = pl.coalesce(plain, moment.dt.strftime("%Y-%m-%dT%H:%M:%S"))
    return pl.when(days.is_between(_FIRST_DAY, _LAST_DAY + 1, closed="left")).then(found)
