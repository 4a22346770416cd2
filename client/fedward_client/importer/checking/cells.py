"""Cells as texts and as numbers.

A number is `12`, `-3.5`, `.5` or `1e3` and finite; nothing else is: no thousands separator, no unit, no `inf`. With a
decimal comma it is `3,5`, and `1.234,5` is no number, because what a point means there would be a guess. Numbers of a
typed source are what their shortest texts are, so those of 32 bits and decimals mean what the same table means as CSV;
its NaN reads as the text `NaN`, and its absent cells read as empty ones.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import polars as pl

__all__ = ["NumberCells", "by_number", "parse_codes", "parse_number", "parse_numbers", "text"]

_WHOLE_BELOW = 2**53


def text(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A cell of any type as text without blanks around it, "" where absent; a whole number without a point."""
    if dtype == pl.String:
        return cell.str.strip_chars().fill_null("")
    if dtype.is_float():
        whole = cell.is_finite() & (cell == cell.floor()) & (cell.abs() < _WHOLE_BELOW)
        plain = pl.when(whole).then(cell).cast(pl.Int64, strict=False).cast(pl.String)
        return plain.fill_null(cell.cast(pl.String)).fill_null("")
    if isinstance(dtype, pl.Decimal) and dtype.scale:
        return cell.cast(pl.String).str.replace(r"\.?0+$", "").fill_null("")
    return cell.cast(pl.String).fill_null("")


@cache
def parse_number(spelling: str, decimal: str = ".") -> float | None:
    """One text as a finite number; None where it is none."""
    cell = text(pl.col("cell"), pl.String())
    number = pl.DataFrame({"cell": [spelling]}).select(_number(cell, decimal)).item()
    return number if number is not None and math.isfinite(number) else None


def parse_codes(spellings: Iterable[str], decimal: str) -> list[float]:
    """The numbers among some spellings, ascending: written with a point, as contracts are, or with the site's sign."""
    read = (parse_number(spelling, sign) for spelling in spellings for sign in {".", decimal})
    return sorted({number for number in read if number is not None})


def by_number(values: Mapping[str, float], decimal: str) -> dict[float, float]:
    """What stands for the numbers among some spellings; the first of those for one number counts."""
    found: dict[float, float] = {}
    for spelling, value in values.items():
        for number in parse_codes((spelling,), decimal):
            found.setdefault(number, value)
    return found


@dataclass(frozen=True, slots=True)
class NumberCells:
    """How the cells of one column of the source are read; `missing` are spellings of "not measured".

    One of them that is a number, with a point or the column's own decimal sign, counts however a cell writes it.
    """

    column: str
    missing: frozenset[str]
    decimal: str


def parse_numbers(table: pl.DataFrame, wanted: Sequence[NumberCells]) -> pl.DataFrame:
    """The i-th column's numbers as `p{i}` (Float64; null: none; may be NaN) and whether it is missing, `m{i}`.

    Texts are first read as they are; only columns with cells that this does not settle are trimmed and read again.
    """
    if not wanted:
        return pl.DataFrame()
    types = [table.schema[cells.column] for cells in wanted]
    found = table.select(_both(range(len(wanted)), wanted, types, trimmed=False))
    unsettled = found.select((pl.col(f"p{at}").is_null() & ~pl.col(f"m{at}")).any() for at in range(len(wanted))).row(0)
    rough = [at for at, is_so in enumerate(unsettled) if is_so]
    if rough:
        found = found.with_columns(table.select(_both(rough, wanted, types, trimmed=True)))
    codes = {at: _codes(cells) for at, cells in enumerate(wanted)}
    return found.with_columns(
        (pl.col(f"m{at}") | pl.col(f"p{at}").is_in(numbers).fill_null(value=False)).alias(f"m{at}")
        for at, numbers in codes.items()
        if numbers
    )


def _both(
    places: Iterable[int], wanted: Sequence[NumberCells], types: Sequence[pl.DataType], *, trimmed: bool
) -> list[pl.Expr]:
    found = []
    for at in places:
        cells, dtype = wanted[at], types[at]
        cell = pl.col(cells.column)
        if dtype.is_numeric() or dtype == pl.Null:
            number, missing = _typed_number(cell, dtype), _typed_missing(cell, dtype, cells.missing)
        else:
            cell = cell if dtype == pl.String and not trimmed else text(cell, dtype)
            number = _number(cell, cells.decimal)
            missing = _is_one_of(cell, cells.missing).fill_null("" in cells.missing)
        found += [number.alias(f"p{at}"), missing.alias(f"m{at}")]
    return found


def _number(cell: pl.Expr, decimal: str) -> pl.Expr:
    if decimal == ",":
        cell = pl.when(~cell.str.contains(".", literal=True)).then(cell.str.replace(",", ".", literal=True))
    return cell.cast(pl.Float64, strict=False)


def _typed_number(cell: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """What the cell's shortest text is: 32 bits hold 99.9 as 99.9000015, and a decimal's division may round twice."""
    if dtype == pl.Float32 or isinstance(dtype, pl.Decimal):
        return cell.cast(pl.String).cast(pl.Float64)
    return cell.cast(pl.Float64)


def _typed_missing(cell: pl.Expr, dtype: pl.DataType, missing: Collection[str]) -> pl.Expr:
    absent = cell.is_null() if "" in missing else cell.is_null() & False
    if dtype.is_float() and "NaN" in missing:
        return absent | cell.is_nan().fill_null(value=False)
    return absent


def _is_one_of(cell: pl.Expr, spellings: Collection[str]) -> pl.Expr:
    if len(spellings) == 1:
        return cell == next(iter(spellings))
    return cell.is_in(sorted(spellings)) if spellings else cell.is_null() & False


def _codes(cells: NumberCells) -> list[float]:
    """The codes for "missing" that are numbers: they count however the number is written."""
    return parse_codes(cells.missing, cells.decimal)
