"""A parcel: one signed message, head and payload, as it travels through the link and the door.

The seal's body is ``SHA-256(head) + SHA-256(payload)``: hashing overlaps sending and receiving, and the bytes
that arrived are the bytes that are verified. The digest of a message is the SHA-256 of the seal's body.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import SignatureError

__all__ = ["INLINE_BYTES", "SEAL_BYTES", "Parcel", "Refused", "seal"]

INLINE_BYTES = 64 * 1024
"""A payload up to this size travels inside its opening."""
SEAL_BYTES = 64


@dataclass(frozen=True, slots=True)
class Parcel:
    """One message. `parts` are views of the payload, in order; they keep the memory that they show alive."""

    head: bytes
    parts: Sequence[memoryview]
    payload_bytes: int
    seal: bytes
    signature: bytes

    @property
    def digest(self) -> bytes:
        """What names this message (32 bytes)."""
        return hashlib.sha256(self.seal).digest()

    @property
    def payload(self) -> memoryview:
        """The payload in one piece; copies only where it came in several."""
        if len(self.parts) == 1:
            return self.parts[0]
        return memoryview(b"".join(self.parts))

    def verify(self, public_key: bytes, purpose: Purpose) -> None:
        """Checks seal against head, and signature against seal.

        The payload's half of the seal is checked by whoever assembled or loaded the payload (`wire.frames`,
        the stores), because only there can hashing overlap with input.

        Raises:
            SignatureError: either does not hold.
        """
        if len(self.seal) != SEAL_BYTES or self.seal[:32] != hashlib.sha256(self.head).digest():
            raise SignatureError("the seal is not that of this message's head")
        verify(public_key, purpose, self.seal, self.signature)


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal, signed by the vault over instruction digest and code (unsigned where the gateway refused)."""

    code: RefusalCode
    signature: bytes = b""


def seal(key: Ed25519PrivateKey, purpose: Purpose, head: bytes, parts: Sequence[memoryview]) -> Parcel:
    """Hashes and signs a message of our own."""
    hasher = hashlib.sha256()
    for part in parts:
        hasher.update(part)
    body = hashlib.sha256(head).digest() + hasher.digest()
    size = sum(part.nbytes for part in parts)
    return Parcel(head, tuple(parts), size, body, sign(key, purpose, body))
