"""What a test's errors say about ε: lower bounds that hold with the confidence of the error rates they are given.

A test that tells two neighbouring worlds apart has a false alarm rate α and a miss rate β. A mechanism allows only
points (α, β) on or above its trade-off curve (Dong, Roth and Su 2019, definition 2.1), so an observed point below a
claimed curve refutes the claim. Neighbours: one patient added or removed.
"""

from __future__ import annotations

from math import exp, inf, log

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri
from scipy.stats import beta, binom

from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import SampledGaussian

__all__ = [
    "any_epsilon",
    "effective_mu",
    "family_epsilon",
    "gaussian_mu",
    "highest_rate",
    "largest_true_positive_rate",
    "lowest_rate",
    "repeated_epsilon",
    "trade_off",
]

Floats = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]
_SMALLEST_MU, _LARGEST_MU, _LARGEST_EPSILON = 0.01, 1e3, 1e6


def highest_rate(hits: Counts | int, trials: int, alpha: float) -> Floats:
    """Upper confidence bound of a rate, wrong with probability at most `alpha` (Clopper and Pearson 1934)."""
    hits = np.asarray(hits)
    return np.where(hits >= trials, 1.0, beta.ppf(1 - alpha, hits + 1, np.maximum(trials - hits, 1)))


def lowest_rate(hits: Counts | int, trials: int, alpha: float) -> Floats:
    """Lower confidence bound of a rate, wrong with probability at most `alpha` (Clopper and Pearson 1934)."""
    return 1.0 - highest_rate(trials - np.asarray(hits), trials, alpha)


def trade_off(alpha: Floats | float, *, sampling_rate: float, noise_multiplier: float) -> Floats:
    """The smallest miss rate at false alarm rate `alpha` that one step of the sampled Gaussian allows.

    f(α) = q Φ(Φ⁻¹(1 − α) − 1/σ) + (1 − q)(1 − α): the curve of N(0, σ²) against (1 − q) N(0, σ²) + q N(1, σ²), the
    pair that dominates the step for an added or removed patient (Zhu, Dong and Wang 2022, section 4; for q = 1 Dong,
    Roth and Su 2019, theorem 2.7). Whatever else is in the data, no test of the step lies below it.
    """
    kept = 1 - np.asarray(alpha, dtype=np.float64)
    return np.asarray(sampling_rate * ndtr(ndtri(kept) - 1 / noise_multiplier) + (1 - sampling_rate) * kept)


def effective_mu(false_alarms: Floats | float, misses: Floats | float, sampling_rate: float) -> Floats:
    """The μ = 1/σ of the sampled Gaussian whose trade-off curve runs through the point: 0 if no curve is needed.

    ∞ where no amount of noise allows the point at this sampling rate. The inverse of `trade_off` in σ.
    """
    kept = 1 - np.asarray(false_alarms, dtype=np.float64)
    drawn = (np.asarray(misses) - (1 - sampling_rate) * kept) / sampling_rate
    with np.errstate(invalid="ignore"):
        mu = np.where(drawn > 0, ndtri(kept) - ndtri(np.clip(drawn, 0.0, 1.0)), inf)
    return np.where(drawn < kept, np.maximum(mu, 0.0), 0.0)


def family_epsilon(mu: float, sampling_rate: float, steps: int, delta: float) -> float:
    """ε of `steps` sampled Gaussian steps with μ = 1/σ: what a found μ means, if the noise is Gaussian."""
    if mu < _SMALLEST_MU:
        return 0.0
    return inf if mu == inf else epsilon([SampledGaussian(1 / mu, sampling_rate, steps)], delta)


def any_epsilon(false_alarms: float, misses: float, delta: float) -> float:
    """The smallest ε that allows the point, for any mechanism: α + e^ε β ≥ 1 − δ and e^ε α + β ≥ 1 − δ.

    Source: Kairouz, Oh and Viswanath 2015, theorem 2.1. It assumes nothing about the noise.
    """
    ratios = [
        (1 - delta - other) / rate if rate else inf
        for rate, other in ((false_alarms, misses), (misses, false_alarms))
        if 1 - delta - other > rate
    ]
    return max((log(ratio) if ratio < inf else inf for ratio in ratios), default=0.0)


def repeated_epsilon(false_alarms: float, misses: float, steps: int, delta: float) -> float:
    """A lower bound on ε at `delta` of `steps` such releases, for any mechanism that repeats itself.

    The same test applied to every release leaves Bin(T, α) against Bin(T, 1 − β); their hockey-stick divergence, in
    either order, is at most that of the whole (post-processing). Sound for fresh randomness in every step.
    """
    if false_alarms + misses >= 1:
        return 0.0
    counts = np.arange(steps + 1)
    absent, present = binom.logpmf(counts, steps, false_alarms), binom.logpmf(counts, steps, 1 - misses)
    return max(_hockey_stick_inverse(present, absent, delta), _hockey_stick_inverse(absent, present, delta))


def largest_true_positive_rate(false_positive_rate: Floats | float, epsilon_: float, delta: float) -> Floats:
    """The largest TPR of a membership attack at this FPR that (ε, δ) allows."""
    rate = np.asarray(false_positive_rate, dtype=np.float64)
    if epsilon_ > log(np.finfo(np.float64).max) - 1:
        return np.ones_like(rate)
    return np.clip(np.minimum(exp(epsilon_) * rate + delta, 1 - exp(-epsilon_) * (1 - delta - rate)), 0.0, 1.0)


def gaussian_mu(epsilon_: float, delta: float) -> float:
    """The μ of the Gaussian mechanism that costs `epsilon_` at `delta`; bisection, from below."""
    low, high = 0.0, 1.0
    while family_epsilon(high, 1.0, 1, delta) < epsilon_ and high < _LARGEST_MU:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if family_epsilon(middle, 1.0, 1, delta) < epsilon_ else (low, middle)
    return low


def _hockey_stick_inverse(first: Floats, second: Floats, delta: float) -> float:
    """The smallest ε ≥ 0 with Σ max(0, p − e^ε q) ≤ δ; log probabilities are given. Bisection, from below."""

    def divergence(candidate: float) -> float:
        above = first > second + candidate
        return float(np.sum(np.exp(first[above]) - np.exp(second[above] + candidate)))

    low, high = 0.0, 1.0
    if divergence(0.0) <= delta:
        return 0.0
    while divergence(high) > delta:
        low, high = high, high * 2
        if high > _LARGEST_EPSILON:
            return inf
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if divergence(middle) > delta else (low, middle)
    return low
