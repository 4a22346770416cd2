"""ε of many sampled Gaussian steps: the distribution of the sum of their losses, by a tilted Fourier transform.

Composed losses add up (Koskela, Jälkö and Honkela 2020). All masses are first multiplied by e^(θ loss): the transform's
rounding errors, which are alike everywhere, then become tiny beside the tail that δ looks at, and losses that wrap
around become rare. θ is half of where the moment bound (Chernoff; as Rényi accounting) is tightest.

Everything that is not exact goes towards a larger ε: the grid (`step_loss`), mass that is infinite or beyond the window
(bounded by moments, added to δ), wrapping round (only ever adds), and roundings, bounded and added: of the transforms
(Higham 2002, theorem 24.2), of powers, of exponentials, and of the losses themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, exp, exp2, expm1, floor, inf, log, log1p, log2, log10, sqrt

import numpy as np
from numpy.typing import NDArray

from fedward_shared.privacy.accounting.step_loss import Doubles, Step, spread, step_losses, widest_loss

__all__ = ["Parts", "composed", "moment_bound"]

Parts = tuple[tuple[float, float, int], ...]
"""(σ, q, steps), distinct in (σ, q): σ > 0, 0 < q ≤ 1, steps > 0."""

_ULP = 2.0**-53
_TRANSFORM = 8 * _ULP
_CELLS = 2**15
_MOST_CELLS = 2**20
_MOST_KEPT = 2**17
_COARSE_CELLS = 2**12
_FINEST = 32.0
_WIDTH = 16.0
_TAIL_SHARE = 1e-8
_WINDOW_SHARE = 1e-7
_WRAPPED_SHARE = 1e-5
_MOST_STEPS, _MOST_PARTS = 10**9, 512
_ABOVE = (1, 2, 3, 4, 6, 8, 12)
_BELOW = ((-1, 1), (-2, 1), (-4, 1), (-8, 1), (-16, 1), (-16, -1), (-8, -1), (-4, -1), (-2, -1), (0, -1), (4, -1))
_RUNGS, _MOST_STRIDES = 4, 12
"""Tilts lie on a ladder of 2^(k/4), so that transforms are found in the cache again as steps are added."""


@dataclass(frozen=True, slots=True)
class _Sum:
    """The steps whose losses add up, in one direction: 0 removing, 1 adding."""

    steps: tuple[tuple[Step, int], ...]
    direction: int

    @property
    def interval(self) -> float:
        return self.steps[0][0].interval

    @property
    def count(self) -> int:
        return sum(count for _, count in self.steps)

    @property
    def infinite(self) -> float:
        return min(1.0, sum(count * step_losses(step)[self.direction].infinite for step, count in self.steps))

    @property
    def largest(self) -> float:
        """The largest finite loss of a step, in size."""
        return max(float(np.abs(step_losses(step)[self.direction].losses[[0, -1]]).max()) for step, _ in self.steps)

    def log_moment(self, rung: int, sign: int = 1) -> float:
        """Logarithm of E e^(θ L) over finite losses, θ = ± 2^(rung / 4)."""
        return sum(count * _log_moment(step, self.direction, rung, sign) for step, count in self.steps)


def composed(parts: Parts, delta: float) -> float:
    """ε of all parts together at `delta`, over both directions; within about 1e-4 of the truth, and never below it."""
    total = sum(count for _, _, count in parts)
    if total > _MOST_STEPS or len(parts) > _MOST_PARTS:
        return moment_bound(parts, delta)
    interval = _interval(parts, delta)
    while True:
        sums = _sums(parts, delta, interval)
        windows = [_window(one, delta) for one in sums]
        if all(window.size <= _MOST_CELLS for window in windows):
            return max(_epsilon(one, window, delta) for one, window in zip(sums, windows, strict=True))
        interval *= 2


def moment_bound(parts: Parts, delta: float) -> float:
    """An upper bound of ε by moments alone, on a coarse grid: for what costs too much to be worth exactness."""
    widest = max(widest_loss(sigma, rate, _tail(parts, delta)) for sigma, rate, _ in parts)
    interval = exp2(ceil(log2(widest / _COARSE_CELLS)))
    return max(_best(one, delta - one.infinite)[1] for one in _sums(parts, delta, interval))


def _tail(parts: Parts, delta: float) -> float:
    total = sum(count for _, _, count in parts)
    return float(10.0 ** -ceil(log10(total / (_TAIL_SHARE * delta))))


def _interval(parts: Parts, delta: float) -> float:
    """A power of two: a 32nd of a step's deviation, finer where that costs nothing, coarser where it costs too much."""
    tail = _tail(parts, delta)
    variance = sum(count * spread(sigma, rate) for sigma, rate, count in parts)
    total = sum(count for _, _, count in parts)
    widest = max(widest_loss(sigma, rate, tail) for sigma, rate, _ in parts)
    whole = max(_WIDTH * sqrt(variance), widest)
    best = min(whole / _CELLS, sqrt(variance / total) / _FINEST)
    return exp2(floor(log2(max(best, whole / _MOST_CELLS * 2))))


def _sums(parts: Parts, delta: float, interval: float) -> list[_Sum]:
    tail = _tail(parts, delta)
    steps = tuple((Step(sigma, rate, interval, tail), count) for sigma, rate, count in parts)
    symmetric = all(rate == 1 for _, rate, _ in parts)
    return [_Sum(steps, direction) for direction in ((0,) if symmetric else (0, 1))]


@lru_cache(maxsize=2**14)
def _log_moment(step: Step, direction: int, rung: int, sign: int) -> float:
    loss = step_losses(step)[direction]
    exponents = sign * exp2(rung / _RUNGS) * loss.losses
    largest = float(exponents[loss.masses > 0].max())
    # No @ here: a dot product of this length wakes all threads of the linear algebra library, and waits for them.
    return largest + log(float((loss.masses * np.exp(np.minimum(exponents - largest, 0))).sum()))


def _best(one: _Sum, delta: float) -> tuple[int, float]:
    """The rung at which moments bound ε best, and that bound (Canonne, Kamath and Steinke 2020, proposition 12)."""
    if delta <= 0:
        return 0, inf

    def bound(rung: int) -> float:
        theta = exp2(rung / _RUNGS)
        sharper = -theta * log1p(1 / theta) - log1p(theta)
        return (one.log_moment(rung) + sharper - log(delta)) / theta

    rung = _lowest(bound, one)
    best = bound(rung) * (1 + 1e-9)
    return rung, max(0.0, best)


def _lowest(bound: Callable[[int], float], one: _Sum) -> int:
    """The rung where a function that first falls and then rises is lowest: downhill, by ever smaller strides."""
    variance = sum(count * spread(step.sigma, step.rate) for step, count in one.steps)
    rung = 2 * _RUNGS - round(_RUNGS / 2 * log2(variance))
    for stride in (8, 4, 2, 1):
        for direction in (stride, -stride):
            for _ in range(_MOST_STRIDES):
                if bound(rung + direction) >= bound(rung):
                    break
                rung += direction
    return rung


@dataclass(frozen=True, slots=True)
class _Window:
    """Losses (first ... first + size − 1) · interval are told apart; tilted by rung."""

    rung: int
    first: int
    size: int


def _window(one: _Sum, delta: float) -> _Window:
    """Beyond it lies a mass of `_WINDOW_SHARE` · δ above at most and, tilted, of `_WRAPPED_SHARE` · δ at either end."""
    rung = _best(one, delta)[0] - _RUNGS
    theta, moment = exp2(rung / _RUNGS), one.log_moment(rung)
    beyond, wrapped = log(_WINDOW_SHARE * delta), log(max(_WRAPPED_SHARE * delta, _ULP))

    def above(other: int) -> float:
        return (one.log_moment(other) - beyond) / exp2(other / _RUNGS)

    def tilted(other: int, sign: int = 1) -> float:
        exponent = sign * exp2(other / _RUNGS)
        return (one.log_moment(other, sign) - moment - wrapped) / (exponent - theta)

    top = max(above(_lowest(above, one)), min(tilted(rung + k) for k in _ABOVE))
    bottom = max(tilted(rung + k, sign) for k, sign in _BELOW)
    first = floor(bottom / one.interval)
    cells = max(2, ceil(top / one.interval) + 2 - first)
    return _Window(rung, first, 2 ** max(5, ceil(log2(cells))))


def _epsilon(one: _Sum, window: _Window, delta: float) -> float:
    """The smallest ε ≥ 0 at which the divergence, with all that was left out, is at most δ."""
    h, theta = one.interval, exp2(window.rung / _RUNGS)
    left = delta * (1 - 2 * _WINDOW_SHARE) - one.infinite
    tilted, error = _tilted_sum(one, window)
    losses = np.arange(window.first, window.first + window.size, dtype=np.float64) * h
    rounding = exp(8 * _ULP * theta * (one.count * (1 / theta + one.largest) + float(np.abs(losses[[0, -1]]).max())))
    exponents = one.log_moment(window.rung) - theta * losses
    with np.errstate(over="ignore"):
        masses = np.exp(exponents) * (np.maximum(tilted, 0) + error) * rounding
    start = max(0, -window.first)
    crossing = _crossing(losses[start:], masses[start:], h, left) if start < window.size else 0.0
    return crossing + one.count * 64 * _ULP * (1 + one.largest)


def _crossing(losses: Doubles, masses: Doubles, h: float, delta: float) -> float:
    """Where D(ε) = Σ masses (1 − e^(ε − loss))₊ falls to δ; no less than the first of `losses`, which ascend by h.

    With W(l) the mass above l: D(l − h) = e^(−h) D(l) + (1 − e^(−h)) W(l − h); all terms are positive. Between two
    points of the grid D is linear in e^ε.
    """
    if delta <= 0:
        return inf
    with np.errstate(over="ignore"):
        above = np.append(np.cumsum(masses[:0:-1])[::-1], 0.0)
    # D(l) > δ while (1 − 1/e) W(l + 1) > δ, and D <= W: only between the two need it be known.
    unit = ceil(1 / h)
    first = max(0, int(np.argmax(above <= delta / -expm1(-1))) - unit - 1)
    last = max(int(np.argmax(above <= delta)), first + 1)
    relative = losses[first:] - losses[first]
    sums = np.cumsum((above[first:] * np.exp(-relative))[::-1])[::-1][: last - first + 1]
    divergences = -expm1(-h) * np.exp(relative[: len(sums)]) * sums
    after = int(np.argmax(divergences <= delta))
    if after == 0:
        return float(losses[first]) if divergences[0] <= delta else float(losses[first + len(sums) - 1])
    larger, smaller = float(divergences[after - 1]), float(divergences[after])
    share = (larger - delta) / (larger - smaller) if larger < inf else 1.0
    return (float(losses[first + after - 1]) + log1p(share * expm1(h))) * (1 + 1e-12)


def _tilted_sum(one: _Sum, window: _Window) -> tuple[Doubles, float]:
    """(size,): the tilted distribution of the sum from the window's first loss on, and what its entries may err by."""
    logs = np.zeros(window.size // 2 + 1, dtype=np.complex128)
    doubts = np.zeros(window.size // 2 + 1)
    find = _spectrum if window.size <= _MOST_KEPT else _spectrum.__wrapped__
    for step, count in one.steps:
        log_spectrum, doubt = find(step, one.direction, window.rung, window.size)
        logs += count * log_spectrum
        doubts += count * doubt
    sizes = np.exp(logs.real)
    worst = np.exp(logs.real + doubts)
    error = 2 / window.size * float((worst - sizes).sum() + _TRANSFORM * log2(window.size) * worst.sum())
    whole = np.fft.irfft(np.exp(logs), window.size)
    return np.roll(whole, -window.first % window.size), error


@lru_cache(maxsize=64)
def _spectrum(step: Step, direction: int, rung: int, size: int) -> tuple[NDArray[np.complex128], Doubles]:
    """(size / 2 + 1,): the logarithm of a tilted step's transform, and what that of its absolute may err by."""
    loss = step_losses(step)[direction]
    exponents = exp2(rung / _RUNGS) * loss.losses - _log_moment(step, direction, rung, 1)
    tilted = loss.masses * np.exp(np.minimum(exponents, 700))
    wrapped = np.bincount((loss.first + np.arange(len(tilted))) % size, weights=tilted, minlength=size)
    transform = np.fft.rfft(wrapped)
    absolute = np.maximum(np.abs(transform), 1e-300)
    logs = np.log(absolute) + 1j * np.angle(transform)
    return logs, np.log1p(_TRANSFORM * log2(size) / absolute) + 8 * _ULP * (1 + np.abs(logs))
