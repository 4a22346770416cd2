"""Normal numbers: right to the last bits against extended precision, and in distribution; two ways that must agree."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import chi2, kstest, norm

from fedward_shared.privacy.randomness import noise
from fedward_shared.privacy.randomness.accelerator import box_muller
from fedward_shared.privacy.randomness.gaussian import PORTION, REACH, BoxMuller
from fedward_shared.privacy.randomness.noise import KeystreamSource

torch.set_num_threads(1)
Doubles = NDArray[np.float64]
Words = NDArray[np.uint64]
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
UNLIKELY = 1e-7
"""The chance that one of these tests would fail on perfect noise under another seed."""

EDGES = np.array([0, 1, 2, 2**32, 2**53 << 10, (2**54 - 1) << 10, 2**63 - 1, 2**63, 2**64 - 2, 2**64 - 1], np.uint64)


def transformed(words: Words) -> Doubles:
    out = np.full(len(words), np.nan)
    BoxMuller()(words, out)
    return out


def exact(words: Words) -> tuple[NDArray[np.longdouble], NDArray[np.longdouble]]:
    """(n, 2) normal numbers and (n,) radii in extended precision, by the library's own sine and cosine."""
    first, second = words.reshape(2, -1)
    uniform = (2 * (first >> np.uint64(1)).astype(np.longdouble) + 1) * np.longdouble(2) ** -64
    radius = np.sqrt(-2 * np.log(uniform))
    angles = second.view(np.int64)
    index, upper = (angles & 1023).astype(np.longdouble), (angles >> 10).astype(np.longdouble)
    angle = 2 * np.arccos(np.longdouble(-1)) * (index + upper * np.longdouble(2) ** -54) / 1024
    return np.stack((radius * np.cos(angle), radius * np.sin(angle)), axis=1), radius


def words_of(count: int) -> Words:
    """Random words, and every pair of edges."""
    random = KeystreamSource.unsafe_seeded(1, b"words").words(2 * count).reshape(2, -1)
    pairs = np.stack([part.ravel() for part in np.meshgrid(EDGES, EDGES)])
    return np.concatenate((random, pairs), axis=1).ravel()


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 60, reason="this machine has no extended precision to compare with")
def test_a_number_is_the_transform_of_its_two_words_to_the_last_bits() -> None:
    words = words_of(16_000)
    expected, radius = exact(words)
    error = np.abs(transformed(words).reshape(-1, 2) - expected).max(axis=1)
    assert (error <= 2.0**-50 * radius + 2.0**-53 / radius).all()


@pytest.mark.parametrize("device", DEVICES)
def test_the_accelerators_transform_is_the_same(device: str) -> None:
    words = words_of(5000)
    drawn = box_muller(torch.from_numpy(words.view(np.int64)).to(device)).cpu().numpy()
    np.testing.assert_allclose(drawn, transformed(words), rtol=0, atol=2e-14)


def test_the_tail_reaches_as_far_as_stated_and_nothing_is_infinite() -> None:
    values = transformed(words_of(10))
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= REACH * (1 + 1e-15)
    assert np.abs(values).max() > REACH * (1 - 1e-15)
    assert abs(2 * norm.sf(REACH) / 4.5e-21 - 1) < 0.02


def check_moments(values: Doubles) -> None:
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96), (6, 15, 10170)):
        assert abs((values**power).mean() - moment) < 5.5 * (variance / len(values)) ** 0.5


def check_distribution(values: Doubles) -> None:
    assert kstest(values, "norm").pvalue > UNLIKELY


def check_tails(values: Doubles) -> None:
    """Chi-squared over cells that are fine where numbers are rare: the last hold one number in 20,000."""
    outer = np.array([1e-5, 5e-5, 2e-4, 1e-3, 5e-3, 0.02, 0.1, 0.25])
    shares = np.diff([0, *outer, 0.5, *(1 - outer[::-1]), 1])
    seen = np.bincount(np.searchsorted(norm.ppf(np.cumsum(shares)[:-1]), values), minlength=len(shares))
    expected = shares * len(values)
    assert ((seen - expected) ** 2 / expected).sum() < chi2.ppf(1 - UNLIKELY, len(shares) - 1)


def check_independence(values: Doubles) -> None:
    for lag in (1, 2, 3, PORTION // 2, PORTION // 2 + 1, PORTION, 200_000):
        for left, right in ((values[:-lag], values[lag:]), (values[:-lag] ** 2 - 1, values[lag:] ** 2 - 1)):
            assert abs((left * right).mean()) < 5.5 * left.std() * right.std() / len(left) ** 0.5


def check_no_repeats(values: Doubles) -> None:
    assert len(np.unique(np.abs(values))) == len(values)


CHECKS = [check_moments, check_distribution, check_tails, check_independence, check_no_repeats]


def drawn(count: int) -> Doubles:
    return KeystreamSource.unsafe_seeded(2, b"distribution").gaussian(count)


def test_a_million_numbers_are_normal_independent_and_different() -> None:
    values = drawn(1_000_001)
    assert len(values) == 1_000_001
    for check in CHECKS:
        check(values)


@pytest.mark.parametrize("device", DEVICES)
def test_numbers_from_the_accelerators_stream_are_normal_independent_and_different(device: str) -> None:
    stream = KeystreamSource.unsafe_seeded(3, b"device").on(torch.device(device))
    values = torch.cat([stream.gaussian(200_001), stream.gaussian(100_000)]).cpu().numpy()
    assert len(values) == 300_001
    for check in CHECKS:
        check(values)


@pytest.mark.parametrize("count", [0, 1, 2, 3, PORTION - 1, PORTION, PORTION + 1, 2 * PORTION + 1])
def test_every_count_is_filled_to_its_last_number(count: int) -> None:
    values = drawn(count)
    assert values.shape == (count,)
    assert np.count_nonzero(values) == count
    assert np.isfinite(values).all()


class _Half(BoxMuller):
    def __call__(self, words: Words, out: Doubles) -> None:
        super().__call__(words, out)
        out /= 2


class _Uniform(BoxMuller):
    def __call__(self, words: Words, out: Doubles) -> None:
        np.multiply(words * 2.0**-64 - 0.5, 12**0.5, out=out)


class _Last(BoxMuller):
    def __call__(self, words: Words, out: Doubles) -> None:
        super().__call__(words, out)
        out[-1] = 0.0


class _OneRadius(BoxMuller):
    def __call__(self, words: Words, out: Doubles) -> None:
        pairs = len(words) // 2
        super().__call__(np.concatenate((np.repeat(words[: pairs // 2], 2), words[pairs // 2 * 2 :])), out)


class _NoRest(BoxMuller):
    """Angles from the table alone, without what remains."""

    def __call__(self, words: Words, out: Doubles) -> None:
        angles = words.copy()
        angles[len(words) // 2 :] &= np.uint64(1023)
        super().__call__(angles, out)


@pytest.mark.parametrize("planted", [_Half, _Uniform, _Last, _OneRadius])
def test_a_wrong_transform_is_caught(planted: type[BoxMuller], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise, "BoxMuller", planted)
    values = drawn(8 * PORTION)
    caught = 0
    for check in CHECKS:
        try:
            check(values)
        except AssertionError:
            caught += 1
    assert caught
    if planted is _Last:
        with pytest.raises(AssertionError):
            test_every_count_is_filled_to_its_last_number(PORTION + 1)


def test_coarse_angles_are_caught_by_their_last_bits() -> None:
    words = words_of(2000)
    out = np.empty(len(words))
    _NoRest()(words, out)
    assert np.abs(out - transformed(words)).max() > 1e-5
