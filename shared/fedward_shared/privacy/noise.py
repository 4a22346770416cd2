"""Randomness for noise and sampling: an AES-256-CTR keystream, fresh from the operating system for each message.

Source: NIST SP 800-38A (CTR), RFC 5869 (HKDF), Box and Muller 1958. The key mixes 32 bytes of the operating system
with the digest of the instruction, so that a restored snapshot of the machine does not repeat noise for another
instruction, and never seeds from a clock. Opacus' `secure_mode` needs a package that cannot be installed.

Limits, stated plainly: noise is drawn in float64 with 53-bit uniforms, so its tail ends at 8.5 standard deviations
(mass below 2e-17), and it is not a discrete Gaussian: attacks on the last bits of floats (Mironov 2012) are met by
adding it in float64 and releasing float32, not by proof.
"""

from __future__ import annotations

import os
from typing import Protocol, Self

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray

from fedward_shared.errors import FedwardError

__all__ = ["KeystreamSource", "RandomSource"]

_KEY_BYTES = 32
_CHUNK = 1 << 18
_UNIT = 2.0**-53
_Doubles = NDArray[np.float64]


class RandomSource(Protocol):
    """Where a training step takes all its randomness from."""

    def uniform(self, count: int) -> _Doubles:
        """`count` independent numbers in [0, 1), multiples of 2⁻⁵³."""
        ...

    def gaussian(self, count: int) -> _Doubles:
        """`count` independent standard normal numbers."""
        ...


class KeystreamSource:
    """A cryptographic RandomSource for one message. Bound to the process that made it."""

    def __init__(self, key: bytes) -> None:
        if len(key) != _KEY_BYTES:
            raise ValueError("a keystream needs a key of 32 bytes")
        self._stream = Cipher(algorithms.AES256(key), modes.CTR(bytes(16))).encryptor()
        self._process = os.getpid()

    @classmethod
    def fresh(cls, digest: bytes) -> Self:
        """Randomness for the instruction with this digest: new every time, whatever the digest."""
        return cls(_expand(os.urandom(_KEY_BYTES), b"fedward/noise/v1\0" + digest))

    @classmethod
    def unsafe_seeded(cls, seed: int, digest: bytes) -> Self:
        """The same numbers for the same seed and digest: for simulations and tests, which protect nobody."""
        return cls(_expand(seed.to_bytes(16, "big", signed=True), b"fedward/unsafe-seeded/v1\0" + digest))

    def uniform(self, count: int) -> _Doubles:
        """`count` independent numbers in [0, 1), multiples of 2⁻⁵³."""
        return self._integers(count) * _UNIT

    def gaussian(self, count: int) -> _Doubles:
        """`count` independent standard normal numbers, by Box and Muller's transform of pairs of uniforms."""
        values = np.empty(count + count % 2)
        for start in range(0, len(values), _CHUNK):
            part = values[start : start + _CHUNK]
            half = len(part) // 2
            radius = (self._integers(half) + 1.0) * _UNIT
            np.log(radius, out=radius)
            np.sqrt(np.multiply(radius, -2.0, out=radius), out=radius)
            angle = self._integers(half) * (2.0 * np.pi * _UNIT)
            np.multiply(radius, np.cos(angle), out=part[:half])
            np.multiply(radius, np.sin(angle), out=part[half:])
        return values[:count]

    def _integers(self, count: int) -> _Doubles:
        """`count` uniform integers below 2⁵³, as exact float64."""
        if os.getpid() != self._process:
            raise FedwardError(
                "a source of noise was used in another process than the one that made it",
                hint="A fork would repeat noise, and repeated noise cancels. Make a fresh source in each process.",
            )
        bits = np.frombuffer(self._stream.update(bytes(8 * count)), dtype="<u8")
        return (bits >> np.uint64(11)).astype(np.float64)


def _expand(secret: bytes, info: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(secret)
