"""Over a real connection: whoever asks to enrol without the right to gets nothing, and learns nothing.

Threats: a guessed, stolen, used or expired token; an invite whose keys were exchanged; an impostor in front of the
coordinator; floods; old TLS; somebody whose certificate was revoked.
"""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Any, cast

import grpc
import pytest

from fedward_client.enrolment.coordinator import Coordinator
from fedward_client.enrolment.joining import join
from fedward_client.home import SiteHome
from fedward_server.enrolment import EnrolmentService, RateLimit
from fedward_server.enrolment import service as service_module
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.invite import Invite
from fedward_shared.errors import FedwardError, LinkError, RefusedError, SignatureError, UsageError, WireError
from fedward_shared.wire.enrolment_pb2 import EnrolReply, EnrolRequest
from tests.support.enrolment import Consortium, Newcomer, found_consortium

pytestmark = pytest.mark.processes
GENEROUS = RateLimit(burst=1000, per_minute=1000)


@pytest.fixture
def consortium(tmp_path: Path) -> Consortium:
    return found_consortium(tmp_path)


@pytest.fixture
def service(consortium: Consortium) -> Iterator[EnrolmentService]:
    service = consortium.serve(limit=GENEROUS)
    yield service
    service.close()


def ask(invite: Invite, request: EnrolRequest) -> EnrolReply:
    return Coordinator(invite.host, invite.enrolment_port, invite.authority).enrol(request)


def test_tokens_are_not_told_apart(consortium: Consortium, service: EnrolmentService) -> None:
    """A wrong token, another site's, a used one and an expired one get one and the same answer."""
    north, south = consortium.invite("north"), consortium.invite("south")
    ask(north, Newcomer().request(north))
    expired = consortium.invite("west", hours=1)
    consortium.clock.now += 7200
    wrong = replace(south, token=b"x" * 32)
    told = set()
    for invite, site in ((wrong, "south"), (south, "east"), (north, "north"), (expired, "west"), (south, "north")):
        with pytest.raises(RefusedError) as refusal:
            ask(invite, Newcomer().request(invite, site=site))
        told.add(refusal.value.message)
    assert len(told) == 1
    assert [site.name for site in consortium.registry.sites()] == ["north"]


def test_a_token_that_was_copied_enrols_one_of_many_at_once(consortium: Consortium, service: EnrolmentService) -> None:
    invite = consortium.invite()

    def attempt(_: int) -> bytes:
        try:
            return ask(invite, Newcomer().request(invite)).certificate
        except RefusedError:
            return b""

    with ThreadPoolExecutor(6) as pool:
        certified = [certificate for certificate in pool.map(attempt, range(6)) if certificate]
    assert len(certified) == 1
    assert consortium.registry.is_admitted("north", certificates.serial(certified[0]))


def test_a_thief_who_heard_a_request_gains_a_certificate_without_its_key(
    consortium: Consortium, service: EnrolmentService
) -> None:
    """Sent again by somebody else, a request gets the same certificate, which the gateway's key alone can use."""
    invite, newcomer = consortium.invite(), Newcomer()
    request = newcomer.request(invite)
    first = ask(invite, request).certificate
    assert ask(invite, request).certificate == first
    assert certificates.public_key(first) == newcomer.gateway.public_key()


@pytest.mark.parametrize("size", [4097, 20_000, 2_000_000])
def test_an_oversized_request_is_refused(consortium: Consortium, service: EnrolmentService, size: int) -> None:
    invite = consortium.invite()
    request = Newcomer().request(invite)
    request.csr = bytes(size)
    with pytest.raises(FedwardError):
        ask(invite, request)
    assert consortium.registry.sites() == []


def test_a_malformed_request_is_refused_without_a_trace(consortium: Consortium, service: EnrolmentService) -> None:
    invite = consortium.invite()
    with pytest.raises(WireError) as refusal:
        ask(invite, EnrolRequest(site="north"))
    assert "Traceback" not in refusal.value.diagnostics()


def test_an_impostor_in_front_of_the_coordinator_is_not_believed(consortium: Consortium, tmp_path: Path) -> None:
    """It has the host and the port, and an authority of its own."""
    impostor = found_consortium(tmp_path / "impostor")
    invite = consortium.invite()
    service = impostor.serve()
    try:
        with pytest.raises(SignatureError, match="not the coordinator of the invite"):
            ask(replace(invite, enrolment_port=service.port), Newcomer().request(invite))
    finally:
        service.close()


def test_an_invite_with_another_authority_joins_nothing(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    other = certificates.make_ca("Testverbund", datetime.now(UTC)).certificate
    home = SiteHome(tmp_path / "site")
    with pytest.raises(SignatureError):
        join(home, replace(consortium.invite(), authority=certificates.to_der(other)))
    assert not home.site_toml.exists()
    assert consortium.registry.sites() == []


def test_an_invite_with_another_study_key_joins_nothing(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    """Somebody on the way exchanged the one key that the vault will trust; the coordinator's answer gives it away."""
    home = SiteHome(tmp_path / "site")
    forged = replace(consortium.invite(), study_key=keys.public_bytes(keys.new_signing_key()))
    with pytest.raises(SignatureError, match="another study key"):
        join(home, forged)
    assert not home.site_toml.exists()


def test_a_certificate_for_somebody_elses_key_is_not_taken(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invite = consortium.invite()
    stranger = certificates.issue_site(
        consortium.home.authority(), certificates.csr(keys.new_tls_key(), "north"), "north", datetime.now(UTC)
    )
    reply = EnrolReply(certificate=stranger, study_key=invite.study_key)
    monkeypatch.setattr(Coordinator, "enrol", lambda *_: reply)
    home = SiteHome(tmp_path / "site")
    with pytest.raises(SignatureError, match="another key"):
        join(home, invite)
    assert not home.site_toml.exists()
    assert not home.gateway_certificate.exists()


def test_a_flood_from_one_address_is_turned_away(consortium: Consortium) -> None:
    service = consortium.serve(limit=RateLimit(burst=3, per_minute=0.001))
    try:
        invite = consortium.invite()
        wrong = replace(invite, token=b"x" * 32)
        told = []
        for _ in range(6):
            with pytest.raises(RefusedError) as refusal:
                ask(invite, Newcomer().request(wrong))
            told.append(refusal.value.message)
        assert sum("too many requests" in message for message in told) == 3
    finally:
        service.close()


def test_callers_who_say_nothing_are_hung_up_on(consortium: Consortium, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without a request holds one of the service's threads: it must not do so for ever."""
    quick = {"grpc.max_connection_age_ms": 1000, "grpc.max_connection_age_grace_ms": 1000}
    options = tuple((name, quick.get(name, value)) for name, value in service_module._OPTIONS)
    monkeypatch.setattr(service_module, "_OPTIONS", options)
    service = consortium.serve(limit=GENEROUS)
    silence: SimpleQueue[bytes] = SimpleQueue()
    try:
        invite = consortium.invite()
        credentials = grpc.ssl_channel_credentials(certificates.to_pem(invite.authority))
        target = f"{invite.host}:{invite.enrolment_port}"
        with grpc.secure_channel(target, credentials) as channel:
            call = cast("Any", channel.stream_unary("/fedward.enrolment.v1.Enrolment/Clock", bytes, bytes))
            silent = [call.future(iter(silence.get, None), timeout=60) for _ in range(4)]
            for each in silent:
                assert each.exception().code() is grpc.StatusCode.UNAVAILABLE
        assert Coordinator(invite.host, invite.enrolment_port, invite.authority).clock()
    finally:
        service.close()


def handshake(consortium: Consortium, port: int, highest: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cadata=consortium.home.ca_certificate.read_text())
    context.maximum_version = highest
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="127.0.0.1") as secured,
    ):
        return secured.version()


def test_nothing_older_than_tls_1_3_is_spoken(consortium: Consortium, service: EnrolmentService) -> None:
    assert handshake(consortium, service.port, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        handshake(consortium, service.port, ssl.TLSVersion.TLSv1_2)


def test_plain_text_gets_no_answer(consortium: Consortium, service: EnrolmentService) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{service.port}") as channel:
        call = channel.unary_unary("/fedward.enrolment.v1.Enrolment/Clock", bytes, bytes)
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=10)


def test_a_port_that_is_taken_is_not_shared(consortium: Consortium, service: EnrolmentService) -> None:
    """A second coordinator on one port would get half of the hospitals."""
    with pytest.raises(LinkError, match="cannot listen"):
        EnrolmentService(
            f"127.0.0.1:{service.port}",
            desk=consortium.desk,
            key_pem=consortium.home.server_key_file.read_bytes(),
            cert_pem=consortium.home.server_certificate.read_bytes(),
        )


def test_a_revoked_site_cannot_come_back_by_itself(
    consortium: Consortium, service: EnrolmentService, tmp_path: Path
) -> None:
    invite, home = consortium.invite(), SiteHome(tmp_path / "site")
    join(home, invite)
    serial = certificates.serial(home.gateway_certificate.read_bytes())
    assert consortium.registry.is_admitted("north", serial)
    consortium.registry.revoke("north")
    assert not consortium.registry.is_admitted("north", serial)
    with pytest.raises(RefusedError):
        join(home, invite, again=True)
    with pytest.raises(UsageError, match="joined already"):
        consortium.invite("north")
