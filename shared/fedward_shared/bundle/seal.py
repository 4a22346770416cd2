"""`signature.json`: who vouches for an exported model, and how that is checked without any network.

The study key (which hospitals know by its fingerprint) signed the study and certified the round key; the round key,
which the coordinator holds, signed the list of files. So the fingerprint alone decides, wherever the folder came from.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_shared.bundle.listing import SEAL, decode_listing
from fedward_shared.crypto import round_key
from fedward_shared.crypto.keys import fingerprint, public_bytes
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import SignatureError, UsageError

__all__ = ["CLOCKS_DIFFER", "Seal", "check_seal", "decode_seal", "encode_seal", "read_fingerprint", "seal_listing"]

CLOCKS_DIFFER = 24 * 3600
"""By how many seconds the signer's clock may be ahead of ours."""

_FORMAT = 1
_FINGERPRINT_DIGITS = 32
_HEX = re.compile(r"(?:[0-9a-f]{2})*")


@dataclass(frozen=True, slots=True)
class Seal:
    """Who vouches, in hexadecimal digits.

    The study key's public half, its signature of the study, the round key's certificate (body and signature), and the
    round key's signature of the list of files.
    """

    study_key: str
    study_signature: str
    round_key_certificate: str
    round_key_signature: str
    signature: str
    format: int = _FORMAT


def seal_listing(
    listing: bytes,
    key: Ed25519PrivateKey,
    *,
    study_key: bytes,
    study_signature: bytes,
    certificate: tuple[bytes, bytes],
) -> Seal:
    """Signs the list of files with the round key.

    Raises:
        SignatureError: the round key's certificate is not valid when the list says that it is signed, or is for
            another key.
    """
    body, signature = certificate
    if round_key.check(study_key, body, signature, decode_listing(listing).signed) != public_bytes(key):
        raise SignatureError(
            "the round key is not the one in its certificate", hint="Renew it: fedward-coordinator renew"
        )
    made = sign(key, Purpose.MODEL, listing)
    return Seal(study_key.hex(), study_signature.hex(), body.hex(), signature.hex(), made.hex())


def check_seal(listing: bytes, seal: Seal, *, trusted: str, now: float) -> bytes:
    """The study key (32 raw bytes), if it vouches for the list of files.

    1. The key in the seal has the fingerprint that is `trusted`.
    2. The list says when it was signed, and that is not in the future.
    3. The study key certified the round key, and the certificate was valid at that time. (Who holds an old round key
       can claim an earlier time; whoever must rule that out compares the digest of manifest.json, too.)
    4. The round key signed these very bytes as a list of a model's files.

    Raises:
        SignatureError: one of the four does not hold.
    """
    known = read_fingerprint(trusted)
    study_key = bytes.fromhex(seal.study_key)
    if fingerprint(study_key) != known:  # 1
        raise SignatureError(
            f"this model was signed under another study key: {fingerprint(study_key)}",
            hint=f"Expected: {known}. Compare with the consortium by telephone, and do not use this model.",
        )
    signed = decode_listing(listing).signed
    if signed > now + CLOCKS_DIFFER:  # 2
        raise SignatureError("the model was signed in the future", hint="Check this machine's clock.")
    public = round_key.check(  # 3
        study_key, bytes.fromhex(seal.round_key_certificate), bytes.fromhex(seal.round_key_signature), signed
    )
    verify(public, Purpose.MODEL, listing, bytes.fromhex(seal.signature))  # 4
    return study_key


def encode_seal(seal: Seal) -> bytes:
    """The file's bytes."""
    return json.dumps(asdict(seal), indent=2).encode() + b"\n"


def decode_seal(content: bytes) -> Seal:
    """What `encode_seal` wrote.

    Raises:
        SignatureError: it is not of that form.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        seal = TypeAdapter(Seal).validate_json(content, strict=True, extra="forbid")
    except (ValidationError, ValueError) as error:
        raise SignatureError(f"{SEAL} is not of the expected form") from error
    if seal.format != _FORMAT:
        raise SignatureError(f"{SEAL} has format {seal.format}, and this version knows {_FORMAT}")
    told = (seal.study_key, seal.study_signature, seal.round_key_certificate, seal.round_key_signature, seal.signature)
    if not all(map(_HEX.fullmatch, told)):
        raise SignatureError(f"{SEAL} holds what are no hexadecimal digits")
    return seal


def read_fingerprint(text: str) -> str:
    """A fingerprint as people write it (blanks, colons, capitals do not matter), as `fingerprint` writes it.

    Raises:
        UsageError: it is none.
    """
    digits = "".join(text.split()).replace(":", "").lower()
    if len(digits) != _FINGERPRINT_DIGITS or not set(digits) <= set("0123456789abcdef"):
        raise UsageError(
            "a fingerprint has 32 hexadecimal digits, such as ab12 cd34 ...",
            hint="The one of the study key is in every invite, and `fedward-coordinator init` has shown it.",
        )
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
