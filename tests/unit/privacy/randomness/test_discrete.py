"""The discrete Gaussian against its exact probabilities; where float64 is in doubt, exact arithmetic decides alike."""

from decimal import Decimal

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, kstest

from fedward_shared.privacy.randomness import discrete
from fedward_shared.privacy.randomness.discrete import LARGEST_SCALE, discrete_gaussian
from fedward_shared.privacy.randomness.noise import KeystreamSource

UNLIKELY = 1e-7
Integers = NDArray[np.int64]


def source(label: bytes = b"discrete", seed: int = 0) -> KeystreamSource:
    return KeystreamSource.unsafe_seeded(seed, label)


def probabilities(scale: int) -> tuple[Integers, NDArray[np.float64]]:
    """Integers out to 12 scales, and exp(-n²/2s²) over its sum."""
    integers = np.arange(-12 * scale, 12 * scale + 1)
    weights = np.exp(-(integers**2) / (2 * scale**2))
    return integers, weights / weights.sum()


def check_exact(numbers: Integers, scale: int) -> None:
    """Chi-squared; integers expected fewer than 20 times count together."""
    integers, shares = probabilities(scale)
    seen = np.bincount(np.clip(numbers, -12 * scale, 12 * scale) + 12 * scale, minlength=len(integers))
    expected = shares * len(numbers)
    rare = expected < 20
    cells = [*zip(seen[~rare], expected[~rare], strict=True), (seen[rare].sum(), expected[rare].sum())]
    assert sum((count - mean) ** 2 / mean for count, mean in cells) < chi2.ppf(1 - UNLIKELY, len(cells) - 1)


@pytest.mark.parametrize("scale", [1, 2, 3, 7, 64])
def test_integers_have_their_exact_probabilities(scale: int) -> None:
    numbers = discrete_gaussian(scale, 300_000, source())
    assert numbers.dtype == np.int64
    check_exact(numbers, scale)


@pytest.mark.parametrize("scale", [12_345_678, (1 << 30) + 1, LARGEST_SCALE])
def test_a_wide_one_looks_like_the_continuous_gaussian(scale: int) -> None:
    numbers = discrete_gaussian(scale, 200_000, source(b"wide"))
    values = numbers / scale
    assert kstest(values, "norm").pvalue > UNLIKELY
    assert abs((values**4).mean() - 3) < 5.5 * (96 / len(values)) ** 0.5
    assert abs((values[1:] * values[:-1]).mean()) < 5.5 / len(values) ** 0.5
    for bit in range(16):  # the low bits are even: numbers fill the grid, not a part of it
        assert abs(((numbers >> bit) & 1).mean() - 0.5) < 5.5 * 0.5 / len(numbers) ** 0.5


def test_the_variance_is_at_most_that_of_the_continuous_one() -> None:
    """Canonne, Kamath and Steinke 2020, corollary 9; and the docstring's figure of 1e-6."""
    for scale in (1, 2, 5):
        integers, shares = probabilities(scale)
        variance = float((shares * integers**2).sum())
        assert scale**2 * (1 - 1e-6) < variance < scale**2 * (1 + 1e-12)


@pytest.mark.parametrize("scale", [1, 3, 1 << 20])
def test_exact_arithmetic_decides_as_float64_does(scale: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = discrete_gaussian(scale, 300, source())
    monkeypatch.setattr(discrete, "_DOUBT", 2.0)  # every comparison is in doubt
    np.testing.assert_array_equal(discrete_gaussian(scale, 300, source()), expected)


def test_exact_ranks_are_those_of_the_boundaries() -> None:
    bounds = discrete._boundaries()
    assert bounds[0] == 0
    assert (np.diff(bounds.astype(object)) > 0).all()
    weights = np.exp(-(np.arange(30.0) ** 2) / 2)
    np.testing.assert_allclose(bounds[1:] * 2.0**-64, (np.cumsum(weights) / weights.sum())[:10], atol=1e-15)
    for k, bound in enumerate(int(value) for value in bounds[1:]):
        assert discrete._exact_rank(discrete._LazyUniform(bound - 1, source())) == k
        if bound < 2**64 - 1:
            assert discrete._exact_rank(discrete._LazyUniform(bound + 1, source())) == k + 1


def test_a_word_on_a_boundary_draws_more_digits_and_falls_on_either_side() -> None:
    """The digits of P(K ≤ 0) = 0.5704… beyond the 64th decide how often."""
    bound = int(discrete._boundaries()[1])
    ranks = discrete._ranks(np.full(400, bound, dtype=np.uint64), source())
    total = sum(Decimal(-m * m / 2).exp() for m in range(12))
    below = float(2**64 / total % 1)
    assert set(ranks.tolist()) == {0, 1}
    assert abs((ranks == 0).mean() - below) < 5.5 * (below * (1 - below) / 400) ** 0.5


def test_a_lazy_uniform_compares_with_every_digit() -> None:
    half = discrete._LazyUniform(1 << 63, source())  # in [1/2, 1/2 + 2⁻⁶⁴)
    assert not half.below(lambda: Decimal(1) / 2)
    assert half.below(lambda: Decimal(1) / 2 + Decimal(2) ** -64)
    assert half.below(lambda: Decimal(1))
    assert discrete._LazyUniform(2**64 - 1, source()).below(lambda: Decimal(1))
    times = 300
    inside = sum(
        discrete._LazyUniform(0, source(seed=seed)).below(lambda: Decimal(2) ** -64 / 3) for seed in range(times)
    )
    assert abs(inside / times - 1 / 3) < 5.5 * (2 / 9 / times) ** 0.5


class _Scripted(KeystreamSource):
    """Gives the words of a script."""

    def __init__(self, script: list[int]) -> None:
        super().__init__(bytes(32))
        self._script = script

    def words(self, count: int) -> NDArray[np.uint64]:
        given, self._script = self._script[:count], self._script[count:]
        assert len(given) == count
        return np.array(given, dtype=np.uint64)


@pytest.mark.parametrize("scale", [3, 10, (1 << 40) + 7])
def test_words_that_would_favour_small_numbers_are_refused(scale: int) -> None:
    """Of the 2⁶³ values that give j, the last 2⁶³ mod s are not used; the one before them gives s - 1."""
    first = (1 << 63) - (1 << 63) % scale
    inside, outside = (first - 1) << 1 | 1, first << 1 | 1
    script = _Scripted([1, 1, 1, inside, outside, (1 << 64) - 1, 2, 2, 2])
    assert discrete._accepted(scale, 3, script).tolist() == [1 - scale]


@pytest.mark.parametrize("count", [0, 1, 2, 17, 30_000])
def test_every_count_is_filled(count: int) -> None:
    assert discrete_gaussian(1 << 40, count, source()).shape == (count,)
    assert np.count_nonzero(discrete_gaussian(1 << 40, count, source())) == count


@pytest.mark.parametrize("scale", [0, -1, LARGEST_SCALE + 1])
def test_a_scale_out_of_range_is_refused(scale: int) -> None:
    with pytest.raises(ValueError, match="scale"):
        discrete_gaussian(scale, 1, source())


def half(scale: int) -> Integers:
    return discrete_gaussian(scale, 300_000, source()) // 2


def rounded(scale: int) -> Integers:
    """A continuous Gaussian, rounded: close, but not the discrete one."""
    return np.rint(source().gaussian(300_000) * scale).astype(np.int64)


def negative_zero(scale: int) -> Integers:
    numbers = discrete_gaussian(scale, 300_000, source())
    return np.concatenate((numbers, numbers[numbers == 0]))


@pytest.mark.parametrize("planted", [half, rounded, negative_zero])
def test_what_is_not_the_discrete_gaussian_is_caught(planted: object) -> None:
    assert callable(planted)
    with pytest.raises(AssertionError):
        check_exact(planted(1), 1)


@pytest.mark.parametrize("scale", [4, 32])
def test_it_is_as_close_to_the_rounded_gaussian_as_the_accounting_assumes(scale: int) -> None:
    """Within exp(±18/s²), and better, at every integer up to 12 scales: what docs/adr/0006 proves."""
    from scipy.stats import norm

    integers, shares = probabilities(scale)
    upper = np.abs(integers)
    continuous = norm.sf((upper - 0.5) / scale) - norm.sf((upper + 0.5) / scale)
    ratio = np.log(continuous) - np.log(shares)
    assert (ratio >= -1 / (8 * scale**2) - 1e-9).all()
    assert (ratio <= integers**2 / (8 * scale**4) + 1e-9).all()
    assert (np.abs(ratio) <= 18 / scale**2 + 1e-9).all()
