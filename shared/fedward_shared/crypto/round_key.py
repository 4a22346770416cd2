"""The round key's certificate: the study key (perhaps offline) says which key signs instructions, and until when.

The body is a serialized `RoundKeyCertificate` (door.proto); the bytes received are the bytes verified and kept.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from google.protobuf.message import DecodeError

from fedward_shared.crypto.keys import PUBLIC_KEY_BYTES
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import SignatureError
from fedward_shared.wire import door_pb2

__all__ = ["MAX_CERTIFICATE_BYTES", "VALIDITY_SECONDS", "certify", "check", "expiry"]

VALIDITY_SECONDS = 90 * 24 * 3600
MAX_CERTIFICATE_BYTES = 128


def certify(study_key: Ed25519PrivateKey, public: bytes, not_before: int, not_after: int) -> tuple[bytes, bytes]:
    """Body and signature of a certificate for the round key `public` (32 raw bytes).

    Times are seconds since 1970 (UTC), both inclusive.

    Raises:
        SignatureError: the key has the wrong length or the times are in the wrong order.
    """
    if len(public) != PUBLIC_KEY_BYTES or not 0 < not_before < not_after:
        raise SignatureError("a round key needs 32 bytes and a validity that begins before it ends")
    certificate = door_pb2.RoundKeyCertificate(public_key=public, not_before=not_before, not_after=not_after)
    body = certificate.SerializeToString(deterministic=True)
    return body, sign(study_key, Purpose.ROUND_KEY, body)


def check(study_public: bytes, body: bytes, signature: bytes, now: float) -> bytes:
    """The round key's 32 raw bytes, if the study key vouches for it at `now` (seconds since 1970).

    1. The body is no larger than a certificate can be.
    2. The study key signed these very bytes, for this purpose.
    3. They are a certificate of a 32-byte key.
    4. `now` is within its validity.

    Raises:
        SignatureError: one of the four does not hold.
    """
    if len(body) > MAX_CERTIFICATE_BYTES:  # 1
        raise SignatureError("the round key's certificate is larger than one can be")
    verify(study_public, Purpose.ROUND_KEY, body, signature)  # 2
    certificate = door_pb2.RoundKeyCertificate()
    try:
        certificate.ParseFromString(body)
    except DecodeError as error:
        raise SignatureError("the round key's certificate cannot be read") from error
    if len(certificate.public_key) != PUBLIC_KEY_BYTES:  # 3
        raise SignatureError("the round key's certificate does not hold an Ed25519 key")
    if not certificate.not_before <= now <= certificate.not_after:  # 4
        raise SignatureError(
            "the round key's certificate is not valid today",
            hint="Check this machine's clock; if it is right, the coordinator must renew the key.",
        )
    return certificate.public_key


def expiry(body: bytes) -> int:
    """When a certificate of our own ends (seconds since 1970, UTC); to remind people, not to decide anything."""
    certificate = door_pb2.RoundKeyCertificate()
    try:
        certificate.ParseFromString(body)
    except DecodeError as error:
        raise SignatureError("the round key's certificate cannot be read") from error
    return certificate.not_after
