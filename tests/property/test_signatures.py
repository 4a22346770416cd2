"""Signatures hold for one key, one purpose and one body, and for nothing else."""

import os

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedward_shared.crypto.keys import public_bytes
from fedward_shared.crypto.signing import SIGNATURE_BYTES, Purpose, sign, verify
from fedward_shared.errors import SignatureError

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
KEYS = st.binary(min_size=32, max_size=32).map(Ed25519PrivateKey.from_private_bytes)
PURPOSES = st.sampled_from(Purpose)
BODIES = st.binary(max_size=200)


@settings(max_examples=EXAMPLES)
@given(KEYS, PURPOSES, BODIES)
def test_what_was_signed_verifies(key: Ed25519PrivateKey, purpose: Purpose, body: bytes) -> None:
    verify(public_bytes(key), purpose, body, sign(key, purpose, body))


@settings(max_examples=EXAMPLES)
@given(KEYS, PURPOSES, PURPOSES, BODIES)
def test_a_signature_for_one_purpose_is_refused_for_another(
    key: Ed25519PrivateKey, made: Purpose, asked: Purpose, body: bytes
) -> None:
    assume(made is not asked)
    with pytest.raises(SignatureError):
        verify(public_bytes(key), asked, body, sign(key, made, body))


@settings(max_examples=EXAMPLES)
@given(KEYS, PURPOSES, PURPOSES, BODIES, BODIES)
def test_no_body_lets_one_purpose_pass_for_another(
    key: Ed25519PrivateKey, made: Purpose, asked: Purpose, body: bytes, other: bytes
) -> None:
    """The purpose ends with a zero byte, so no body continues one purpose into another, or into another body."""
    assume((made, body) != (asked, other))
    with pytest.raises(SignatureError):
        verify(public_bytes(key), asked, other, sign(key, made, body))


@settings(max_examples=EXAMPLES)
@given(KEYS, KEYS, PURPOSES, BODIES)
def test_another_key_is_refused(
    key: Ed25519PrivateKey, other: Ed25519PrivateKey, purpose: Purpose, body: bytes
) -> None:
    assume(public_bytes(key) != public_bytes(other))
    with pytest.raises(SignatureError):
        verify(public_bytes(other), purpose, body, sign(key, purpose, body))


@settings(max_examples=EXAMPLES)
@given(KEYS, PURPOSES, BODIES, st.integers(0, SIGNATURE_BYTES * 8 - 1))
def test_one_flipped_bit_is_refused(key: Ed25519PrivateKey, purpose: Purpose, body: bytes, bit: int) -> None:
    signature = bytearray(sign(key, purpose, body))
    signature[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SignatureError):
        verify(public_bytes(key), purpose, body, bytes(signature))


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=70), PURPOSES, BODIES, st.binary(max_size=70))
def test_bytes_that_are_no_key_or_no_signature_are_refused(
    public: bytes, purpose: Purpose, body: bytes, signature: bytes
) -> None:
    with pytest.raises(SignatureError):
        verify(public, purpose, body, signature)
