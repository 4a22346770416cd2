"""Who takes part in a step: independent draws at the declared rate, and at most so many records of each patient."""

import os
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.sampling import choose_records, poisson

EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)


def test_each_unit_is_drawn_at_the_declared_rate_and_independently() -> None:
    source = KeystreamSource.unsafe_seeded(0, b"poisson")
    units, steps, rate = 40, 6000, 0.3
    drawn = np.zeros((steps, units))
    for step in range(steps):
        drawn[step, poisson(units, rate, source)] = 1
    deviation = (rate * (1 - rate) / steps) ** 0.5
    assert np.abs(drawn.mean(axis=0) - rate).max() < 5 * deviation
    sizes = drawn.sum(axis=1)
    assert abs(sizes.var() / (units * rate * (1 - rate)) - 1) < 5 * (2 / steps) ** 0.5  # a fixed batch has none
    apart = np.corrcoef(drawn.T) - np.eye(units)
    assert np.abs(apart).max() < 5.5 / steps**0.5
    assert np.abs((drawn[1:] - rate) * (drawn[:-1] - rate)).mean() < 0.22


class _Scripted(KeystreamSource):
    """Gives the words of a script, then zeros; remembers how many were asked for."""

    def __init__(self, script: list[int]) -> None:
        super().__init__(bytes(32))
        self._script = script
        self.given: list[list[int]] = []

    def words(self, count: int) -> NDArray[np.uint64]:
        given, self._script = self._script[:count], self._script[count:]
        self.given.append(given + [0] * (count - len(given)))
        return np.array(self.given[-1], dtype=np.uint64)


@given(
    rate=st.floats(0, 1) | st.floats(0, 1e-15) | st.floats(1 - 1e-9, 1) | st.sampled_from([1 / 256, 0.5, 2.0**-300]),
    random=st.randoms(use_true_random=False),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_unit_takes_part_exactly_where_its_uniform_number_is_below_the_rate(rate: float, random: Random) -> None:
    """Digits that agree with the rate's for a while, compared again in exact arithmetic."""
    digits = [int(Fraction(rate) * 2 ** (8 + 64 * place)) for place in range(4)]
    near = [digits[0] % 256, *(digit % 2**64 for digit in digits[1:])]
    first = bytes(min(255, max(0, near[0] + random.choice([-1, 0, 0, 0, 1]))) for _ in range(24))
    later = [random.choice([near[1], near[1], near[1], max(0, near[1] - 1), random.getrandbits(64)]) for _ in range(24)]
    source = _Scripted([*np.frombuffer(first, dtype=np.uint64).tolist(), *later])
    taken = set(poisson(24, rate, source).tolist())
    waiting, numbers, known = list(range(24)), [Fraction(byte, 256) for byte in first], 8
    for words in source.given[1:]:
        known += 64
        still = [unit for unit in waiting if numbers[unit] <= rate < numbers[unit] + Fraction(1, 2 ** (known - 64))]
        assert len(still) == len(words)
        for unit, word in zip(still, words, strict=True):
            numbers[unit] += Fraction(word, 2**known)
        waiting = still
    for unit in range(24):
        assert (unit in taken) == (numbers[unit] < rate)


@pytest.mark.parametrize("rate", [1e-5, 1 / 300, 1 / 256, 0.01, 0.3, 0.5, 0.999])
def test_how_many_take_part_is_binomial(rate: float) -> None:
    source, units = KeystreamSource.unsafe_seeded(7, b"rates"), 1_000_000
    drawn = poisson(units, rate, source)
    assert abs(len(drawn) - units * rate) < 5.5 * (units * rate * (1 - rate)) ** 0.5
    assert (np.diff(drawn) > 0).all()
    parts = np.bincount(drawn // (units // 8), minlength=8)
    assert ((parts - units * rate / 8) ** 2 / (units * rate / 8)).sum() < 45  # chi-squared, p < 1e-7


@given(units=st.integers(0, 300), seed=st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_rate_of_one_takes_all_and_of_zero_nobody(units: int, seed: int) -> None:
    source = KeystreamSource.unsafe_seeded(seed, b"")
    assert poisson(units, 1.0, source).tolist() == list(range(units))
    assert poisson(units, 0.0, source).tolist() == []


@given(groups=st.lists(st.integers(0, 6), max_size=60), most=st.integers(1, 8), seed=st.integers(0, 2**32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_choosing_records_keeps_at_most_so_many_of_each_and_loses_no_group(
    groups: list[int], most: int, seed: int
) -> None:
    owners = np.array(sorted(groups), dtype=np.int64)
    _, owners = np.unique(owners, return_inverse=True)
    rows = np.arange(len(owners)) * 10
    kept, whose = choose_records(rows, owners, most, KeystreamSource.unsafe_seeded(seed, b""))
    before, after = np.bincount(owners), np.bincount(whose, minlength=1)
    if len(owners):
        np.testing.assert_array_equal(after, np.minimum(before, most))
    assert len(set(kept.tolist())) == len(kept)
    np.testing.assert_array_equal(owners[kept // 10], whose)
    assert (np.diff(whose) >= 0).all()


def test_each_of_a_patients_records_is_as_likely() -> None:
    source = KeystreamSource.unsafe_seeded(1, b"records")
    counts = np.zeros(7)
    owners = np.array([0, 0, 0, 0, 1, 1, 1])
    for _ in range(4000):
        kept, _ = choose_records(np.arange(7), owners, 2, source)
        counts[kept] += 1
    np.testing.assert_allclose(counts, [2000] * 4 + [8000 / 3] * 3, rtol=0.08)
