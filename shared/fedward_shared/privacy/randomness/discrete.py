"""The discrete Gaussian on the integers, sampled exactly, many at a time.

N_ℤ(0, s²) gives each integer n a probability proportional to exp(-n² / 2s²) (Canonne, Kamath and Steinke 2020,
definition 1). Here s is a whole number.

The sampler is Karney's (2016, algorithm D, for mean 0 and whole s): propose k ≥ 0 with probability proportional to
exp(-k²/2), j uniform below s, and a sign; accept with probability exp(-x(2k + x)/2), x = j/s; the number is ±(k·s + j),
and -0 is refused. It is exact, not close: each comparison of a uniform number with a real one is made in float64, and
where the two are nearer than float64's errors could reach, it is made again with as many digits of both as it takes.

How long sampling takes tells nothing about the numbers: the count of refused proposals is independent of those that
were accepted, and each proposal takes the same operations (Jin, McMurtry, Rubinstein and Ohrimenko 2022
attack samplers that count up to the number they return).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from functools import cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["LARGEST_SCALE", "discrete_gaussian"]

LARGEST_SCALE = 1 << 48
"""The largest s: numbers then stay within float64's integers, but for a chance below e⁻¹²⁶."""

_PROPOSALS = 1 << 14
_ACCEPTED = 0.70
"""A little below the share √(π/2) / Σ exp(-k²/2) = 0.715 of proposals that are accepted, for large s."""

_DOUBT = 2.0**-40
"""Float64's error in comparing a uniform number with exp(-γ), γ < 20, is below 2⁻⁴⁷."""

_TAIL = 10
"""Proposals of this k and more have together a chance below 2⁻⁷⁰ and are left to exact arithmetic."""

_Integers = NDArray[np.int64]
_Words = NDArray[np.uint64]


def discrete_gaussian(scale: int, count: int, source: RandomSource) -> _Integers:
    """`count` independent numbers from N_ℤ(0, scale²).

    Args:
        scale: s, from 1 to 2⁴⁸. The variance is at most s², and equals it to 1e-6 from s = 1 on (relatively).
        count: how many.
        source: uniform words.
    """
    if not 1 <= scale <= LARGEST_SCALE:
        raise ValueError(f"the scale of a discrete Gaussian is a whole number from 1 to 2⁴⁸, not {scale}")
    numbers = np.empty(count, dtype=np.int64)
    filled = 0
    while filled < count:
        proposals = min(_PROPOSALS, int((count - filled) / _ACCEPTED) + 16)
        accepted = _accepted(scale, proposals, source)[: count - filled]
        numbers[filled : filled + len(accepted)] = accepted
        filled += len(accepted)
    return numbers


def _accepted(scale: int, proposals: int, source: RandomSource) -> _Integers:
    words = source.words(3 * proposals).reshape(3, proposals)
    k = _ranks(words[0], source)
    signs = (words[1] & np.uint64(1)).view(np.int64)
    drawn = (words[1] >> np.uint64(1)).view(np.int64)
    j = drawn - drawn // scale * scale
    fits = drawn < (1 << 63) - (1 << 63) % scale  # beyond, small j would come up more often
    fits &= (k > 0) | (j > 0) | (signs == 0)
    x = j / scale
    gamma = x * (k + x / 2)
    margin = np.exp(-gamma) - (words[2] >> np.uint64(1)).view(np.int64) * 2.0**-63
    chosen: NDArray[np.bool_] = margin > 0
    for at in np.flatnonzero(np.abs(margin) < _DOUBT):
        numerator = int(j[at]) * (2 * int(k[at]) * scale + int(j[at]))
        exact = partial(_power, numerator, 2 * scale * scale)
        chosen[at] = _LazyUniform(int(words[2, at]), source).below(exact)
    chosen &= fits
    numbers: _Integers = (k * scale + j) * (1 - 2 * signs)
    return numbers[chosen]


def _ranks(words: _Words, source: RandomSource) -> _Integers:
    """The k of each word: how many of the boundaries between k and k + 1 it has passed."""
    bounds = _boundaries()
    passed = np.zeros(len(words), dtype=np.int8)
    for bound in bounds[1:]:
        passed += (words >= bound).view(np.int8)
    k = passed.astype(np.int64)
    for at in np.flatnonzero(words == bounds.take(k)):
        k[at] = _exact_rank(_LazyUniform(int(words[at]), source))
    return k


def _exact_rank(uniform: _LazyUniform) -> int:
    k = 0
    while not uniform.below(partial(_share, k)):
        k += 1
    return k


class _LazyUniform:
    """A uniform real number in [0, 1), of which 64 binary digits are known; more are drawn when they are needed."""

    def __init__(self, word: int, source: RandomSource) -> None:
        self._digits = word
        self._known = 64
        self._source = source

    def below(self, real: Callable[[], Decimal]) -> bool:
        """Whether it is below `real()`, which is computed in Decimal to the precision then set, within 1000 units."""
        while True:
            with localcontext() as context:
                context.prec = self._known // 3 + 30
                bound = real() * (1 << self._known)
                error = abs(bound).scaleb(4 - context.prec) + Decimal(10) ** (4 - context.prec)
                if self._digits + 1 <= bound - error:
                    return True
                if self._digits >= bound + error:
                    return False
            self._digits = self._digits << 64 | int(self._source.words(1)[0])
            self._known += 64


def _power(numerator: int, denominator: int) -> Decimal:
    """exp(-numerator/denominator), at the precision that is set."""
    return (-Decimal(numerator) / Decimal(denominator)).exp()


def _share(k: int) -> Decimal:
    """Σ_{m ≤ k} exp(-m²/2) / Σ_m exp(-m²/2), at the precision that is set."""
    return sum(_weights(k + 1), Decimal(0)) / sum(_weights(None), Decimal(0))


def _weights(count: int | None) -> list[Decimal]:
    """exp(-m²/2) for m below `count`; all that the precision can tell from zero where `count` is None."""
    with localcontext() as context:
        smallest = Decimal(10) ** (-context.prec - 5)
    weights: list[Decimal] = []
    while count is None or len(weights) < count:
        weight = _power(len(weights) ** 2, 2)
        if count is None and weight < smallest:
            break
        weights.append(weight)
    return weights


@cache
def _boundaries() -> _Words:
    """0, and floor(2⁶⁴ P(K ≤ k)) for k below _TAIL: a word that equals one has not been told from it."""
    with localcontext() as context:
        context.prec = 60
        return np.array([0, *(int(_share(k) * (1 << 64)) for k in range(_TAIL))], dtype=np.uint64)
