"""For any portions, totals and grids: the keystream goes on, releases lie on the grid, uniform numbers in [0, 1)."""

import os
from fractions import Fraction

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.privacy.mechanism import DiscreteGaussianMechanism, GaussianMechanism, grid
from fedward_shared.privacy.randomness.chacha import keystream
from fedward_shared.privacy.randomness.gaussian import PORTION, REACH
from fedward_shared.privacy.randomness.noise import KeystreamSource

torch.set_num_threads(1)
EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)
SEEDS = st.integers(-(2**64), 2**64)
KINDS = st.sampled_from([GaussianMechanism, DiscreteGaussianMechanism])


@given(seed=SEEDS, counts=st.lists(st.integers(0, 40) | st.just(PORTION + 1), max_size=8))
@settings(max_examples=EXAMPLES, deadline=None)
def test_words_do_not_depend_on_how_they_are_asked_for(seed: int, counts: list[int]) -> None:
    once = KeystreamSource.unsafe_seeded(seed, b"").words(sum(counts))
    source = KeystreamSource.unsafe_seeded(seed, b"")
    parts = [source.words(count) for count in counts]
    np.testing.assert_array_equal(np.concatenate([np.zeros(0, np.uint64), *parts]), once)


@given(seed=SEEDS, count=st.integers(0, 300))
@settings(max_examples=EXAMPLES, deadline=None)
def test_uniform_numbers_are_multiples_below_one_and_normal_ones_are_within_reach(seed: int, count: int) -> None:
    source = KeystreamSource.unsafe_seeded(seed, b"")
    uniform, normal = source.uniform(count), source.gaussian(count)
    assert all(0 <= value < 1 and value * 2**53 == int(value * 2**53) for value in uniform.tolist())
    assert normal.shape == (count,)
    assert (np.abs(normal) <= REACH * (1 + 1e-15)).all()


@given(
    kind=KINDS,
    total=st.lists(st.floats(-1e6, 1e6), max_size=12),
    single=st.booleans(),
    exponent=st.integers(-24, 10),
    deviation=st.floats(0, 1e6),
    power=st.integers(-8, 8),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_release_is_a_multiple_of_the_grid_in_exact_arithmetic(
    *, kind: type[GaussianMechanism], total: list[float], single: bool, exponent: int, deviation: float, power: int
) -> None:
    cell, divisor = 2.0**exponent, 2.0**power
    before = torch.tensor(total, dtype=torch.float32 if single else torch.float64)
    out = torch.empty(len(total), dtype=torch.float64)
    kind(deviation, cell).release(before, divisor, KeystreamSource.unsafe_seeded(1, b"grid"), out)
    cells = [Fraction(value) * Fraction(divisor) / Fraction(cell) for value in out.tolist()]
    assert all(value.denominator == 1 for value in cells)
    kind(0.0, cell).release(before, divisor, KeystreamSource.unsafe_seeded(1, b"grid"), out)
    for value, given_value in zip(out.tolist(), before.tolist(), strict=True):
        assert abs(Fraction(value) * Fraction(divisor) - Fraction(given_value)) <= Fraction(cell) / 2


@given(
    clip_norm=st.floats(1e-6, 1e6),
    dimensions=st.integers(1, 10**9),
    noise=st.floats(0, 50),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_declared_grid_moves_a_sum_by_at_most_1e_5_of_the_clip_norm(
    clip_norm: float, dimensions: int, noise: float
) -> None:
    cell = grid(clip_norm, dimensions, noise * clip_norm)
    assert Fraction(cell) ** 2 * dimensions <= (Fraction(clip_norm) / 10**5) ** 2 * (1 + Fraction(1, 10**12))
    assert Fraction(2 * cell) ** 2 * dimensions > (Fraction(clip_norm) / 10**5) ** 2 * (1 - Fraction(1, 10**12))
    GaussianMechanism(noise * clip_norm, cell)
    DiscreteGaussianMechanism(noise * clip_norm, cell)


@given(first=st.integers(0, 2**32 - 40), split=st.integers(0, 20), key=st.binary(min_size=32, max_size=32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_blocks_of_chacha20_do_not_depend_on_how_they_are_asked_for(first: int, split: int, key: bytes) -> None:
    device, nonce = torch.device("cpu"), bytes(12)
    once = keystream(key, nonce, first, 20, device)
    parts = (keystream(key, nonce, first, split, device), keystream(key, nonce, first + split, 20 - split, device))
    assert torch.equal(torch.cat(parts), once)
