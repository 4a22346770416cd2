"""Making, storing and naming keys. A private key is made where it is used and never travels.

Ed25519 (RFC 8032) signs what people and processes say; ECDSA on P-256 serves TLS only, where every stack has it.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from fedward_shared.errors import SignatureError

__all__ = [
    "PUBLIC_KEY_BYTES",
    "fingerprint",
    "from_pem",
    "new_signing_key",
    "new_tls_key",
    "public_bytes",
    "public_from_pem",
    "public_to_pem",
    "tls_key_from_pem",
    "to_pem",
]

PUBLIC_KEY_BYTES = 32
_FINGERPRINT_BYTES = 16
_GROUP = 4


def new_signing_key() -> Ed25519PrivateKey:
    """A fresh Ed25519 key from the operating system's randomness."""
    return Ed25519PrivateKey.generate()


def new_tls_key() -> ec.EllipticCurvePrivateKey:
    """A fresh ECDSA key on P-256, for TLS only."""
    return ec.generate_private_key(ec.SECP256R1())


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    """The 32 raw bytes of the public key."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


def fingerprint(public: bytes) -> str:
    """What two people compare by telephone: 128 bits of SHA-256 as eight groups, `ab12 cd34 …`.

    128 bits withstand a search for a second key with the same fingerprint, which is what an impostor needs;
    `public` is a raw public key or a certificate in DER.
    """
    digits = hashlib.sha256(public).digest()[:_FINGERPRINT_BYTES].hex()
    return " ".join(digits[start : start + _GROUP] for start in range(0, len(digits), _GROUP))


def to_pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    """The private key as PKCS #8 PEM, unencrypted: the file's mode (0600) protects it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def from_pem(pem: bytes) -> Ed25519PrivateKey:
    """The Ed25519 key in a PKCS #8 PEM.

    Raises:
        SignatureError: it is no key, an encrypted one, or one of another kind.
    """
    key = _load(pem)
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError("the key file does not hold an Ed25519 key")
    return key


def tls_key_from_pem(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """The P-256 key in a PKCS #8 PEM.

    Raises:
        SignatureError: it is no key, an encrypted one, or one of another kind.
    """
    key = _load(pem)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError("the key file does not hold an ECDSA key on P-256")
    return key


def public_to_pem(public: bytes) -> bytes:
    """A raw Ed25519 public key (32 bytes) as SubjectPublicKeyInfo PEM, which every tool can show."""
    key = Ed25519PublicKey.from_public_bytes(public)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def public_from_pem(pem: bytes) -> bytes:
    """The 32 raw bytes of the Ed25519 public key in a PEM.

    Raises:
        SignatureError: it is no Ed25519 public key.
    """
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("the file does not hold a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError("the file does not hold an Ed25519 public key")
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _load(pem: bytes) -> object:
    try:
        return load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SignatureError("the key file does not hold a readable private key") from error
