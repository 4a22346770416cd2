r"""Ed25519 signatures (RFC 8032) with domain separation, over bytes that are kept and never re-serialised.

A signature of type T covers ``"fedward/" + T + "/v1\0" + body``, so one made for one purpose is worth nothing
for another.
"""

from __future__ import annotations

from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from fedward_shared.errors import SignatureError

__all__ = ["SIGNATURE_BYTES", "Purpose", "sign", "verify"]

SIGNATURE_BYTES = 64
_KEY_BYTES = 32


class Purpose(StrEnum):
    """What a signature is for. The value is part of what is signed."""

    STUDY = "study"
    ROUND_KEY = "round-key"
    INSTRUCTION = "instruction"
    REPLY = "reply"
    REFUSAL = "refusal"
    ENROLMENT = "enrolment"
    APPROVAL = "approval"
    JOURNAL = "journal"
    MODEL = "model"


def sign(key: Ed25519PrivateKey, purpose: Purpose, body: bytes) -> bytes:
    """The 64-byte signature of `body` for `purpose`."""
    return key.sign(_message(purpose, body))


def verify(public_key: bytes, purpose: Purpose, body: bytes, signature: bytes) -> None:
    """Checks a signature by the Ed25519 key whose 32 raw bytes are given.

    Raises:
        SignatureError: it does not hold, or key or signature have the wrong length.
    """
    if len(public_key) != _KEY_BYTES or len(signature) != SIGNATURE_BYTES:
        raise SignatureError(f"the {purpose} signature or its key has the wrong length")
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, _message(purpose, body))
    except (InvalidSignature, ValueError) as error:
        raise SignatureError(
            f"the {purpose} signature does not hold",
            hint="Compare the key fingerprints on both sides by telephone before going on.",
        ) from error


def _message(purpose: Purpose, body: bytes) -> bytes:
    return b"fedward/" + purpose.encode() + b"/v1\0" + body
