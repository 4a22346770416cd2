"""Keys: made, stored, named; one kind is never taken for another."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from fedward_shared.crypto import keys
from fedward_shared.errors import SignatureError

ED25519 = keys.new_signing_key()
P256 = keys.new_tls_key()


def pem_of(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b""
) -> bytes:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, lock)


def test_a_signing_key_survives_its_file() -> None:
    assert keys.public_bytes(keys.from_pem(keys.to_pem(ED25519))) == keys.public_bytes(ED25519)


def test_a_tls_key_survives_its_file() -> None:
    assert keys.tls_key_from_pem(keys.to_pem(P256)).public_key() == P256.public_key()


def test_a_public_key_survives_its_file() -> None:
    public = keys.public_bytes(ED25519)
    assert len(public) == keys.PUBLIC_KEY_BYTES
    assert keys.public_from_pem(keys.public_to_pem(public)) == public


def test_a_fingerprint_is_the_first_half_of_sha_256_in_groups() -> None:
    digits = hashlib.sha256(b"key").hexdigest()[:32]
    shown = keys.fingerprint(b"key")
    assert shown.replace(" ", "") == digits
    assert [len(group) for group in shown.split()] == [4] * 8


@pytest.mark.parametrize(
    "pem",
    [b"", b"no key", keys.to_pem(P256), pem_of(ED25519, b"secret"), keys.public_to_pem(keys.public_bytes(ED25519))],
    ids=["empty", "text", "a TLS key", "encrypted", "public"],
)
def test_what_is_no_signing_key_is_refused(pem: bytes) -> None:
    with pytest.raises(SignatureError):
        keys.from_pem(pem)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        keys.to_pem(ED25519),
        pem_of(ec.generate_private_key(ec.SECP384R1())),
        pem_of(rsa.generate_private_key(65537, 2048)),
    ],
    ids=["empty", "a signing key", "another curve", "RSA"],
)
def test_what_is_no_tls_key_is_refused(pem: bytes) -> None:
    with pytest.raises(SignatureError):
        keys.tls_key_from_pem(pem)


@pytest.mark.parametrize("pem", [b"", keys.to_pem(ED25519)], ids=["empty", "a private key"])
def test_what_is_no_public_key_is_refused(pem: bytes) -> None:
    with pytest.raises(SignatureError):
        keys.public_from_pem(pem)
