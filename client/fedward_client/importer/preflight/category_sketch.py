"""What is kept of a column with a closed list of values: counts by value, and the spellings that are not on the list.

A spelling that may be shown to a person stands in a column with at most 50 unknown spellings, in at least 5 cells and,
where the contract has a patient column, at no fewer than 5 patients, so that it is no patient's own text; it is
short and printable. Everything else is only counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.preflight.profile import CategoryFacts, Unknown

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FEWEST_CELLS", "MOST_SPELLINGS", "CategorySketch"]

MOST_SPELLINGS = 50
FEWEST_CELLS = 5
_LONGEST = 40
_COUNTED = 1000
"""So many distinct spellings are told apart; that there are more is all that is known beyond."""


class CategorySketch:
    """One category, or the label or the split."""

    def __init__(self, name: str, source: str, values: Sequence[str]) -> None:
        self._name = name
        self._source = source
        self._values = tuple(values)
        self._shares = np.zeros(len(values), dtype=np.int64)
        self._unknown: dict[str, int] = {}
        self._patients: dict[str, set[int]] = {}
        self._cells = 0

    @property
    def values(self) -> tuple[str, ...]:
        """What is on the list; the classes' names for the label."""
        return self._values

    def add(self, odd: pl.DataFrame | None, accepted: Sequence[int]) -> None:
        """Takes a batch: cells that are not on the list, as (text, patient's hash), and accepted rows by value."""
        import polars as pl

        self._shares += np.array(accepted, dtype=np.int64)
        if odd is None:
            return
        self._cells += odd.height
        found = odd.group_by("text", maintain_order=True).agg(
            pl.len().alias("cells"), pl.col("patient").unique(maintain_order=True).head(FEWEST_CELLS)
        )
        for text, count, some in found.iter_rows():
            if text in self._unknown or len(self._unknown) < _COUNTED:
                self._unknown[text] = self._unknown.get(text, 0) + count
                self._known_patients(text, some)

    def facts(self, counts: Counts) -> CategoryFacts:
        """What was found."""
        shown = self._unknown if len(self._unknown) <= MOST_SPELLINGS else {}
        return CategoryFacts(
            name=self._name,
            source=self._source,
            values=self._values,
            counts=counts,
            shares=tuple(self._shares.tolist()),
            unknown=tuple(
                Unknown(text, cells)
                for text, cells in sorted(shown.items(), key=lambda item: (-item[1], item[0]))
                if self._may_be_shown(text, cells)
            ),
            unknown_cells=self._cells,
            unknown_distinct=len(self._unknown),
        )

    def _known_patients(self, text: str, some: list[int]) -> None:
        seen = self._patients.setdefault(text, set())
        for patient in some:
            if len(seen) < FEWEST_CELLS:
                seen.add(patient)

    def _may_be_shown(self, text: str, cells: int) -> bool:
        several = cells >= FEWEST_CELLS and len(self._patients[text]) >= FEWEST_CELLS
        return several and len(text) <= _LONGEST and text.isprintable()
