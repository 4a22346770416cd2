"""What cells of typed sources (Parquet, Excel) are in a batch: text, numbers, truth values, dates; nothing nested."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fedward_shared.errors import SourceDataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["as_cell"]


def as_cell(name: str, kind: pl.DataType, source: str) -> pl.Expr:
    """The column as a batch may hold it.

    Categories, times of day and bytes (UTF-8) become text; a decimal number becomes Int64 where it has no places behind
    the point, else Float64.

    Raises:
        SourceDataError: the type is nested, or of no use here.
    """
    import polars as pl

    column = pl.col(name)
    if kind.is_numeric() and not isinstance(kind, pl.Decimal):
        return column
    if isinstance(kind, pl.Decimal):
        return column.cast(pl.Float64 if kind.scale else pl.Int64)
    if isinstance(kind, pl.String | pl.Boolean | pl.Date | pl.Datetime):
        return column
    if isinstance(kind, pl.Categorical | pl.Enum | pl.Time | pl.Null | pl.Binary):
        return column.cast(pl.String)
    raise SourceDataError(
        f"{source}: the column {name!r} is of type {str(kind).split('(')[0]}, which is no cell of a table",
        hint="Write it as text or a number, or as a table of its own.",
    )
