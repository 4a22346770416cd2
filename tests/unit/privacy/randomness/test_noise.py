"""The keystream: what it is made of, that nothing in it comes twice, and when it refuses."""

import os

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from fedward_shared.errors import FedwardError
from fedward_shared.privacy.randomness.gaussian import PORTION
from fedward_shared.privacy.randomness.noise import KeystreamSource

torch.set_num_threads(1)
CPU = torch.device("cpu")


def keystream(secret: bytes, count: int) -> bytes:
    """AES-256-CTR under the key that HKDF makes of the secret, written apart from the product's code."""
    key = HKDF(SHA256(), length=32, salt=None, info=b"fedward/keystream/aes-256-ctr/v1").derive(secret)
    return Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor().update(bytes(count))


def test_uniforms_are_the_keystream_of_aes_256_ctr() -> None:
    secret = bytes(range(32))
    stream = keystream(secret, 80)
    expected = [(int.from_bytes(stream[at : at + 8], "little") >> 11) / 2**53 for at in range(0, 80, 8)]
    source = KeystreamSource(secret)
    assert [*source.uniform(3), *source.uniform(7)] == expected


@pytest.mark.parametrize("counts", [(1, 2, 3), (0, PORTION - 1, 2, PORTION, 1), (2 * PORTION + 3, 5)])
def test_words_go_on_where_the_last_call_ended_whatever_the_portions(counts: tuple[int, ...]) -> None:
    source = KeystreamSource(bytes(32))
    drawn = np.concatenate([source.words(count) for count in counts])
    assert drawn.tobytes() == keystream(bytes(32), 8 * sum(counts))


def test_nothing_is_drawn_twice_between_portions_calls_kinds_and_messages() -> None:
    source = KeystreamSource.unsafe_seeded(4, b"one")
    other = KeystreamSource.unsafe_seeded(4, b"two")
    drawn = [source.gaussian(3 * PORTION + 1), source.gaussian(PORTION), other.gaussian(PORTION)]
    drawn += [source.on(CPU).gaussian(3000).numpy(), other.on(CPU).gaussian(3000).numpy()]
    values = np.concatenate(drawn)
    assert len(np.unique(values)) == len(values)
    words = np.concatenate([source.words(PORTION + 7), source.words(9), other.words(PORTION)])
    assert len(np.unique(words)) == len(words)


def test_a_devices_stream_goes_on_and_its_key_is_nobody_elses() -> None:
    source = KeystreamSource(bytes(32))
    drawn = torch.cat([source.on(CPU).words(500) for _ in range(3)]).numpy()
    assert len(np.unique(drawn)) == 1500
    keys = {source.on(torch.device(name))._key for name in ("cpu", "cuda:0", "cuda:1", "xpu:0")}
    aes = HKDF(SHA256(), length=32, salt=None, info=b"fedward/keystream/aes-256-ctr/v1").derive(bytes(32))
    assert len(keys | {source._secret, aes}) == 6


def test_a_source_that_began_its_keystream_anew_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted defect of a reused keystream: the counter starts at zero for every portion."""
    fill = KeystreamSource._fill

    def again(self: KeystreamSource, words: np.typing.NDArray[np.uint64]) -> None:
        fill(KeystreamSource(self._secret), words)

    monkeypatch.setattr(KeystreamSource, "_fill", again)
    with pytest.raises(AssertionError):
        test_nothing_is_drawn_twice_between_portions_calls_kinds_and_messages()
    with pytest.raises(AssertionError):
        test_words_go_on_where_the_last_call_ended_whatever_the_portions((1, 2, 3))


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    values = KeystreamSource.unsafe_seeded(3, b"").uniform(200_000)
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.bincount((values * 100).astype(int), minlength=100)
    assert ((counts - 2000) ** 2 / 2000).sum() < 180  # chi-squared with 99 degrees of freedom; p < 1e-6


def test_every_bit_of_a_word_is_even_and_independent_of_the_next_words() -> None:
    words = KeystreamSource.unsafe_seeded(5, b"bits").words(20_000)
    bits = np.unpackbits(words.view(np.uint8)).reshape(-1, 64) * 2.0 - 1
    limit = 5.5 / len(words) ** 0.5
    assert np.abs(bits.mean(axis=0)).max() < limit
    assert np.abs((bits[1:] * bits[:-1]).mean(axis=0)).max() < limit
    assert np.abs(np.corrcoef(bits.T) - np.eye(64)).max() < limit


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
    first, second = (KeystreamSource.unsafe_seeded(5, b"x").on(CPU).gaussian(3) for _ in range(2))
    assert torch.equal(first, second)


def test_a_forked_child_gets_no_noise() -> None:
    source = KeystreamSource.fresh(b"parent")
    stream = source.on(CPU)
    child = os.fork()
    if child == 0:  # no assertion here: the child must leave without pytest
        refused = 0
        for draw in (source.gaussian, source.uniform, source.words, stream.words, lambda _: source.on(CPU)):
            try:
                draw(1)
            except FedwardError:
                refused += 1
        os._exit(refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    source.gaussian(1)


def test_a_secret_has_32_bytes() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        KeystreamSource(bytes(16))
