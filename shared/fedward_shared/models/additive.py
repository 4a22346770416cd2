"""What each column of a logistic model adds to the log-odds: a line a category, a band of numbers, or a missing value.

A linear model of inputs as they are adds a straight line a number; one of piecewise-linear codes
(`embedding.Piecewise`) a curve that bends at the cut points. The rest of the model is one constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import floor, inf, log10

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.models.bands import Place, cut_points, piecewise_cuts, places
from fedward_shared.models.options import Options

__all__ = ["Contribution", "Line", "contributions"]

_BANDS = 5

Curve = Callable[[float], float]
"""A column's value, in its unit, to log-odds."""


@dataclass(frozen=True, slots=True)
class Line:
    """A category, values from `lower` up to, not including, `upper`, or a missing value; and what it adds."""

    label: str
    logit: float
    lower: float | None = None
    upper: float | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Contribution:
    """A column with its lines (`unit` is empty for categories), and the most by which a value is off its line's."""

    column: str
    unit: str
    lines: tuple[Line, ...]
    spread: float

    @property
    def lowest(self) -> float:
        """What its lowest line adds."""
        return min(line.logit for line in self.lines)

    @property
    def span(self) -> float:
        """How much more its highest line adds."""
        return max(line.logit for line in self.lines) - self.lowest


def contributions(
    options: Options, contract: DataContract, linear: NDArray[np.float64], edges: Mapping[str, Sequence[float]]
) -> tuple[Contribution, ...]:
    """Every column's under the weights `linear` (inputs,); `edges` are where bands of single columns begin.

    Raises:
        UsageError: there are not so many weights, or edges are out of range.
    """
    pieces = piecewise_cuts(options, contract) if options.values.get("embedding") == "piecewise" else {}
    width = contract.features + sum(len(cuts) - 2 for cuts in pieces.values())
    if linear.size != width:
        raise UsageError("the weights are not those of this study's model", hint="Take the weights of one export.")
    unknown = set(edges) - {column.name for column in contract.columns if isinstance(column, NumberColumn)}
    if unknown:
        raise UsageError(f"edges: {', '.join(sorted(unknown))} is no numeric column of this study")
    inputs = _Inputs(linear, pieces, contract)
    return tuple(
        _category(place.column, inputs.others(place))
        if isinstance(place.column, CategoryColumn)
        else _number(place.column, inputs, place, edges.get(place.column.name))
        for place in places(contract)
    )


class _Inputs:
    """Where a column's weights are: numbers first where they are cut into pieces, else all as in the contract."""

    def __init__(
        self, linear: NDArray[np.float64], pieces: Mapping[str, tuple[float, ...]], contract: DataContract
    ) -> None:
        self._linear, self._pieces = linear, pieces
        self._firsts, at = {}, 0
        for name, cuts in pieces.items():
            self._firsts[name], at = at, at + len(cuts) - 1
        numbers = [place.first for place in places(contract) if pieces and isinstance(place.column, NumberColumn)]
        kept = [index for index in range(contract.features) if index not in numbers]
        self._places = {index: at + place for place, index in enumerate(kept)}

    def others(self, place: Place) -> list[float]:
        """The weights of a column's inputs that stayed as they were, its missing indicator last."""
        inputs = range(place.first, place.first + place.column.width)
        return [float(self._linear[self._places[index]]) for index in inputs if index in self._places]

    def cuts(self, column: NumberColumn) -> tuple[float, ...]:
        """Where the column's curve bends; nowhere where it is a straight line."""
        return self._pieces.get(column.name, ())

    def curve(self, column: NumberColumn, place: Place) -> Curve:
        """What a value adds to the log-odds."""
        cuts = self.cuts(column)
        if not cuts:
            slope = self.others(place)[0] / column.scale
            return lambda value: slope * (value - column.centre)
        first = self._firsts[column.name]
        heights = np.concatenate(([0.0], np.cumsum(self._linear[first : first + len(cuts) - 1])))
        middle = float(np.interp(column.centre, cuts, heights))
        return lambda value: float(np.interp(value, cuts, heights)) - middle


def _category(column: CategoryColumn, weights: list[float]) -> Contribution:
    lines = [Line(value, weight) for value, weight in zip(column.values, weights, strict=False)]
    if not column.required:
        filled = 0.0 if column.fill is None else weights[column.values.index(column.fill)]
        lines.append(_missing(filled + (weights[-1] if column.missing_indicator else 0.0)))
    return Contribution(column.name, "", tuple(lines), 0.0)


def _number(column: NumberColumn, inputs: _Inputs, place: Place, edges: Sequence[float] | None) -> Contribution:
    curve, cuts = inputs.curve(column, place), inputs.cuts(column)
    starts = _rounded(column, cuts) if edges is None else _given(column, edges)
    bands = list(pairwise((column.minimum, *starts, column.maximum)))
    middles = [_middle(column, cuts, band) for band in bands]
    spreads = [
        max(abs(curve(value) - curve(middle)) for value in (*band, *(cut for cut in cuts if band[0] < cut < band[1])))
        for band, middle in zip(bands, middles, strict=True)
    ]
    ends = pairwise((-inf, *starts, inf))
    lines = [Line(_told(*end), curve(middle), *end) for end, middle in zip(ends, middles, strict=True)]
    if not column.required:
        embedded = bool(cuts) and column.missing_indicator
        filled = 0.0 if embedded or column.fill is None else curve(column.fill)
        lines.append(_missing(filled + (inputs.others(place)[-1] if column.missing_indicator else 0.0)))
    return Contribution(column.name, column.unit, tuple(lines), max(spreads))


def _missing(logit: float) -> Line:
    return Line("missing", logit, missing=True)


def _middle(column: NumberColumn, cuts: tuple[float, ...], band: tuple[float, float]) -> float:
    """What a band is judged at: an open one where patients are expected, not half-way to an impossible value."""
    low, *_, high = cuts or cut_points(column, _BANDS)
    lower, upper = band
    return (min(max(lower, low), upper) + max(min(upper, high), lower)) / 2


def _given(column: NumberColumn, edges: Sequence[float]) -> tuple[float, ...]:
    values = tuple(float(value) for value in edges)
    inside = all(column.minimum < value < column.maximum for value in values)
    if not inside or not all(low < high for low, high in pairwise(values)):
        raise UsageError(
            f"edges: those of {column.name} must rise, between {column.minimum:g} and {column.maximum:g}",
            hint="They are the values at which bands begin, in the column's unit.",
        )
    return values


def _rounded(column: NumberColumn, cuts: tuple[float, ...]) -> tuple[float, ...]:
    """The inner cut points, to a power of ten below half a scale."""
    step = 10.0 ** floor(log10(column.scale / 2))
    inner = (cuts or cut_points(column, _BANDS))[1:-1]
    values = {float(f"{round(value / step) * step:.12g}") for value in inner}
    return tuple(sorted(value for value in values if column.minimum < value < column.maximum))


def _told(lower: float, upper: float) -> str:
    if lower == -inf:
        return "any" if upper == inf else f"below {upper:g}"
    return f"{lower:g} or more" if upper == inf else f"{lower:g} to below {upper:g}"
