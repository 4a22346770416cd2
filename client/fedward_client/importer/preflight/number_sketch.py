"""What is kept of a number column while rows go by: exact counts, and a bounded sample of its numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.checking.cells import NumberCells
from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.mapping import Answer
from fedward_client.importer.preflight.profile import BARS, NumberFacts, Unknown
from fedward_client.importer.preflight.raw_cells import NotNumbers, not_numbers
from fedward_client.importer.preflight.sketches import RowSample
from fedward_client.importer.preflight.spellings import CODES, stands_for_missing
from fedward_client.importer.preflight.thousands import ThousandsSketch
from fedward_client.importer.preflight.units_guess import converter, far, unit_trials
from fedward_shared.contracts.cohort import NumberColumn

if TYPE_CHECKING:
    import polars as pl

__all__ = ["LEVELS", "NumberSketch"]

Numbers = NDArray[np.float64]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_LARGEST = 1e290
"""Larger numbers count as this one, so that no unit makes them infinite."""
_MOST_CODES = 20
_FEWEST = 20
"""Fewer values than this have no quantiles: they would be the values themselves."""


class NumberSketch:
    """One number column, of which the site has `answer`."""

    def __init__(self, column: NumberColumn, answer: Answer, decimal: str, sample: int) -> None:
        self._column = column
        self._answer = answer
        self._decimal = decimal
        self._convert = converter(answer.unit or column.unit, column.unit, column.substance)
        self._raw = RowSample(sample)
        self._bars = np.linspace(column.minimum, column.maximum, BARS + 1)
        self._accepted = np.zeros(BARS, dtype=np.int64)
        self._all = np.zeros(BARS, dtype=np.int64)
        self._edges = np.zeros(2 * len(column.reference) + 1, dtype=np.int64)
        self._below = self._above = self._numbers = 0
        self._odd = NotNumbers()
        self._codes: Counter[str] = Counter()
        self.thousands = ThousandsSketch()

    @property
    def cells(self) -> NumberCells:
        """How this column's cells are read."""
        source = self._answer.source or self._column.name
        return NumberCells(source, frozenset((*self._column.missing, *self._answer.missing)), self._decimal)

    def add(self, raw: Numbers, odd: pl.Series | None, accepted: Numbers) -> None:
        """Takes a batch: all numbers as they stand, the texts that are none, and the accepted rows' values."""
        import polars as pl

        raw = np.clip(raw, -_LARGEST, _LARGEST)
        self._raw.add(pl.DataFrame({"number": raw}))
        here = self._convert(raw)
        self._numbers += len(here)
        self._below += int((here < self._column.minimum).sum())
        self._above += int((here > self._column.maximum).sum())
        self._all += np.histogram(here, self._bars)[0]
        self._accepted += np.histogram(accepted, self._bars)[0]
        if self._column.reference:
            self._edges += _edge_counts(accepted, self._column.reference)
        if odd is not None:
            self._odd = self._odd + not_numbers(odd, self._decimal)
            self._codes.update(text for text in odd.to_list() if stands_for_missing(text))
        beyond = raw[(here < self._column.minimum) | (here > self._column.maximum)]
        self._codes.update({str(code): int((beyond == code).sum()) for code in CODES})

    def facts(self, counts: Counts, wrong: tuple[int, int], accepted: Numbers) -> NumberFacts:
        """What was found; `wrong` counts cells that are no number and values out of range, `accepted` is a sample."""
        table = self._raw.table()
        thousands = self.thousands.facts()
        raw = np.empty(0) if table is None else table["number"].to_numpy()
        return NumberFacts(
            name=self._column.name,
            source=self._answer.source or self._column.name,
            unit=self._column.unit,
            unit_here=self._answer.unit or self._column.unit,
            minimum=self._column.minimum,
            maximum=self._column.maximum,
            counts=counts,
            not_a_number=wrong[0],
            out_of_range=wrong[1],
            other_decimal=self._odd.other_decimal,
            grouped=self._odd.grouped,
            censored=self._odd.censored,
            with_text=self._odd.with_text,
            thousands=thousands.cells if thousands.separated else 0,
            signed=thousands.signed,
            numbers=self._numbers,
            below=self._below,
            above=self._above,
            accepted=tuple(self._accepted.tolist()),
            all_numbers=tuple(self._all.tolist()),
            quantiles=_quantiles(accepted if len(accepted) else self._convert(raw)),
            edges=tuple(self._edges.tolist()) if self._column.reference else (),
            codes=tuple(Unknown(text, cells) for text, cells in self._most_codes()),
            far=far(self._convert(raw), self._column),
            trials=unit_trials(raw, self._column, self._answer.unit or self._column.unit),
        )

    def _most_codes(self) -> list[tuple[str, int]]:
        found = [(text, cells) for text, cells in self._codes.items() if cells]
        return sorted(found, key=lambda code: (-code[1], code[0]))[:_MOST_CODES]


def _quantiles(values: Numbers) -> tuple[float, ...]:
    return tuple(np.quantile(values, LEVELS).tolist()) if len(values) >= _FEWEST else ()


def _edge_counts(values: Numbers, reference: Sequence[float]) -> NDArray[np.int64]:
    """For each reference value the counts below it and up to it, then the count of all."""
    ordered = np.sort(values)
    sides = [np.searchsorted(ordered, reference, side="left"), np.searchsorted(ordered, reference, side="right")]
    return np.append(np.stack(sides, axis=1).reshape(-1), len(values)).astype(np.int64)
