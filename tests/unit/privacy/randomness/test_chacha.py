"""ChaCha20: the vectors of RFC 8439, and OpenSSL's for everything else."""

import numpy as np
import pytest
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms

from fedward_shared.privacy.randomness import accelerator
from fedward_shared.privacy.randomness.accelerator import DeviceSource
from fedward_shared.privacy.randomness.chacha import keystream

torch.set_num_threads(1)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
KEY = bytes(range(32))

SECTION_2_3_2 = """
10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e
d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e
"""
A_1_VECTORS = [  # appendix A.1: key, nonce, counter, keystream
    (
        bytes(32),
        bytes(12),
        0,
        (
            "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
            "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
        ),
    ),
    (
        bytes(32),
        bytes(12),
        1,
        (
            "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
            "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
        ),
    ),
    (
        bytes(31) + b"\x01",
        bytes(12),
        1,
        (
            "3aeb5224ecf849929b9d828db1ced4dd832025e8018b8160b82284f3c949aa5a"
            "8eca00bbb4a73bdad192b5c42f73f2fd4e273644c8b36125a64addeb006c13a0"
        ),
    ),
    (
        b"\x00\xff" + bytes(30),
        bytes(12),
        2,
        (
            "72d54dfbf12ec44b362692df94137f328fea8da73990265ec1bbbea1ae9af0ca"
            "13b25aa26cb4a648cb9b9d1be65b2c0924a66c54d545ec1b7374f4872e99f096"
        ),
    ),
    (
        bytes(32),
        bytes(11) + b"\x02",
        0,
        (
            "c2c64d378cd536374ae204b9ef933fcd1a8b2288b3dfa49672ab765b54ee27c7"
            "8a970e0e955c14f3a88e741b97c286f75f8fc299e8148362fa198a39531bed6d"
        ),
    ),
]


def stream(key: bytes, nonce: bytes, first: int, blocks: int, device: str = "cpu") -> bytes:
    words = keystream(key, nonce, first, blocks, torch.device(device)).cpu().numpy()
    return words.astype("<i4").tobytes()


@pytest.mark.parametrize("device", DEVICES)
def test_the_vector_of_section_2_3_2(device: str) -> None:
    nonce = bytes.fromhex("000000090000004a00000000")
    assert stream(KEY, nonce, 1, 1, device) == bytes.fromhex(SECTION_2_3_2)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(("key", "nonce", "first", "expected"), A_1_VECTORS)
def test_the_vectors_of_appendix_a_1(key: bytes, nonce: bytes, first: int, expected: str, device: str) -> None:
    assert stream(key, nonce, first, 1, device).hex() == expected


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("first", [0, 1, 2**31 - 3, 2**31, 2**32 - 70])
def test_many_blocks_are_those_of_openssl(first: int, device: str) -> None:
    key, nonce = bytes(range(200, 232)), bytes(range(244, 256))
    cipher = Cipher(algorithms.ChaCha20(key, first.to_bytes(4, "little") + nonce), mode=None)
    assert stream(key, nonce, first, 70, device) == cipher.encryptor().update(bytes(70 * 64))


def test_the_counter_may_not_wrap_and_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="does not wrap"):
        stream(KEY, bytes(12), 2**32 - 1, 2)
    with pytest.raises(ValueError, match="32 bytes"):
        stream(KEY[1:], bytes(12), 0, 1)
    with pytest.raises(ValueError, match="nonce"):
        stream(KEY, bytes(8), 0, 1)
    assert stream(KEY, bytes(12), 0, 0) == b""


def test_each_draw_of_a_source_has_a_nonce_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[tuple[bytes, int]] = []

    def recorded(key: bytes, nonce: bytes, first: int, blocks: int, device: torch.device) -> torch.Tensor:
        used.append((nonce, first))
        return keystream(key, nonce, first, blocks, device)

    monkeypatch.setattr(accelerator, "keystream", recorded)
    source = DeviceSource(KEY, torch.device("cpu"))
    words = torch.cat([source.words(count) for count in (3, 8, 9, 1)])
    assert len(words) == 21
    assert len(set(used)) == len(used) == 4
    assert {first for _, first in used} == {0}
    assert len(np.unique(words.numpy())) == 21
