"""The enrolment desk: one honest way in, and a named refusal for each dishonest one."""

import hashlib
from pathlib import Path

import pytest

from fedward_server.enrolment.desk import MAX_REQUEST_BYTES
from fedward_server.registry import InviteKind
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.invite import enrolment_body
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import RefusedError, SignatureError, WireError
from fedward_shared.wire.enrolment_pb2 import EnrolRequest
from tests.federation import Federation, Newcomer, found_federation


@pytest.fixture
def federation(tmp_path: Path) -> Federation:
    return found_federation(tmp_path)


def test_an_honest_newcomer_is_certified(federation: Federation) -> None:
    newcomer = Newcomer()
    invite = federation.invite()
    site, reply = federation.desk.enrol(newcomer.request(invite).SerializeToString())
    assert site == "north"
    assert reply.study_key == invite.study_key
    certificates.check_issued(
        reply.certificate, invite.authority, newcomer.gateway.public_key(), "north", federation.clock()
    )
    known = federation.registry.site("north")
    assert known is not None
    assert known.vault_key == keys.public_bytes(newcomer.vault)


def test_the_clock_is_told(federation: Federation) -> None:
    assert federation.desk.clock().milliseconds == federation.clock() * 1000


def test_a_signing_request_of_another_key_is_refused(federation: Federation) -> None:
    """The vault signs what the gateway sends; a request exchanged on the way is noticed."""
    invite, newcomer, thief = federation.invite(), Newcomer(), Newcomer()
    request = newcomer.request(invite)
    request.csr = certificates.csr(thief.gateway, "north")
    with pytest.raises(SignatureError, match="enrolment signature"):
        federation.enrol(request)


def test_a_signing_request_that_its_key_did_not_sign_is_refused(federation: Federation) -> None:
    invite, newcomer = federation.invite(), Newcomer()
    csr = certificates.csr(newcomer.gateway, "north")
    with pytest.raises(SignatureError, match="signing request"):
        federation.enrol(newcomer.request(invite, csr=csr[:-1] + bytes([csr[-1] ^ 1])))


def test_a_vault_key_that_did_not_sign_is_refused(federation: Federation) -> None:
    request = Newcomer().request(federation.invite())
    request.vault_key = keys.public_bytes(keys.new_signing_key())
    with pytest.raises(SignatureError, match="enrolment signature"):
        federation.enrol(request)


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.ENROLMENT])
def test_no_other_signature_of_the_vault_serves(federation: Federation, purpose: Purpose) -> None:
    invite, newcomer = federation.invite(), Newcomer()
    request = newcomer.request(invite)
    body = enrolment_body(invite.token_digest, hashlib.sha256(request.csr).digest(), "north")
    request.vault_signature = sign(newcomer.vault, purpose, body)
    with pytest.raises(SignatureError, match="enrolment signature"):
        federation.enrol(request)


def test_the_signature_is_bound_to_the_name(federation: Federation) -> None:
    invite, newcomer = federation.invite(), Newcomer()
    request = newcomer.request(invite)
    request.site = "south"
    with pytest.raises(SignatureError, match="enrolment signature"):
        federation.enrol(request)


def test_another_name_than_the_invites_is_refused(federation: Federation) -> None:
    invite = federation.invite("north")
    federation.invite("south")
    with pytest.raises(RefusedError, match="not valid"):
        federation.enrol(Newcomer().request(invite, site="south"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("site", ""),
        ("site", "North"),
        ("site", "a" * 64),
        ("site", "../etc"),
        ("token", b""),
        ("token", b"t" * 31),
        ("token", b"t" * 33),
        ("csr", b""),
        ("csr", bytes(certificates.MAX_CSR_BYTES + 1)),
        ("vault_key", b"k" * 31),
        ("vault_key", b""),
        ("vault_signature", b"s" * 65),
        ("vault_signature", b""),
    ],
)
def test_a_field_of_the_wrong_form_is_refused(federation: Federation, field: str, value: str | bytes) -> None:
    request = Newcomer().request(federation.invite())
    setattr(request, field, value)
    with pytest.raises(WireError, match="form"):
        federation.enrol(request)


@pytest.mark.parametrize("body", [b"", b"\xff" * 10, b"\x0a\xff\xff\xff\x7f", bytes(MAX_REQUEST_BYTES + 1)])
def test_bytes_that_are_no_request_are_refused(federation: Federation, body: bytes) -> None:
    with pytest.raises(WireError):
        federation.desk.enrol(body)


def test_no_refused_request_uses_the_invite_up(federation: Federation) -> None:
    invite, newcomer = federation.invite(), Newcomer()
    spoilt = newcomer.request(invite)
    spoilt.vault_signature = bytes(64)
    for request in (spoilt, Newcomer().request(invite, site="south"), EnrolRequest()):
        with pytest.raises((WireError, RefusedError)):
            federation.enrol(request)
    assert federation.registry.sites() == []
    assert certificates.site_of(federation.enrol(newcomer.request(invite))) == "north"


def test_a_renewed_site_keeps_its_vault(federation: Federation) -> None:
    newcomer = Newcomer()
    former = federation.enrol(newcomer.request(federation.invite()))
    again = federation.invite(kind=InviteKind.RENEW)
    with pytest.raises(RefusedError):
        federation.enrol(Newcomer().request(again))
    present = federation.enrol(Newcomer(vault=newcomer.vault).request(again))
    assert not federation.registry.is_admitted("north", certificates.serial(former))
    assert federation.registry.is_admitted("north", certificates.serial(present))
