"""Who takes part in a step: independent draws at the declared rate, and at most so many records of each patient."""

import os

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.privacy.noise import KeystreamSource
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
