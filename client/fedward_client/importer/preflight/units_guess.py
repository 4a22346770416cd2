"""In which unit a column's numbers seem to be: the contract's, another one throughout, or another one in part.

A number fits where it lies in the declared range and near what is expected: the declared reference or, without one,
centre ± scale (as the 5th to the 95th of 100 values of a normal distribution). "Near" is up to three times as far from
the middle as these are, on either side, so that hardly a value of a right column is far, however skewed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.preflight.profile import NumberFacts, UnitTrial
from fedward_shared.contracts.cohort import NumberColumn

__all__ = ["UnitGuess", "converter", "far", "guess_unit", "unit_trials"]

_NORMAL = (-1.645, -0.674, 0.0, 0.674, 1.645)
_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_FEWEST = 20
_WIDTH = 3.29
_POWERS = (10.0, 0.1, 100.0, 0.01, 1000.0, 0.001)
_ALL_INSIDE = 0.95
_HALF = 0.5
_NEAR, _CLOSE = 2.0, 0.5
_MIXED = (0.03, 5)
"""A column is mixed where so large a share, and so many, of its numbers do not fit, and another unit mends them."""
_MENDED = 0.9
_MEDIAN_OFF = 2.0
_MEDIAN_OFF_WEAK = 3.0
_MEDIAN_RIGHT = 0.75

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class UnitGuess:
    """`unit` seems to be what the source has, in all of the column or (`mixed`) in the share `part` of it.

    A `unit` of "× 10" and the like is no unit: digits look shifted. `strong` evidence may be acted on without asking.
    """

    unit: str
    mixed: bool
    part: float
    strong: bool
    shifted: bool = False


def converter(here: str, there: str, substance: str) -> Callable[[Numbers], Numbers]:
    """A function from numbers in the unit `here` to numbers in `there`.

    Raises:
        UsageError: one cannot be turned into the other.
    """
    if here == there:
        return lambda values: values
    from fedward_shared.units import conversion

    affine = conversion(here, there, substance)
    return lambda values: values * affine.factor + affine.offset


def far(values: Numbers, column: NumberColumn) -> float:
    """Which share of the values (in the contract's unit) does not fit; 0 where there is none."""
    return float(np.mean(~_fits(values, column, _NEAR))) if len(values) else 0.0


def unit_trials(raw: Numbers, column: NumberColumn, here: str) -> tuple[UnitTrial, ...]:
    """What raw numbers would look like in the unit that the mapping says (first) and in every other it could be.

    Beyond units, powers of ten are tried: digits shift where a decimal comma is lost.
    """
    if len(raw) < _FEWEST:
        return ()
    as_said = converter(here, column.unit, column.substance)
    odd = ~_fits(as_said(raw), column, _NEAR)
    trials = [_trial(here, raw, odd, as_said, column)]
    others = (unit for unit in (column.unit, *_alternatives(column.unit, column.substance)) if unit != here)
    ways = [(unit, converter(unit, column.unit, column.substance)) for unit in others]
    ways += [(f"× {1 / power:g}", partial(np.multiply, power)) for power in _POWERS]
    return (*trials, *(_trial(unit, raw, odd, convert, column) for unit, convert in ways))


def guess_unit(facts: NumberFacts, column: NumberColumn) -> UnitGuess | None:
    """The unit that explains the numbers best; None where that is the one that the mapping says."""
    if not facts.trials:
        return None
    said, *others = facts.trials
    found = [trial for trial in others if _explains(trial, said, column)]
    if found:
        best = min(found, key=lambda trial: (trial.unit.startswith("×"), _off(trial, column)))
        shifted = best.unit.startswith("×")
        strong = _certain(best, said, column) and not shifted
        return UnitGuess(best.unit, mixed=False, part=1.0, strong=strong, shifted=shifted)
    share, count = _MIXED
    if facts.far < share or facts.far * facts.numbers < count:
        return None
    mending = [trial for trial in others if trial.mended >= _MENDED]
    if not mending:
        return None
    best = max(mending, key=lambda trial: (not trial.unit.startswith("×"), trial.mended))
    return UnitGuess(best.unit, mixed=True, part=facts.far, strong=False, shifted=best.unit.startswith("×"))


def _alternatives(unit: str, substance: str) -> tuple[str, ...]:
    from fedward_shared.units import alternatives

    return alternatives(unit, substance)


def _trial(
    unit: str, raw: Numbers, odd: NDArray[np.bool_], convert: Callable[[Numbers], Numbers], column: NumberColumn
) -> UnitTrial:
    values = convert(raw)
    fits = _fits(values, column, _CLOSE)
    return UnitTrial(
        unit=unit,
        inside=float(np.mean(_inside(values, column))),
        near=float(np.mean(fits)),
        mended=float(np.mean(fits[odd])) if odd.any() else 0.0,
        quantiles=tuple(np.quantile(values, _LEVELS).tolist()),
    )


def _expected(column: NumberColumn) -> tuple[float, ...]:
    return column.reference or tuple(column.centre + step * column.scale for step in _NORMAL)


def _inside(values: Numbers, column: NumberColumn) -> NDArray[np.bool_]:
    return (values >= column.minimum) & (values <= column.maximum)


def _fits(values: Numbers, column: NumberColumn, allowance: float) -> NDArray[np.bool_]:
    low, middle, high = _expected(column)[0], _expected(column)[2], _expected(column)[-1]
    low, high = low - allowance * (middle - low), high + allowance * (high - middle)
    return _inside(values, column) & (values >= low) & (values <= high)


def _off(trial: UnitTrial, column: NumberColumn) -> float:
    """How many expected standard deviations the median is from the expected one."""
    expected = _expected(column)
    width = max((expected[-1] - expected[0]) / _WIDTH, 1e-12)
    return abs(trial.quantiles[2] - expected[2]) / width


def _explains(trial: UnitTrial, said: UnitTrial, column: NumberColumn) -> bool:
    if trial.inside < _ALL_INSIDE or trial.quantiles == said.quantiles:
        return False
    if said.inside <= _HALF and (column.reference or _off(trial, column) <= _MEDIAN_OFF):
        return _off(trial, column) <= _off(said, column)
    wrong = _MEDIAN_OFF if column.reference else _MEDIAN_OFF_WEAK
    return _off(said, column) >= wrong and _off(trial, column) <= _MEDIAN_RIGHT


def _certain(trial: UnitTrial, said: UnitTrial, column: NumberColumn) -> bool:
    if said.inside <= _HALF:
        return trial.near >= _MENDED
    return bool(column.reference) and _off(said, column) >= _MEDIAN_OFF_WEAK and trial.near >= _MENDED
