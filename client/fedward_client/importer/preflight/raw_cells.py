"""Source cells before they are checked: their numbers, to see what those would be in another unit, and what is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedward_client.importer.checking.cells import NumberCells, parse_numbers, text

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

__all__ = ["NotNumbers", "not_numbers", "raw_numbers", "texts"]

_CENSORED = r"^[<>≤≥]"
_WITH_TEXT = r"^[+-]?[0-9]+(?:[.,][0-9]+)?\s*[^0-9\s.,:/-]"


@dataclass(frozen=True, slots=True)
class NotNumbers:
    """Of cells that are no number, how many are of which look.

    `other_decimal`: would be one with the other decimal sign, of which `grouped` have three digits after it, as a
    thousands separator has. `censored` begin with < or >. `with_text` begin with a number.
    """

    other_decimal: int = 0
    grouped: int = 0
    censored: int = 0
    with_text: int = 0

    def __add__(self, other: NotNumbers) -> NotNumbers:
        return NotNumbers(
            self.other_decimal + other.other_decimal,
            self.grouped + other.grouped,
            self.censored + other.censored,
            self.with_text + other.with_text,
        )


def texts(table: pl.DataFrame, column: str) -> pl.Series:
    """A column's cells as the checks read them: trimmed text, "" where absent."""
    import polars as pl

    return table.select(text(pl.col(column), table.schema[column])).to_series()


def raw_numbers(table: pl.DataFrame, wanted: list[NumberCells]) -> list[NDArray[np.float64]]:
    """For each column its finite numbers as they stand there, without those that stand for "missing"."""
    import polars as pl

    parsed = parse_numbers(table, wanted)
    return [
        parsed.filter(pl.col(f"p{at}").is_finite() & ~pl.col(f"m{at}"))[f"p{at}"].to_numpy()
        for at in range(len(wanted))
    ]


def not_numbers(cells: pl.Series, decimal: str) -> NotNumbers:
    """What texts that are no number look like."""
    sign = "," if decimal == "." else r"\."
    other = cells.str.contains(rf"^[+-]?[0-9]*{sign}[0-9]+$")
    return NotNumbers(
        other_decimal=int(other.sum()),
        grouped=int(cells.str.contains(rf"^[+-]?[1-9][0-9]{{0,2}}(?:{sign}[0-9]{{3}})+$").sum()),
        censored=int(cells.str.contains(_CENSORED).sum()),
        with_text=int(cells.str.contains(_WITH_TEXT).sum()),
    )
