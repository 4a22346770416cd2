"""Thousands separators that read as decimals: `1.234` for 1234 is a number in range, and a thousand times too small.

Cells such as `1.234` are compared with the column's other numbers: where those are written below 1000, and lie closer
to a thousand times the former than to the former as they stand, the sign separates thousands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fedward_client.importer.checking.cells import NumberCells, parse_numbers
from fedward_client.importer.preflight.sketches import RowSample

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Thousands", "ThousandsSketch"]

_FEWEST = 3
_SAMPLE = 5000
_BELOW = 1000.0
_NEARLY_ALL = 0.98
_FACTOR = 1000.0


@dataclass(frozen=True, slots=True)
class Thousands:
    """`cells` have three digits after the decimal sign; `separated` says that the sign separates thousands.

    `signed` numbers are written with the decimal sign at all.
    """

    cells: int = 0
    separated: bool = False
    signed: int = 0


class ThousandsSketch:
    """One number column of texts; a bounded sample of its numbers of each look."""

    def __init__(self) -> None:
        self._cells = self._signed = 0
        self._grouped = RowSample(_SAMPLE)
        self._others = RowSample(_SAMPLE)

    def add(self, table: pl.DataFrame, cells: NumberCells) -> None:
        """Takes a batch's column; typed numbers have no separators."""
        import polars as pl

        if table.schema[cells.column] != pl.String:
            return
        sign = "," if cells.decimal == "," else r"\."
        looks = pl.col(cells.column).str.contains(rf"^\s*[+-]?[1-9][0-9]{{0,2}}{sign}[0-9]{{3}}\s*$").alias("grouped")
        signed = pl.col(cells.column).str.contains(cells.decimal, literal=True).alias("signed")
        parsed = parse_numbers(table, [cells]).hstack(table.select(looks, signed).fill_null(value=False))
        numbers = parsed.filter(pl.col("p0").is_finite() & ~pl.col("m0") & (pl.col("p0") != 0))
        self._signed += int(numbers["signed"].sum())
        grouped = numbers.filter("grouped").select("p0")
        self._cells += grouped.height
        self._grouped.add(grouped)
        self._others.add(numbers.filter(~pl.col("grouped")).select("p0"))

    def facts(self) -> Thousands:
        """What was found."""
        grouped, others = _sizes(self._grouped), _sizes(self._others)
        if len(grouped) < _FEWEST or len(others) < _FEWEST:
            return Thousands(self._cells, signed=self._signed)
        small = float(np.mean(others < _BELOW)) >= _NEARLY_ALL
        ratio = float(np.median(grouped) / np.median(others))
        return Thousands(self._cells, separated=small and ratio * np.sqrt(_FACTOR) < 1, signed=self._signed)


def _sizes(sample: RowSample) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    table = sample.table()
    return np.empty(0) if table is None else np.abs(table["p0"].to_numpy())
