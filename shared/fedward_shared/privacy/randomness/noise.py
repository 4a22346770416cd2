"""Randomness for noise and sampling: a keystream, fresh from the operating system for each message.

Source: NIST SP 800-38A (AES-256-CTR), RFC 5869 (HKDF), RFC 8439 (ChaCha20, on accelerators). The secret mixes 32 bytes
of the operating system with the digest of the instruction, so that a restored snapshot of the machine does not repeat
noise for another instruction, and never seeds from a clock. From the secret, HKDF expands one key for each device.
Opacus' `secure_mode` needs a package that cannot be installed.

What becomes of the bits: `gaussian` (and its limits), `discrete`, `sampling`. What is released: `mechanism`.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from fedward_shared.errors import FedwardError
from fedward_shared.privacy.randomness.gaussian import PORTION, BoxMuller

if TYPE_CHECKING:
    import torch

    from fedward_shared.privacy.randomness.accelerator import DeviceSource

__all__ = ["KeystreamSource", "RandomSource", "refuse_fork"]

_KEY_BYTES = 32
_UNIT = 2.0**-53
_ZEROS = memoryview(bytes(8 * PORTION))
_Doubles = NDArray[np.float64]
_Words = NDArray[np.uint64]


class RandomSource(Protocol):
    """Where a training step takes all its randomness from."""

    def words(self, count: int) -> _Words:
        """`count` independent words of 64 uniform bits."""
        ...

    def uniform(self, count: int) -> _Doubles:
        """`count` independent numbers in [0, 1), multiples of 2⁻⁵³."""
        ...

    def gaussian(self, count: int) -> _Doubles:
        """`count` independent standard normal numbers."""
        ...

    def on(self, device: torch.device) -> DeviceSource:
        """A stream of its own, independent of this one, that is drawn on an accelerator."""
        ...


class KeystreamSource:
    """A cryptographic RandomSource for one message. Bound to the process that made it; not for two threads at once."""

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_BYTES:
            raise ValueError("a keystream needs a secret of 32 bytes")
        self._secret = secret
        key = _expand(secret, b"fedward/keystream/aes-256-ctr/v1")
        self._stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        self._process = os.getpid()
        self._transform: BoxMuller | None = None
        self._scratch: _Words = np.empty(0, dtype="<u8")
        self._devices: dict[str, DeviceSource] = {}

    @classmethod
    def fresh(cls, digest: bytes) -> Self:
        """Randomness for the instruction with this digest: new every time, whatever the digest."""
        return cls(_expand(os.urandom(_KEY_BYTES), b"fedward/noise/v1\0" + digest))

    @classmethod
    def unsafe_seeded(cls, seed: int, digest: bytes) -> Self:
        """The same numbers for the same seed and digest: for simulations and tests, which protect nobody."""
        return cls(_expand(seed.to_bytes(16, "big", signed=True), b"fedward/unsafe-seeded/v1\0" + digest))

    def words(self, count: int) -> _Words:
        """`count` independent words of 64 uniform bits: the next 8·count bytes of the keystream."""
        words = np.empty(count, dtype="<u8")
        self._fill(words)
        return words

    def uniform(self, count: int) -> _Doubles:
        """`count` independent numbers in [0, 1), multiples of 2⁻⁵³."""
        words = self.words(count)
        np.right_shift(words, np.uint64(11), out=words)
        return np.multiply(words.view(np.int64), _UNIT)

    def gaussian(self, count: int) -> _Doubles:
        """`count` independent standard normal numbers; see `gaussian` for their tail and resolution."""
        if self._transform is None:
            self._transform = BoxMuller()
            self._scratch = np.empty(PORTION, dtype="<u8")
        values = np.empty(count + count % 2)
        for start in range(0, len(values), PORTION):
            part = values[start : start + PORTION]
            words = self._scratch[: len(part)]
            self._fill(words)
            self._transform(words, part)
        return values[:count]

    def on(self, device: torch.device) -> DeviceSource:
        """A stream of its own, independent of this one, that is drawn on an accelerator: one for each device."""
        from fedward_shared.privacy.randomness.accelerator import DeviceSource

        refuse_fork(self._process)
        name = str(device)
        if name not in self._devices:
            key = _expand(self._secret, b"fedward/keystream/chacha20/v1\0" + name.encode())
            self._devices[name] = DeviceSource(key, device)
        return self._devices[name]

    def _fill(self, words: _Words) -> None:
        refuse_fork(self._process)
        if not len(words):
            return
        target = words.data.cast("B")
        for start in range(0, len(target), len(_ZEROS)):
            part = target[start : start + len(_ZEROS)]
            self._stream.update_into(_ZEROS[: len(part)], part)


def refuse_fork(process: int) -> None:
    """Raises FedwardError where this process is not `process`."""
    if os.getpid() != process:
        raise FedwardError(
            "a source of noise was used in another process than the one that made it",
            hint="A fork would repeat noise, and repeated noise cancels. Make a fresh source in each process.",
        )


def _expand(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(secret)
