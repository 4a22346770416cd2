"""The keystream, its distribution, and when it refuses."""

import os

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from fedward_shared.errors import FedwardError
from fedward_shared.privacy.noise import KeystreamSource


def test_uniforms_are_the_keystream_of_aes_256_ctr() -> None:
    key = bytes(range(32))
    stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(80))
    expected = [(int.from_bytes(stream[at : at + 8], "little") >> 11) / 2**53 for at in range(0, 80, 8)]
    source = KeystreamSource(key)
    assert [*source.uniform(3), *source.uniform(7)] == expected


def test_the_moments_of_a_million_normals() -> None:
    values = KeystreamSource.unsafe_seeded(1, b"moments").gaussian(1_000_001)
    assert len(values) == 1_000_001
    count = len(values)
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        assert abs((values**power).mean() - moment) < 5 * (variance / count) ** 0.5
    beyond = (np.abs(values) > 3).mean()
    assert abs(beyond - 0.0026998) < 5 * (0.0027 / count) ** 0.5
    assert np.isfinite(values).all()


def test_neighbours_in_the_stream_are_not_correlated() -> None:
    values = KeystreamSource.unsafe_seeded(2, b"").gaussian(400_000)
    for lag in (1, 2, 1 << 17, 200_000):
        assert abs((values[:-lag] * values[lag:]).mean()) < 5 / (len(values) - lag) ** 0.5


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    values = KeystreamSource.unsafe_seeded(3, b"").uniform(200_000)
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.bincount((values * 100).astype(int), minlength=100)
    assert ((counts - 2000) ** 2 / 2000).sum() < 180  # chi-squared with 99 degrees of freedom; p < 1e-6


def test_fresh_sources_differ_even_for_one_digest() -> None:
    assert not np.array_equal(KeystreamSource.fresh(b"same").gaussian(4), KeystreamSource.fresh(b"same").gaussian(4))


def test_the_digest_separates_instructions_when_a_snapshot_repeats_the_systems_randomness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "urandom", bytes)
    first, second = KeystreamSource.fresh(b"one").uniform(4), KeystreamSource.fresh(b"two").uniform(4)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, KeystreamSource.fresh(b"one").uniform(4))


def test_seeds_repeat_and_differ() -> None:
    once, again = (KeystreamSource.unsafe_seeded(5, b"x").gaussian(3) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert not np.array_equal(once, KeystreamSource.unsafe_seeded(6, b"x").gaussian(3))
    assert not np.array_equal(once, KeystreamSource.unsafe_seeded(5, b"y").gaussian(3))


def test_a_forked_child_gets_no_noise() -> None:
    source = KeystreamSource.fresh(b"parent")
    child = os.fork()
    if child == 0:  # no assertion here: the child must leave without pytest
        try:
            source.gaussian(1)
        except FedwardError:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    source.gaussian(1)


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeystreamSource(bytes(16))
