"""Cells that are one of a closed list: what each way to write them stands for."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from fedward_shared.manifest.contract import canonical

__all__ = ["Spellings"]

_MOST_LEARNT = 5_000


class Spellings:
    """From texts to small numbers, comparing as `contract.canonical` does.

    Ways to write one thing (`2`, `2.0`, with blanks around it) are few, so each is looked at once, by `canonical`
    itself, and then known; the cells of a batch only look up.
    """

    def __init__(self, meanings: Mapping[str, int]) -> None:
        self._meanings = {canonical(spelling): meaning for spelling, meaning in meanings.items()}
        self._known: dict[str, int] = dict(self._meanings)

    def look_up(self, cells: pl.Series) -> pl.Series:
        """The meaning (UInt32) of each text; null where it has none. A null cell reads as ""."""
        cells = cells.fill_null("")
        places = self._places(cells)
        if places.null_count():
            strange = cells.filter(places.is_null()).unique().to_list()
            found = {text: self._meanings[canonical(text)] for text in strange if canonical(text) in self._meanings}
            if found:
                kept = self._known if len(self._known) < _MOST_LEARNT else self._meanings
                self._known = {**kept, **found}
                places = self._places(cells)
        return pl.Series(list(self._known.values()), dtype=pl.UInt32).gather(places)

    def _places(self, cells: pl.Series) -> pl.Series:
        """Where each text stands among the known ones."""
        return cells.cast(pl.Enum(list(self._known)), strict=False).to_physical().cast(pl.UInt32)
