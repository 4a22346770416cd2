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
from tests.support.enrolment import Consortium, Newcomer, found_consortium


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return found_consortium(tmp_path)


def test_an_honest_newcomer_is_certified(consortium: Consortium) -> None:
    newcomer = Newcomer()
    invite = consortium.invite()
    site, reply = consortium.desk.enrol(newcomer.request(invite).SerializeToString())
    assert site == "north"
    assert reply.study_key == invite.study_key
    certificates.check_issued(
        reply.certificate, invite.authority, newcomer.gateway.public_key(), "north", consortium.clock()
    )
    known = consortium.registry.site("north")
    assert known is not None
    assert known.vault_key == keys.public_bytes(newcomer.vault)


def test_the_clock_is_told(consortium: Consortium) -> None:
    assert consortium.desk.clock().milliseconds == consortium.clock() * 1000


def test_a_signing_request_of_another_key_is_refused(consortium: Consortium) -> None:
    """The vault signs what the gateway sends; a request exchanged on the way is noticed."""
    invite, newcomer, thief = consortium.invite(), Newcomer(), Newcomer()
    request = newcomer.request(invite)
    request.csr = certificates.csr(thief.gateway, "north")
    with pytest.raises(SignatureError, match="enrolment signature"):
        consortium.enrol(request)


def test_a_signing_request_that_its_key_did_not_sign_is_refused(consortium: Consortium) -> None:
    invite, newcomer = consortium.invite(), Newcomer()
    csr = certificates.csr(newcomer.gateway, "north")
    with pytest.raises(SignatureError, match="signing request"):
        consortium.enrol(newcomer.request(invite, csr=csr[:-1] + bytes([csr[-1] ^ 1])))


def test_a_vault_key_that_did_not_sign_is_refused(consortium: Consortium) -> None:
    request = Newcomer().request(consortium.invite())
    request.vault_key = keys.public_bytes(keys.new_signing_key())
    with pytest.raises(SignatureError, match="enrolment signature"):
        consortium.enrol(request)


@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.ENROLMENT])
def test_no_other_signature_of_the_vault_serves(consortium: Consortium, purpose: Purpose) -> None:
    invite, newcomer = consortium.invite(), Newcomer()
    request = newcomer.request(invite)
    body = enrolment_body(invite.token_digest, hashlib.sha256(request.csr).digest(), "north")
    request.vault_signature = sign(newcomer.vault, purpose, body)
    with pytest.raises(SignatureError, match="enrolment signature"):
        consortium.enrol(request)


def test_the_signature_is_bound_to_the_name(consortium: Consortium) -> None:
    invite, newcomer = consortium.invite(), Newcomer()
    request = newcomer.request(invite)
    request.site = "south"
    with pytest.raises(SignatureError, match="enrolment signature"):
        consortium.enrol(request)


def test_another_name_than_the_invites_is_refused(consortium: Consortium) -> None:
    invite = consortium.invite("north")
    consortium.invite("south")
    with pytest.raises(RefusedError, match="not valid"):
        consortium.enrol(Newcomer().request(invite, site="south"))


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
def test_a_field_of_the_wrong_form_is_refused(consortium: Consortium, field: str, value: str | bytes) -> None:
    request = Newcomer().request(consortium.invite())
    setattr(request, field, value)
    with pytest.raises(WireError, match="form"):
        consortium.enrol(request)


@pytest.mark.parametrize("body", [b"", b"\xff" * 10, b"\x0a\xff\xff\xff\x7f", bytes(MAX_REQUEST_BYTES + 1)])
def test_bytes_that_are_no_request_are_refused(consortium: Consortium, body: bytes) -> None:
    with pytest.raises(WireError):
        consortium.desk.enrol(body)


def test_no_refused_request_uses_the_invite_up(consortium: Consortium) -> None:
    invite, newcomer = consortium.invite(), Newcomer()
    spoilt = newcomer.request(invite)
    spoilt.vault_signature = bytes(64)
    for request in (spoilt, Newcomer().request(invite, site="south"), EnrolRequest()):
        with pytest.raises((WireError, RefusedError)):
            consortium.enrol(request)
    assert consortium.registry.sites() == []
    assert certificates.site_of(consortium.enrol(newcomer.request(invite))) == "north"


def test_a_renewed_site_keeps_its_vault(consortium: Consortium) -> None:
    newcomer = Newcomer()
    former = consortium.enrol(newcomer.request(consortium.invite()))
    again = consortium.invite(kind=InviteKind.RENEW)
    with pytest.raises(RefusedError):
        consortium.enrol(Newcomer().request(again))
    present = consortium.enrol(Newcomer(vault=newcomer.vault).request(again))
    assert not consortium.registry.is_admitted("north", certificates.serial(former))
    assert consortium.registry.is_admitted("north", certificates.serial(present))
