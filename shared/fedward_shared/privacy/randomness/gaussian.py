"""Uniform bits into normal numbers: Box and Muller's transform in float64, in portions that stay in the cache.

Source: Box and Muller 1958. Two words of 64 bits give two numbers: the first word the radius r = √(-2 ln u), where
u = (2n + 1)·2⁻⁶⁴ and n has 63 bits; the second word an angle of 64 bits. The angle's low 10 bits look up an exact
direction; its other 54 bits turn that direction by |δ| ≤ 2π/2¹¹, where cos δ = 1 - δ²/2 + δ⁴/24 and
sin δ = δ - δ³/6 + δ⁵/120 hold to less than 2⁻⁵⁹. This is several times as fast as the library's sine and cosine, and
a larger table, with fewer terms, is slower where a training step has emptied the cache.

What one may rely on:

- The tail ends at √(128 ln 2) = 9.42 standard deviations; the mass beyond is 4.5e-21 (with 53 bits it would be
  8.57 and 1e-17).
- A number differs from the real-valued transform of its two words by at most 2⁻⁵⁰ r + 2⁻⁵³/r (the second term, because
  u is rounded to 53 bits, matters for small radii alone).
- No branch and no number of steps depends on the numbers drawn, as in methods that count or refuse (Jin, McMurtry,
  Rubinstein and Ohrimenko 2022, on timing).
- The numbers are floats with gaps. They must not be released as they are (Mironov 2012); `mechanism` rounds them.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["PORTION", "REACH", "BoxMuller"]

PORTION = 1 << 15
"""How many numbers one call makes at most; the scratch memory of 1 MiB and the result then stay in the cache."""

REACH = math.sqrt(128 * math.log(2))
"""No number is further from zero than this."""

INDEX_BITS = 10
INDEX_MASK = (1 << INDEX_BITS) - 1
TURN = 2 * math.pi / (1 << INDEX_BITS)
REMAINDER = TURN * 2.0 ** (INDEX_BITS - 64)
"""The angle, in radians, of the lowest of a word's 54 upper bits."""

Doubles = NDArray[np.float64]
Words = NDArray[np.uint64]


class BoxMuller:
    """The transform and its scratch memory. Not for two threads at once."""

    def __init__(self) -> None:
        pairs = PORTION // 2
        self._directions = directions()
        self._whole = np.empty(pairs, dtype=np.int64)
        self._radius, self._rest, self._square, self._factor = np.empty((4, pairs))
        self._turned = np.empty(pairs, dtype=np.complex128)

    def __call__(self, words: Words, out: Doubles) -> None:
        """Fills `out` with as many independent standard normal numbers as there are independent uniform `words`.

        Args:
            words: (2n,), n ≤ PORTION / 2; the first half gives radii, the second angles. Used up: never use them again.
            out: (2n,) contiguous.
        """
        pairs = len(words) // 2
        radius, turned, index = self._radius[:pairs], self._turned[:pairs], self._whole[:pairs]
        self._radii(words[:pairs], radius)
        angles = words[pairs:].view(np.int64)
        self._turn(angles, radius, turned)
        points = out.view(np.complex128)
        np.bitwise_and(angles, INDEX_MASK, out=index)
        self._directions.take(index, out=points, mode="wrap")
        np.multiply(points, turned, out=points)

    def _radii(self, words: Words, radius: Doubles) -> None:
        """√(-2 ln u) of each word, into `radius`."""
        whole = self._whole[: len(words)]
        np.right_shift(words, np.uint64(1), out=whole.view(np.uint64))
        np.copyto(radius, whole)
        np.multiply(radius, 2.0**-63, out=radius)
        np.add(radius, 2.0**-64, out=radius)
        np.log(radius, out=radius)
        np.multiply(radius, -2.0, out=radius)
        np.sqrt(radius, out=radius)

    def _turn(self, angles: NDArray[np.int64], radius: Doubles, turned: NDArray[np.complex128]) -> None:
        """The turn r (cos δ + i sin δ), by Taylor's series in the upper bits of each angle, into `turned`."""
        count = len(angles)
        whole, rest = self._whole[:count], self._rest[:count]
        square, factor = self._square[:count], self._factor[:count]
        np.right_shift(angles, INDEX_BITS, out=whole)
        np.copyto(rest, whole)
        np.multiply(rest, rest, out=square)
        np.multiply(square, REMAINDER**5 / 120, out=factor)
        np.subtract(factor, REMAINDER**3 / 6, out=factor)
        np.multiply(factor, square, out=factor)
        np.add(factor, REMAINDER, out=factor)
        np.multiply(factor, rest, out=factor)
        np.multiply(factor, radius, out=turned.imag)
        np.multiply(square, REMAINDER**4 / 24, out=factor)
        np.subtract(factor, REMAINDER**2 / 2, out=factor)
        np.multiply(factor, square, out=factor)
        np.add(factor, 1.0, out=factor)
        np.multiply(factor, radius, out=turned.real)


@cache
def directions() -> NDArray[np.complex128]:
    """Points on the unit circle from 1 on, anticlockwise: (2¹⁰,). The quarters are exact turns of the first."""
    quarter = np.exp(1j * TURN * np.arange(1 << (INDEX_BITS - 2)))
    return np.concatenate((quarter, 1j * quarter, -quarter, -1j * quarter))
