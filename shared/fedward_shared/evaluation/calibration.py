"""Whether a risk of 30 % means 3 in 10.

In-the-large, intercept and slope are those of a logistic recalibration (Cox, Biometrika 45, 1958; Steyerberg, Clinical
Prediction Models, 2nd ed. 2019, ch. 15): 0, 0 and 1 are perfect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedward_shared.evaluation.scored import Bools, Floats, Ints

__all__ = ["BrierScore", "Recalibration", "Smooth", "brier", "integrated_index", "risk_groups"]

_STEPS = 30
_CONVERGED = 1e-9
_LARGEST = 1e3
_EDGE = 1e-6
_TWO = 2
_SPAN = 0.75
_PLACES = 41


class BrierScore:
    """Mean squared error of probabilities (Brier, Monthly Weather Review 78, 1950): the statistic (Brier,).

    Two classes: of the second one, so 0 is perfect and .25 a coin. More: summed over classes.
    """

    def __init__(self, labels: Ints, scores: Floats) -> None:
        error = (scores - (labels[:, None] == np.arange(scores.shape[1]))) ** 2
        self._error = error[:, 1] if scores.shape[1] == _TWO else error.sum(axis=1)

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((weights @ self._error / weights.sum(axis=1))[:, None], dtype=np.float64)


def brier(labels: Ints, scores: Floats) -> float:
    """See `BrierScore`."""
    return float(BrierScore(labels, scores)(np.ones((1, len(labels))))[0, 0])


class Recalibration:
    """The statistic (observed / expected, in-the-large, intercept, slope) of risks (rows,).

    In-the-large is the intercept of logit(outcome) = a + logit(risk); intercept and slope are those of a + b ·
    logit(risk). Risks are kept 10⁻⁶ from 0 and 1 for it. NaN where a fit does not exist (one class only, classes that
    do not overlap, equal risks).
    """

    def __init__(self, risk: Floats, positive: Bools) -> None:
        bounded = np.clip(risk, _EDGE, 1 - _EDGE)
        self._risk = risk
        self._logit = np.log(bounded / (1 - bounded))
        self._positive = positive.astype(np.float64)

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = (weights @ self._positive) / (weights @ self._risk)
            large, _ = self._fit(weights, *self._start(weights, slope=False), slope=False)
            intercept, slope = self._fit(weights, *self._start(weights, slope=True), slope=True)
        return np.stack([ratio, large, intercept, slope], axis=1)

    def _start(self, weights: Floats, *, slope: bool) -> tuple[Floats, Floats]:
        """The fit of all rows, from which that of a resample is a few steps away; 0 and 1 where there is none."""
        one = np.ones(1)
        a, b = self._fit(np.ones((1, len(self._risk))), 0 * one, one, slope=slope)
        found = np.isfinite(a) & np.isfinite(b)
        return np.full(len(weights), np.where(found, a, 0.0)[0]), np.full(len(weights), np.where(found, b, 1.0)[0])

    def _fit(self, weights: Floats, intercept: Floats, slope_start: Floats, *, slope: bool) -> tuple[Floats, Floats]:
        """Newton's method for every resample at once."""
        x, a, b = self._logit, intercept.copy(), slope_start.copy()
        step = np.full(len(weights), np.inf)
        for _ in range(_STEPS):
            probability = 1 / (1 + np.exp(-(a[:, None] + b[:, None] * x)))
            residual = weights * (self._positive - probability)
            curve = weights * probability * (1 - probability)
            g0, h00 = residual.sum(axis=1), curve.sum(axis=1)
            if slope:
                g1, h01, h11 = residual @ x, curve @ x, curve @ x**2
                determinant = h00 * h11 - h01**2
                up, turn = (h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant
            else:
                up, turn = g0 / h00, np.zeros(len(weights))
            step = np.abs(up) + np.abs(turn)
            scale = np.where(step > 2, 2 / step, 1.0)  # noqa: PLR2004  # a longer step overshoots where risks are extreme
            a, b = a + scale * up, b + scale * turn
            if not (step > _CONVERGED).any():
                break
        wrong = ~(step <= np.sqrt(_CONVERGED)) | (np.abs(a) > _LARGEST) | (np.abs(b) > _LARGEST)
        return np.where(wrong, np.nan, a), np.where(wrong, np.nan, b)


def risk_groups(risk: Floats, most: int = 10, each: int = 10) -> Ints:
    """Groups (rows,) of like size by risk: at most `most`, of about `each` rows or more; equal risks share one."""
    number = int(np.clip(len(risk) // max(each, 1), 1, most))
    if not len(risk):
        return np.zeros(0, dtype=np.int64)
    edges = np.unique(np.quantile(risk, np.arange(1, number) / number))
    _, groups = np.unique(np.searchsorted(edges, risk, side="right"), return_inverse=True)
    return groups.reshape(-1).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Smooth:
    """A local linear regression of outcomes on risks: what was observed (places,) where the risk was `places`.

    Tricube weights over the nearest 75 % of rows (Cleveland, JASA 74, 1979), at quantiles of the risk. As a statistic
    over weights, the bandwidths stay those of all rows.
    """

    places: Floats
    near: Floats
    positive: Floats
    risk: Floats

    @classmethod
    def of(cls, risk: Floats, positive: Bools) -> Smooth:
        """Sets the places and what is near them."""
        places = np.unique(np.quantile(risk, np.linspace(0, 1, _PLACES)))
        distance = np.abs(risk[None] - places[:, None])
        reach = np.quantile(distance, _SPAN, axis=1)[:, None] * (1 + 1e-9)
        near = np.clip(1 - (distance / np.where(reach > 0, reach, 1.0)) ** 3, 0, None) ** 3
        return cls(places, near, positive.astype(np.float64), risk)

    def __call__(self, weights: Floats) -> Floats:
        """(resamples, rows) -> (resamples, places), from 0 to 1."""
        centred = self.risk[None] - self.places[:, None]
        zero, one, two = weights @ self.near.T, weights @ (self.near * centred).T, weights @ (self.near * centred**2).T
        up, turn = weights @ (self.near * self.positive).T, weights @ (self.near * centred * self.positive).T
        spread = zero * two - one**2
        with np.errstate(divide="ignore", invalid="ignore"):
            fitted = np.where(spread > 1e-12 * zero**2, (two * up - one * turn) / spread, up / zero)
        return np.asarray(np.clip(fitted, 0.0, 1.0), dtype=np.float64)


def integrated_index(risk: Floats, smooth: Smooth) -> float:
    """Mean distance between risks and what was observed at such risks (ICI: Austin & Steyerberg, Stat Med 38, 2019)."""
    observed = smooth(np.ones((1, len(risk))))[0]
    return float(np.abs(np.interp(risk, smooth.places, observed) - risk).mean())
