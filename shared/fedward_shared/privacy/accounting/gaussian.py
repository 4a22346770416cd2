"""The analytic Gaussian: exact ε of Gaussian mechanisms that nobody is sampled for."""

from __future__ import annotations

from math import exp, expm1, sqrt

from scipy.special import log_ndtr, ndtri

__all__ = ["gaussian_epsilon"]

_LARGEST = 1e12


def gaussian_epsilon(total: float, delta: float) -> float:
    """ε at `delta` of Gaussian mechanisms with Σ 1/σ² = `total`, which compose to one with μ = √total.

    The smallest ε ≥ 0 with Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ) ≤ δ (Balle and Wang 2018, theorem 8), rounded up. Adding
    and removing cost the same. Where μ is absurd (a million), the bound μ²/2 + μ Φ⁻¹(1 − δ).
    """
    mu = sqrt(total)
    if total > _LARGEST:
        return (total / 2 - mu * float(ndtri(delta))) * (1 + 1e-9)
    if total == 0:
        return 0.0

    def too_small(candidate: float) -> bool:
        first = float(log_ndtr(mu / 2 - candidate / mu))
        second = candidate + float(log_ndtr(-mu / 2 - candidate / mu))
        return second < first and exp(first) * -expm1(second - first) > delta

    if not too_small(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while too_small(high):
        low, high = high, high * 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return high * (1 + 1e-9)
