"""The true cost of sampled Gaussian steps, computed in other ways than the product does: slow, plain, and for tests.

Directions: "remove" compares P = (1 − q) N(0, σ²) + q N(1, σ²) with Q = N(0, σ²), "add" compares Q with P.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["DIRECTIONS", "composed_bracket", "integrated_delta", "one_step_delta"]

DIRECTIONS = ("remove", "add")
Doubles = NDArray[np.float64]
_CELLS = 2**18


def one_step_delta(direction: str, sigma: float, rate: float, eps: float) -> float:
    """The hockey-stick divergence of one step, in closed form: both tails beyond the x where the densities tie."""

    def tail(x: float, mean: float) -> float:
        return math.erfc((x - mean) / sigma / math.sqrt(2)) / 2

    ratio = (math.expm1(eps if direction == "remove" else -eps) + rate) / rate
    if ratio <= 0:
        return max(0.0, -math.expm1(eps)) if direction == "remove" else 0.0
    tie = 0.5 + sigma**2 * math.log(ratio)
    if direction == "remove":
        with_unit = (1 - rate) * tail(tie, 0) + rate * tail(tie, 1)
        return with_unit - math.exp(eps) * tail(tie, 0)
    with_unit = (1 - rate) * tail(-tie, 0) + rate * tail(-tie, -1)
    return tail(-tie, 0) - math.exp(eps) * with_unit


def integrated_delta(direction: str, sigma: float, rate: float, eps: float) -> float:
    """∫ (p(x) − e^ε q(x))₊ dx, by brute force."""
    _, step, with_unit, without = densities(sigma, rate, 2_000_001)
    first, second = (with_unit, without) if direction == "remove" else (without, with_unit)
    return float(np.maximum(first - math.exp(eps) * second, 0).sum() * step)


def composed_bracket(
    direction: str, parts: list[tuple[float, float, int]], delta: float, interval: float
) -> tuple[float, float]:
    """ε of all steps, (σ, q, steps), between two figures: losses rounded down to a fine grid, and rounded up.

    The steps' loss distributions are convolved by ordinary Fourier transforms, of losses up to ±2¹⁷ intervals: with
    intervals of 2e-4 they end at ±26, beyond which lies less than e⁻²⁶ where ε is below 15. Good for δ of 1e-8 up.
    """
    return (
        _epsilon(direction, parts, delta, interval, np.floor),
        _epsilon(direction, parts, delta, interval, np.ceil),
    )


def densities(sigma: float, rate: float, points: int) -> tuple[Doubles, float, Doubles, Doubles]:
    x = np.linspace(-13 * sigma, 1 + 13 * sigma, points)
    scale = 1 / (sigma * math.sqrt(2 * math.pi))
    without = scale * np.exp(-((x / sigma) ** 2) / 2)
    with_unit = (1 - rate) * without + rate * scale * np.exp(-(((x - 1) / sigma) ** 2) / 2)
    return x, float(x[1] - x[0]), with_unit, without


def _epsilon(
    direction: str,
    parts: list[tuple[float, float, int]],
    delta: float,
    interval: float,
    rounded: Callable[[Doubles], Doubles],
) -> float:
    transform = np.ones(_CELLS // 2 + 1, dtype=np.complex128)
    for sigma, rate, count in parts:
        x, step, with_unit, without = densities(sigma, rate, 400_001)
        loss = np.log1p(rate * np.expm1((x - 0.5) / sigma**2)) * (1 if direction == "remove" else -1)
        cells = rounded(loss / interval).astype(np.int64) % _CELLS
        masses = np.bincount(cells, weights=(with_unit if direction == "remove" else without) * step, minlength=_CELLS)
        transform *= np.fft.rfft(masses) ** count
    losses = np.arange(1, _CELLS // 2) * interval
    whole = np.maximum(np.fft.irfft(transform)[1 : _CELLS // 2], 0)

    def divergence(eps: float) -> float:
        above = losses > eps
        return float((whole[above] * -np.expm1(eps - losses[above])).sum())

    if divergence(0.0) <= delta:
        return 0.0
    low, high = 0.0, float(losses[-1])
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if divergence(middle) > delta else (low, middle)
    return high
