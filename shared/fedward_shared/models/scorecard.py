"""A risk score on paper: whole points for each value, and what a sum of points means. Made of a trained logistic model.

The way of the Framingham scores (Sullivan, Massaro and D'Agostino, Statistics in Medicine 23, 2004): numbers are cut
into bands, a band is judged at its middle, its log-odds beyond the lowest of its column are told in multiples of one
point's worth, rounded. With `embedding = "piecewise"` the curves of the additive model are cut where they bend.

Guarantees (tests/property/test_scorecard.py)
  monotone    more points never mean less risk
  rounding    a patient whose values are those that their bands are judged at gets a risk within `error.rounding_risk`
              of the model's
  banding     any patient whose values lie in the contract's ranges gets one within `error.risk`

A risk is that of class 1 of the label. What a model is off by at a hospital is put right by intercept and slope of a
calibration curve (Cox 1958; Platt 1999), which an evaluation gives: it is no part of this module to look at data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, isfinite, tanh

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.additive import Contribution, contributions
from fedward_shared.models.options import Options

__all__ = ["Error", "Factor", "LogisticRecalibration", "Row", "Scorecard", "scorecard"]

_MOST_POINTS = 100
_BINARY = 2

Weights = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class LogisticRecalibration:
    """logit(risk) becomes intercept + slope · logit(risk). A slope of 0 or less would turn the order of patients."""

    intercept: float = 0.0
    slope: float = 1.0

    def __post_init__(self) -> None:
        if not (isfinite(self.intercept) and isfinite(self.slope) and self.slope > 0):
            raise UsageError(
                "a recalibration needs a finite intercept and a slope above 0",
                hint="A model whose slope is not above 0 tells patients apart no better than chance: do not use it.",
            )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a factor: a category, values from `lower` up to, not including, `upper`, or a missing value.

    `logit` is what the model adds to the log-odds, beyond the factor's lowest line, `points` the same in whole points.
    """

    label: str
    points: int
    logit: float
    lower: float | None = None
    upper: float | None = None
    missing: bool = False


@dataclass(frozen=True, slots=True)
class Factor:
    """One column of the contract; `unit` is empty for categories."""

    column: str
    unit: str
    rows: tuple[Row, ...]

    def row(self, value: float | str | None) -> Row:
        """The line that a patient's value is on; None is a missing one.

        Raises:
            UsageError: it is on none. The column is named, the value is not.
        """
        for row in self.rows:
            if row.missing or value is None:
                if row.missing and value is None:
                    return row
            elif row.lower is None or row.upper is None:
                if row.label == value:
                    return row
            elif not isinstance(value, str) and row.lower <= value < row.upper:
                return row
        what = "is missing, and must not be" if value is None else "has a value that the score does not know"
        raise UsageError(f"{self.column} {what}", hint="See the score's table for what this column may hold.")


@dataclass(frozen=True, slots=True)
class Error:
    """How far the score may be from the model, at most: log-odds, and risk (0 to 1).

    `rounding` is due to whole points, `banding` to one value that stands for a band. Most patients are much nearer.
    """

    rounding: float
    banding: float
    slope: float = 1.0

    @property
    def rounding_risk(self) -> float:
        """The largest difference of risks that rounding can make."""
        return _risk_error(self.slope * self.rounding)

    @property
    def risk(self) -> float:
        """The largest difference of risks that both can make."""
        return _risk_error(self.slope * (self.rounding + self.banding))


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Points and what they mean: risk = 1 / (1 + exp(-(a + b · (intercept + per_point · points)))), a and b calibrated.

    `outcome` is the name of the class whose risk is told.
    """

    outcome: str
    factors: tuple[Factor, ...]
    intercept: float
    per_point: float
    error: Error
    recalibration: LogisticRecalibration

    @property
    def most(self) -> int:
        """The most points that a patient can have."""
        return sum(max(row.points for row in factor.rows) for factor in self.factors)

    def points(self, values: Mapping[str, float | str | None]) -> int:
        """A patient's points. `values` by column, in the contract's units and spellings; absent is missing.

        Raises:
            UsageError: a value is on no line.
        """
        return sum(factor.row(values.get(factor.column)).points for factor in self.factors)

    def risk(self, points: int) -> float:
        """The risk that so many points mean, from 0 to 1."""
        logit = self.intercept + self.per_point * points
        return _sigmoid(self.recalibration.intercept + self.recalibration.slope * logit)

    def point_rows(self) -> tuple[tuple[str, str, int], ...]:
        """What is printed: column (with its unit), value, points."""
        return tuple(
            (f"{factor.column} ({factor.unit})" if factor.unit else factor.column, row.label, row.points)
            for factor in self.factors
            for row in factor.rows
        )

    def risk_rows(self) -> tuple[tuple[int, float], ...]:
        """What is printed below: every possible number of points up to the most, and its risk."""
        return tuple((points, self.risk(points)) for points in range(self.most + 1))


def scorecard(
    terms: ModelTerms,
    contract: DataContract,
    weights: Weights,
    *,
    per_point: float | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    recalibration: LogisticRecalibration | None = None,
) -> Scorecard:
    """The risk score of a trained model.

    Args:
        terms: `[model]` of the study: "logistic", with numbers as they are or `embedding = "piecewise"`.
        contract: `[data]` of the study: a table, and a label of two classes.
        weights: the trained model's tensors by name.
        per_point: log-odds that one point stands for; by default so much that about 100 points are the most.
        edges: values at which a column's bands begin, in its unit, instead of rounded quantiles of what is declared.
        recalibration: what an evaluation found, by default nothing.

    Raises:
        UsageError: the model is another one or has other weights, or a number is out of range.
    """
    options = _checked(terms, contract)
    linear, bias = (np.asarray(weights.get(f"linear.{name}", np.zeros(0)), np.float64) for name in ("weight", "bias"))
    columns = contributions(options, contract, linear.ravel(), edges or {})
    if bias.size != 1 or not (np.isfinite(linear).all() and np.isfinite(bias).all()):
        raise UsageError("the weights are not those of this study's model", hint="Take the weights of one export.")
    worth = per_point if per_point is not None else sum(each.span for each in columns) / _MOST_POINTS or 1.0
    if not (isfinite(worth) and worth > 0):
        raise UsageError("per_point: what a point stands for must be a finite number above 0")
    factors = tuple(_factor(each, worth) for each in columns)
    fit = recalibration or LogisticRecalibration()
    base = float(bias[0]) + sum(each.lowest for each in columns)
    error = Error(_rounding(factors, worth), sum(each.spread for each in columns), fit.slope)
    return Scorecard(contract.label.names[1], factors, base, worth, error, fit)


def _checked(terms: ModelTerms, contract: DataContract) -> Options:
    options = Options("logistic", terms.options)
    table = contract.kind is DataKind.TABLE and terms.backbone is None
    two = len(contract.label.classes) == _BINARY and contract.label.follow_up is None
    readable = options.choice("embedding", "none", ("none", "piecewise", "periodic")) != "periodic"
    if terms.name != "logistic" or not (table and two and readable):
        raise UsageError(
            'a risk score is made of a "logistic" model of a table and two classes, without periodic embeddings',
            hint='Train one with [model] name = "logistic" and, for curves, embedding = "piecewise".',
        )
    return options


def _factor(each: Contribution, worth: float) -> Factor:
    rows = []
    for line in each.lines:
        beyond = line.logit - each.lowest
        rows.append(Row(line.label, round(beyond / worth), beyond, line.lower, line.upper, line.missing))
    return Factor(each.column, each.unit, tuple(rows))


def _rounding(factors: tuple[Factor, ...], worth: float) -> float:
    """The most by which points times their worth can be above or below the log-odds of their lines."""
    off = [[row.points * worth - row.logit for row in factor.rows] for factor in factors]
    return max(sum(map(max, off)), -sum(map(min, off)), 0.0)


def _risk_error(logit: float) -> float:
    """The most by which risks differ whose log-odds differ by `logit`: when they lie around 0."""
    return tanh(logit / 4)


def _sigmoid(logit: float) -> float:
    return 1 / (1 + exp(-logit)) if logit >= 0 else exp(logit) / (1 + exp(logit))
