"""What checking needs of a source's columns: each is registered once, and prepared for every batch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

import polars as pl

from fedward_client.importer.checking.cells import NumberCells, by_number, parse_numbers, text
from fedward_client.importer.checking.date_forms import iso_dates
from fedward_client.importer.checking.moments import Moment, last_microsecond, read_moments
from fedward_client.importer.checking.people import keys
from fedward_client.importer.checking.spellings import Spellings
from fedward_client.importer.sources.source import ROW

__all__ = ["Material"]


class Material:
    """Gives expressions over the columns that `prepare` makes of a batch."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._keys: list[str] = []
        self._numbers: list[NumberCells] = []
        self._given: list[tuple[str, Mapping[str, float]]] = []
        self._spelt: list[tuple[str, Spellings]] = []
        self._moments: list[tuple[str, frozenset[str], str]] = []

    def text(self, column: str) -> pl.Expr:
        """The trimmed text, "" where absent."""
        self._texts.append(column)
        return pl.col(f"text{len(self._texts) - 1}")

    def key(self, column: str) -> pl.Expr:
        """Whom the cell names (see `people.keys`)."""
        self._keys.append(column)
        return pl.col(f"key{len(self._keys) - 1}")

    def number(self, cells: NumberCells) -> tuple[pl.Expr, pl.Expr]:
        """The number (Float64; null: none, may be NaN), and whether it is missing."""
        self._numbers.append(cells)
        at = len(self._numbers) - 1
        return pl.col(f"p{at}"), pl.col(f"m{at}")

    def given(self, column: str, values: Mapping[str, float], parsed: pl.Expr, decimal: str) -> pl.Expr:
        """The number that stands for the cell's text or, however it is written, for its `parsed` one; else null."""
        self._given.append((column, values))
        stands = pl.col(f"given{len(self._given) - 1}")
        numbers = by_number(values, decimal)
        if not numbers:
            return stands
        swapped = parsed.replace_strict(list(numbers), list(numbers.values()), default=None, return_dtype=pl.Float64)
        return pl.coalesce(stands, swapped)

    def meaning(self, column: str, meanings: Mapping[str, int]) -> pl.Expr:
        """What the cell's text stands for (UInt32; null: nothing)."""
        self._spelt.append((column, Spellings(meanings)))
        return pl.col(f"meaning{len(self._spelt) - 1}")

    def moment(self, column: str, missing: frozenset[str], form: str = "") -> Moment:
        """When something was; `missing` are spellings of "never", beside ""; for `form` see `mapping.DATE_FORMS`."""
        self._moments.append((column, missing, form))
        at = len(self._moments) - 1
        return Moment(*(pl.col(f"{name}{at}") for name in ("micros", "aware", "absent", "last")))

    def prepare(self, table: pl.DataFrame) -> pl.DataFrame:
        """The columns that the expressions are over, and `ROW`."""
        types = table.schema
        plain = [text(pl.col(name), types[name]).alias(f"text{at}") for at, name in enumerate(self._texts)]
        for at, (name, values) in enumerate(self._given):
            cell = text(pl.col(name), types[name])
            stands = cell.replace_strict(list(values), list(values.values()), default=None, return_dtype=pl.Float64)
            plain.append(stands.alias(f"given{at}"))
        named = [keys(table[name]).alias(f"key{at}") for at, name in enumerate(self._keys)]
        parts = [table.select(ROW, *plain, *named), parse_numbers(table, self._numbers)]
        for at, (name, missing, form) in enumerate(self._moments):
            cells = iso_dates(table[name], form, missing)
            found = read_moments(cells, missing).with_columns(last_microsecond().alias("last"))
            parts.append(found.select(pl.all().name.suffix(str(at))))
        series = chain(*parts, self._looked_up(table))
        return pl.DataFrame(list(series))

    def _looked_up(self, table: pl.DataFrame) -> Iterator[pl.Series]:
        for at, (name, spellings) in enumerate(self._spelt):
            cells = table[name]
            if cells.dtype != pl.String:
                cells = table.select(text(pl.col(name), cells.dtype)).to_series()
            yield spellings.look_up(cells).alias(f"meaning{at}")
