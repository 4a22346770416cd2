"""Cut points of numeric columns, made of declared constants alone, so that sites cut alike without exchanging anything.

Piecewise-linear encodings bend at them, and risk scores change there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options

__all__ = ["PIECEWISE_OPTIONS", "Place", "cut_points", "piecewise_cuts", "places"]

PIECEWISE_OPTIONS = ("bins", "cuts")
"""Keys of `[model.options]` that `piecewise_cuts` reads."""
_BINS = 6
_REFERENCE = (0.05, 0.25, 0.5, 0.75, 0.95)
_FAR = 3.0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a column's inputs stand in a record of a table: the first of them, and that of the missing indicator."""

    column: NumberColumn | CategoryColumn
    first: int
    missing: int | None


def places(contract: DataContract) -> tuple[Place, ...]:
    """Each column's place, in the contract's order: value (or one input a category), then its missing indicator."""
    found, at = [], 0
    for column in contract.columns:
        last = at + column.width - 1
        found.append(Place(column, at, last if column.missing_indicator else None))
        at = last + 1
    return tuple(found)


def cut_points(column: NumberColumn, bins: int) -> tuple[float, ...]:
    """The ends of at most `bins` bands of `column`, ascending, in its unit; two at least.

    Inner ends are where quantiles 1/bins, 2/bins, … are expected: between the values of `reference` where it is
    declared (5, 25, 50, 75 and 95 %), else those of a normal distribution around `centre` with deviation `scale`. The
    outer ends are 3 scales away, or as far beyond the 5 and 95 % as the median is within them. Nothing lies outside of
    [minimum, maximum].
    """
    if column.reference:
        low, *_, high = column.reference
        middle = column.reference[len(column.reference) // 2]
        outer = (2 * low - middle, 2 * high - middle)
    else:
        outer = (column.centre - _FAR * column.scale, column.centre + _FAR * column.scale)
    bottom, top = max(column.minimum, outer[0]), min(column.maximum, outer[1])
    if not bottom < top:
        bottom, top = column.minimum, column.maximum
    inner = (_quantile(column, step / bins, bottom, top) for step in range(1, bins))
    return (bottom, *sorted({value for value in inner if bottom < value < top}), top)


def _quantile(column: NumberColumn, share: float, bottom: float, top: float) -> float:
    if not column.reference:
        return NormalDist(column.centre, column.scale).inv_cdf(share)
    knots = zip((0.0, *_REFERENCE, 1.0), (bottom, *column.reference, top), strict=True)
    for (before, low), (after, high) in pairwise(knots):
        if share <= after:
            return low + (high - low) * (share - before) / (after - before)
    return top


def piecewise_cuts(options: Options, contract: DataContract) -> Mapping[str, tuple[float, ...]]:
    """The cut points of every numeric column by its name, in its unit: `cuts` where given, else those for `bins`.

    Raises:
        UsageError: `bins` is out of range; an entry of `cuts` names no numeric column, or one twice, or its numbers do
            not rise within the column's range.
    """
    bins, own = options.whole("bins", _BINS, least=2, most=64), _declared(options.texts("cuts"), contract)
    numbers = [column for column in contract.columns if isinstance(column, NumberColumn)]
    return {column.name: own.get(column.name) or cut_points(column, bins) for column in numbers}


def _declared(texts: tuple[str, ...], contract: DataContract) -> Mapping[str, tuple[float, ...]]:
    numbers = {column.name: column for column in contract.columns if isinstance(column, NumberColumn)}
    found: dict[str, tuple[float, ...]] = {}
    for text in texts:
        name, _, rest = text.rpartition(":")
        column = numbers.get(name.strip())
        if column is None or column.name in found:
            why = "is there twice" if column else "is no numeric column of [data]"
            raise UsageError(
                f"[model.options] cuts: {name.strip() or text!r} {why}",
                hint='Write "column: 40, 50, 60", one a column.',
            )
        found[column.name] = _ascending(column, rest)
    return found


def _ascending(column: NumberColumn, text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        values = ()
    right = all(low < high for low, high in pairwise(values)) and len(values) > 1
    if not right or not column.minimum <= values[0] or not values[-1] <= column.maximum:
        raise UsageError(
            f"[model.options] cuts: {column.name} needs two or more rising numbers from {column.minimum:g} to "
            f"{column.maximum:g}",
            hint='Write "column: 40, 50, 60"; values outside the first and the last count as these.',
        )
    return values
