"""The privacy loss of one Poisson-sampled Gaussian step, on a grid, for removing and for adding a unit.

P = (1 − q) N(0, σ²) + q N(1, σ²) is what a step releases with the unit, Q = N(0, σ²) without it, along the one
direction that matters (a unit's vector of norm 1; Mironov, Talwar and Zhang 2019, section 3). Removing compares P with
Q, adding Q with P; both losses are functions of x alone, log(P/Q)(x) = log(1 − q + q e^((x − ½)/σ²)) and its negative.

Each interval of the grid is a cell of the x-axis. Its mass under the first distribution is put on the cell's two ends
such that its mass under the second stays the same ("connect the dots", Doroshenko, Ghazi, Kamath, Kumar and Manurangsi
2022): the hockey-stick divergence never falls, and rises by a second-order term only. Mass beyond the grid goes to the
next higher grid point or to an infinite loss. Rounding of floats goes the same way: see `_CELL_ERROR`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, expm1, floor, log

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["Step", "StepLoss", "spread", "step_losses", "widest_loss"]

Doubles = NDArray[np.float64]

_CELL_ERROR = 1e-12
"""Bounds the relative error of a cell's mass: e^(−z²/2) at z = 35 errs by 612 roundings, z itself adds as many."""
_ULP = 2.0**-53
_NARROW = 0.2
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(4)
_DEEPEST = 35.0
_STEEPEST = 600.0


@dataclass(frozen=True, slots=True)
class Step:
    """One kind of step on one grid: noise multiplier σ, rate q, grid interval, mass that may be called infinite."""

    sigma: float
    rate: float
    interval: float
    tail: float


@dataclass(frozen=True, slots=True)
class StepLoss:
    """`masses[i]` (n,) is the probability of a loss of (first + i) · interval; `infinite` that of an infinite loss.

    Never below the true distribution in the order of hockey-stick divergences; masses sum to 1 or a little more.
    """

    interval: float
    first: int
    masses: Doubles
    infinite: float

    @property
    def losses(self) -> Doubles:
        """The finite losses, (n,)."""
        return _grid(self.first, len(self.masses), self.interval)


@lru_cache(maxsize=48)
def step_losses(step: Step) -> tuple[StepLoss, StepLoss]:
    """The loss of removing, and of adding. Both are the same, and given once each, where q = 1."""
    sigma, rate, h = step.sigma, step.rate, step.interval
    low, high = _ends(sigma, rate, step.tail)
    first, last = floor(_loss(low, sigma, rate) / h), ceil(_loss(high, sigma, rate) / h)
    ends = _grid(first, last + 1 - first, h)
    cuts = _inverse(ends, sigma, rate) / sigma
    absent, present = _cells(cuts), _cells(cuts - 1 / sigma)
    with_unit = (1 - rate) * absent + rate * present
    doubts = _doubts(cuts, 1 / sigma)
    removing = _placed(with_unit, absent, ends[:-1], h, doubts)
    removing[0] += _below(cuts[0], sigma, rate)
    loss = StepLoss(h, first, removing, _below(-cuts[-1], sigma, rate, mirrored=True))
    if rate == 1:
        return loss, loss
    adding = _placed(absent[::-1], with_unit[::-1], -ends[:0:-1], h, doubts[::-1])
    adding[0] += float(ndtr(-cuts[-1]))
    return loss, StepLoss(h, -last, adding, float(ndtr(cuts[0])))


def widest_loss(sigma: float, rate: float, tail: float) -> float:
    """The distance between the smallest and the largest loss of a step that the grid must hold."""
    low, high = _ends(sigma, rate, tail)
    return _loss(high, sigma, rate) - _loss(low, sigma, rate)


@lru_cache(maxsize=1024)
def spread(sigma: float, rate: float) -> float:
    """The variance of the loss of removing, roughly: it chooses the grid, and nobody's guarantee rests on it."""
    x = np.linspace(-8 * sigma, 1 + 8 * sigma, 4001)
    weights = (1 - rate) * np.exp(-((x / sigma) ** 2) / 2) + rate * np.exp(-(((x - 1) / sigma) ** 2) / 2)
    weights /= weights.sum()
    losses = _losses(x, sigma, rate)
    return max(float(weights @ (losses - weights @ losses) ** 2), 1e-300)


def _grid(first: int, count: int, h: float) -> Doubles:
    return np.arange(first, first + count, dtype=np.float64) * h


def _ends(sigma: float, rate: float, tail: float) -> tuple[float, float]:
    """Where to end the x-axis: below and above which P and Q have a mass of at most `tail` each."""
    beyond = -float(ndtri(tail / 2))
    above = -float(ndtri(min(0.5, tail / (2 * rate))))
    return -beyond * sigma, max(1 + above * sigma, beyond * sigma)


def _loss(x: float, sigma: float, rate: float) -> float:
    return float(_losses(np.float64(x), sigma, rate))


def _losses(x: Doubles | np.float64, sigma: float, rate: float) -> Doubles:
    unsampled: Doubles = np.asarray((x - 0.5) / sigma**2)
    if rate == 1:
        return unsampled
    return np.where(
        unsampled > 1,
        np.logaddexp(np.log1p(-rate), unsampled + log(rate)),
        np.log1p(rate * np.expm1(np.minimum(unsampled, 1))),
    )


def _inverse(losses: Doubles, sigma: float, rate: float) -> Doubles:
    """Where (x) the loss of removing is as given; −∞ where it is smaller everywhere."""
    if rate == 1:
        return 0.5 + sigma**2 * losses
    with np.errstate(divide="ignore"):
        small = np.log(np.maximum(np.expm1(np.minimum(losses, 1)) + rate, 0))
        large = losses + np.log1p(-(1 - rate) * np.exp(-np.maximum(losses, 1)))
    return np.asarray(0.5 + sigma**2 * (np.where(losses > 1, large, small) - log(rate)))


def _cells(cuts: Doubles) -> Doubles:
    """The standard normal mass between neighbouring cuts, to a relative `_CELL_ERROR`, however narrow or far out."""
    left, right = cuts[:-1], cuts[1:]
    lower = np.where(left > 0, -right, left)
    masses: Doubles = ndtr(np.where(left > 0, -left, right)) - ndtr(lower)
    with np.errstate(invalid="ignore"):
        half, middle = (right - left) / 2, (right + left) / 2
        narrow = 2 * half * np.maximum(1, np.abs(middle) + half) < _NARROW
    if narrow.any():
        points = middle[narrow, None] + half[narrow, None] * _NODES
        masses[narrow] = half[narrow] / np.sqrt(2 * np.pi) * (np.exp(-(points**2) / 2) * _WEIGHTS).sum(axis=1)
    return masses


def _below(edge: float, sigma: float, rate: float, *, mirrored: bool = False) -> float:
    """P's mass below `edge` or, mirrored, above −`edge`; in units of σ."""
    shift = 1 / sigma if mirrored else -1 / sigma
    return float((1 - rate) * ndtr(edge) + rate * ndtr(edge + shift))


def _doubts(cuts: Doubles, shift: float) -> Doubles:
    """What share of a cell's mass may belong to its neighbour, as `cuts` and `cuts` − `shift` are rounded apart.

    Infinite so far out that floats no longer hold the mass.
    """
    right = np.maximum(np.abs(cuts[1:]), np.abs(cuts[1:] - shift))
    doubts = _CELL_ERROR + 16 * _ULP * (1 + (right + shift) / np.diff(cuts))
    return np.where(right > _DEEPEST, np.inf, doubts)


def _placed(masses: Doubles, others: Doubles, lower: Doubles, h: float, doubts: Doubles) -> Doubles:
    """(cells + 1,): each cell's mass on its two ends, `lower` and `lower` + h, with a little more, and a little higher.

    Upper share b and lower share a solve a + b = m, a e^(−l) + b e^(−l−h) = m', m' being the mass under the other
    distribution. What is in doubt goes up; all does where floats cannot hold m' or e^l.
    """
    doubts = np.where(np.abs(lower) > _STEEPEST, np.inf, doubts)
    with np.errstate(over="ignore", invalid="ignore"):
        upper = (masses - others * np.exp(lower) + 4 * doubts * masses) / -expm1(-h)
    upper = np.where(doubts < np.inf, np.clip(upper, 0, masses), masses)
    placed = np.zeros(len(masses) + 1)
    placed[:-1] += masses - upper
    placed[1:] += upper
    return placed * (1 + _CELL_ERROR)
