"""What cells of typed sources (Parquet, Excel) are in a batch: text, numbers, truth values, dates; nothing nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedward_shared.errors import SourceDataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["as_cell", "clock"]


def as_cell(name: str, kind: pl.DataType, source: str) -> pl.Expr:
    """The column as a batch may hold it.

    Categories, times of day and bytes (UTF-8) become text, durations `HH:MM:SS` with as many hours as there are;
    decimal numbers stay exact.

    Raises:
        SourceDataError: the type is nested, or of no use here.
    """
    import polars as pl

    column = pl.col(name)
    if kind.is_numeric():
        return column
    if isinstance(kind, pl.Duration):
        return clock(column).alias(name)
    if isinstance(kind, pl.String | pl.Boolean | pl.Date | pl.Datetime):
        return column
    if isinstance(kind, pl.Categorical | pl.Enum | pl.Time | pl.Null | pl.Binary):
        return column.cast(pl.String)
    raise SourceDataError(
        f"{source}: the column {name!r} is of type {str(kind).split('(')[0]}, which is no cell of a table",
        hint="Write it as text or a number, or as a table of its own.",
    )


def clock(lasting: pl.Expr) -> pl.Expr:
    """Durations, to the nearest second, as `HH:MM:SS`; hours may be more than 24."""
    import polars as pl

    seconds = (lasting.dt.total_milliseconds() / 1000).round().cast(pl.Int64)
    size = seconds.abs()
    parts = [(size // 3600), (size // 60) % 60, size % 60]
    sign = pl.when(seconds < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.concat_str(sign, pl.concat_str((part.cast(pl.String).str.zfill(2) for part in parts), separator=":"))
