"""Coordinator, gateway and door together: a real gateway process, real TLS, real signals."""

import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import Self, cast

import grpc
import pytest

from fedward_client.gateway.status import State, read_status
from fedward_client.home import SiteHome
from fedward_client.vault.door import DoorServer
from fedward_server.link.courier import Lost, Outcome
from fedward_server.link.service import LinkService
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto import certificates, keys
from fedward_shared.wire import frames, greetings
from fedward_shared.wire.parcel import INLINE_BYTES, Parcel, Refused
from fedward_shared.wire.transfer import outgoing
from tests.support.echo import PATIENCE, EchoFederation, EchoVault, ask, gateway, instruction, reply_to, until

pytestmark = pytest.mark.processes


@pytest.fixture
def federation(tmp_path: Path) -> EchoFederation:
    return EchoFederation(tmp_path)


@pytest.fixture
def link(federation: EchoFederation) -> Iterator[LinkService]:
    with federation.serve() as service:
        yield service


@pytest.fixture
def home(federation: EchoFederation, link: LinkService) -> SiteHome:
    return federation.site("north", link.port)


class Answers:
    """Collects what is delivered, and counts."""

    def __init__(self) -> None:
        self.came: list[Outcome] = []

    def __call__(self, outcome: Outcome) -> None:
        self.came.append(outcome)


class Work:
    """An answer that takes as long as the test wants."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.finish = threading.Event()
        self.was_cancelled: bool | None = None

    def __call__(self, parcel: Parcel, cancelled: Callable[[], bool]) -> Parcel:
        self.begun.set()
        until(lambda: self.finish.is_set() or cancelled())
        self.was_cancelled = cancelled()
        return reply_to(parcel, b"done")


def test_parcels_of_every_size_come_back_unchanged(link: LinkService, home: SiteHome) -> None:
    chunk = frames.CHUNK_BYTES
    with DoorServer(home.door, EchoVault()), gateway(home):
        until(lambda: link.attached() == {"north"})
        for size in (0, 1, INLINE_BYTES, INLINE_BYTES + 1, chunk, 2 * chunk + 1, 5_000_000):
            sent = instruction(os.urandom(size))
            outcome = ask(link, "north", sent)
            assert isinstance(outcome, Parcel)
            assert outcome.payload == sent.payload


def test_a_refusal_arrives_with_its_signature_and_silence_stays_silence(link: LinkService, home: SiteHome) -> None:
    refused = Refused(RefusalCode.BUDGET, bytes(range(64)))
    vault = EchoVault(lambda _, __: refused)
    with DoorServer(home.door, vault), gateway(home):
        until(lambda: bool(link.attached()))
        assert ask(link, "north", instruction()) == refused
        vault.answer = lambda _, __: None
        answers = Answers()
        ticket = link.post("north", instruction(), reply_limit=10, deliver=answers)
        until(lambda: len(vault.seen) == 2)
        assert answers.came == []
        link.cancel(ticket)
        link.cancel(ticket)
        assert answers.came == [Lost("cancelled")]
        vault.answer = lambda parcel, _: reply_to(parcel, b"again")
        assert isinstance(ask(link, "north", instruction()), Parcel)


def test_a_handler_that_fails_is_silence_and_the_door_stays_open(link: LinkService, home: SiteHome) -> None:
    def fail(_: Parcel, __: Callable[[], bool]) -> Parcel:
        raise ZeroDivisionError

    vault = EchoVault(fail)
    with DoorServer(home.door, vault), gateway(home):
        until(lambda: bool(link.attached()))
        answers = Answers()
        link.post("north", instruction(), reply_limit=10, deliver=answers)
        until(lambda: len(vault.seen) == 1)
        vault.answer = lambda parcel, _: reply_to(parcel, b"")
        assert isinstance(ask(link, "north", instruction()), Parcel)
        assert answers.came == []


def test_the_vault_may_decline_before_a_payload_is_taken(link: LinkService, home: SiteHome) -> None:
    unknown = Refused(RefusalCode.UNKNOWN_STUDY, bytes(64))
    vault = EchoVault(largest=unknown)
    with DoorServer(home.door, vault), gateway(home):
        until(lambda: bool(link.attached()))
        assert ask(link, "north", instruction(bytes(3_000_000))) == unknown
        vault.largest = 1000
        assert ask(link, "north", instruction(bytes(1001))) == Refused(RefusalCode.TOO_LARGE)
        assert isinstance(ask(link, "north", instruction(bytes(1000))), Parcel)
        assert len(vault.seen) == 1


@pytest.mark.parametrize("size", [1000, 3_000_000], ids=["inline", "chunks"])
def test_a_reply_larger_than_declared_is_lost_and_the_link_lives(link: LinkService, home: SiteHome, size: int) -> None:
    with DoorServer(home.door, EchoVault()), gateway(home):
        until(lambda: bool(link.attached()))
        outcome = ask(link, "north", instruction(bytes(size)), reply_limit=size - 1)
        assert outcome == Lost("north sent a reply larger than its study declares")
        assert isinstance(ask(link, "north", instruction(bytes(size)), reply_limit=size), Parcel)


def test_cancel_is_seen_by_the_vault_while_it_works(link: LinkService, home: SiteHome) -> None:
    work = Work()
    vault = EchoVault(work)
    with DoorServer(home.door, vault), gateway(home):
        until(lambda: bool(link.attached()))
        answers = Answers()
        ticket = link.post("north", instruction(), reply_limit=10, deliver=answers)
        assert work.begun.wait(PATIENCE)
        link.cancel(ticket)
        until(lambda: work.was_cancelled is True)
        vault.answer = lambda parcel, _: reply_to(parcel, b"next")
        assert isinstance(ask(link, "north", instruction()), Parcel)
        assert answers.came == [Lost("cancelled")]


def test_nothing_can_be_posted_to_a_site_that_is_not_there(link: LinkService) -> None:
    assert ask(link, "south", instruction()) == Lost("south is not attached")


def test_a_killed_gateway_loses_the_post_and_the_answer_is_there_for_the_next_one(
    link: LinkService, home: SiteHome
) -> None:
    work = Work()
    with DoorServer(home.door, EchoVault(work)):
        with gateway(home) as process:
            until(lambda: bool(link.attached()))
            answers = Answers()
            link.post("north", instruction(), reply_limit=10, deliver=answers)
            assert work.begun.wait(PATIENCE)
            process.send_signal(signal.SIGKILL)
            until(lambda: bool(answers.came))
            assert isinstance(answers.came[0], Lost)
            assert link.attached() == frozenset()
        with gateway(home):
            until(lambda: bool(link.attached()))
            again = Answers()
            link.post("north", instruction(), reply_limit=10, deliver=again)
            assert again.came == []  # one instruction at a time: the first still runs
            work.finish.set()
            until(lambda: bool(again.came))
            assert isinstance(again.came[0], Parcel)
            assert work.was_cancelled is False


def test_a_frozen_gateway_is_noticed(link: LinkService, home: SiteHome) -> None:
    work = Work()
    with DoorServer(home.door, EchoVault(work)), gateway(home) as process:
        until(lambda: bool(link.attached()))
        answers = Answers()
        link.post("north", instruction(), reply_limit=10, deliver=answers)
        assert work.begun.wait(PATIENCE)
        process.send_signal(signal.SIGSTOP)
        until(lambda: bool(answers.came))
        assert isinstance(answers.came[0], Lost)
        assert link.attached() == frozenset()
        work.finish.set()
        process.send_signal(signal.SIGCONT)
        until(lambda: link.attached() == {"north"})


def test_a_site_that_is_cut_off_stays_out(federation: EchoFederation) -> None:
    revoked: set[str] = set()
    with federation.serve(admit=lambda site, _: site not in revoked) as link:
        home = federation.site("north", link.port)
        with DoorServer(home.door, EchoVault(lambda _, __: None)), gateway(home):
            until(lambda: bool(link.attached()))
            answers = Answers()
            link.post("north", instruction(), reply_limit=10, deliver=answers)
            revoked.add("north")
            link.cut_off("north")
            assert answers.came == [Lost("north was cut off")]
            assert link.attached() == frozenset()
            status = home.gateway_dir / "status.json"
            until(lambda: (found := read_status(status)) is not None and "refused the link" in found.last_error)
            assert link.attached() == frozenset()


def test_a_second_stream_of_a_site_takes_the_place_of_the_first(
    federation: EchoFederation, link: LinkService, home: SiteHome
) -> None:
    with DoorServer(home.door, EchoVault(lambda _, __: None)), gateway(home):
        until(lambda: bool(link.attached()))
        answers = Answers()
        link.post("north", instruction(), reply_limit=10, deliver=answers)
        with Dial(federation, link.port, federation.credentials("north")) as dial:
            assert greetings.read_welcome(next(dial.frames)) == "north"
            until(lambda: bool(answers.came))
            assert answers.came == [Lost("north dialled again")]


def test_a_vault_that_ends_is_reported_and_the_site_comes_back_with_it(link: LinkService, home: SiteHome) -> None:
    work = Work()
    with gateway(home):
        with DoorServer(home.door, EchoVault(work)):
            until(lambda: bool(link.attached()))
            answers = Answers()
            link.post("north", instruction(), reply_limit=10, deliver=answers)
            assert work.begun.wait(PATIENCE)
        until(lambda: bool(answers.came))
        assert answers.came == [Refused(RefusalCode.DOOR_CLOSED)]
        assert work.was_cancelled is True
        until(lambda: not link.attached())
        with DoorServer(home.door, EchoVault()):
            until(lambda: bool(link.attached()))
            assert isinstance(ask(link, "north", instruction()), Parcel)


def test_a_gateway_ends_cleanly_and_says_what_it_did(link: LinkService, home: SiteHome) -> None:
    status = home.gateway_dir / "status.json"
    with DoorServer(home.door, EchoVault()), gateway(home) as process:
        until(lambda: (found := read_status(status)) is not None and found.state == State.ATTACHED)
        found = read_status(status)
        assert found is not None
        assert (found.site, found.last_error) == ("north", "")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        found = read_status(status)
        assert found is not None
        assert found.state == State.STOPPED
        until(lambda: not link.attached())


def test_a_gateway_does_not_attach_without_its_vault(link: LinkService, home: SiteHome) -> None:
    status = home.gateway_dir / "status.json"
    with gateway(home):
        until(lambda: (found := read_status(status)) is not None and found.state == State.WAITING_FOR_VAULT)
        assert link.attached() == frozenset()


def test_closing_the_coordinator_settles_everything(federation: EchoFederation) -> None:
    link = federation.serve()
    home = federation.site("north", link.port)
    with DoorServer(home.door, EchoVault(lambda _, __: None)), gateway(home):
        until(lambda: bool(link.attached()))
        answers = Answers()
        link.post("north", instruction(), reply_limit=10, deliver=answers)
        link.close()
        assert answers.came == [Lost("the coordinator is closing")]


class Dial:
    """A stream that a test drives by hand, as whoever holds `credentials` (key and certificate, or none)."""

    def __init__(
        self,
        federation: EchoFederation,
        port: int,
        credentials: tuple[bytes, bytes] | None,
        *said: bytes,
    ) -> None:
        key, certificate = credentials or (None, None)
        tls = grpc.ssl_channel_credentials(federation.authority.certificate, key, certificate)
        self._channel = grpc.secure_channel(f"localhost:{port}", tls)
        self._said: SimpleQueue[bytes | None] = SimpleQueue()
        for raw in said or (greetings.hello_frame(),):
            self.say(raw)
        service, method = frames.LINK_METHOD
        start = cast("Callable[[str], Callable[[Iterator[bytes]], Iterator[bytes]]]", self._channel.stream_stream)
        self.frames = start(f"/{service}/{method}")(iter(self._said.get, None))

    def say(self, raw: bytes) -> None:
        self._said.put(raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._said.put(None)
        self._channel.close()

    def failure(self) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as caught:
            next(self.frames)
        return caught.value.code()


def test_without_a_certificate_nobody_attaches(federation: EchoFederation, link: LinkService) -> None:
    with Dial(federation, link.port, None) as dial:
        assert dial.failure() is grpc.StatusCode.UNAVAILABLE


def test_a_certificate_of_another_authority_is_worth_nothing(federation: EchoFederation, link: LinkService) -> None:
    stranger = EchoFederation(federation.folder)
    with Dial(federation, link.port, stranger.credentials("north")) as dial:
        assert dial.failure() is grpc.StatusCode.UNAVAILABLE
    assert link.attached() == frozenset()


def test_a_certificate_that_names_no_site_is_not_admitted(federation: EchoFederation, link: LinkService) -> None:
    key = keys.new_tls_key()
    server = certificates.issue_server(federation.authority, key.public_key(), ["localhost"], datetime.now(UTC))
    with Dial(federation, link.port, (keys.to_pem(key), server)) as dial:
        assert dial.failure() in {grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAVAILABLE}
    assert link.attached() == frozenset()


def test_a_revoked_serial_is_not_admitted(federation: EchoFederation) -> None:
    good, bad = federation.credentials("north"), federation.credentials("north")
    revoked = certificates.serial(bad[1])
    with federation.serve(admit=lambda site, serial: site == "north" and serial != revoked) as link:
        with Dial(federation, link.port, bad) as dial:
            assert dial.failure() is grpc.StatusCode.PERMISSION_DENIED
        with Dial(federation, link.port, good) as dial:
            assert greetings.read_welcome(next(dial.frames)) == "north"


@pytest.mark.parametrize(
    "first",
    [frames.cancel_frame(1), greetings.hello_frame()[:-1], b"", greetings.hello_frame()[:10] + b"\x02\x08\x09"],
    ids=["another frame", "cut short", "empty", "another protocol"],
)
def test_a_stream_that_does_not_begin_with_hello_is_refused(
    federation: EchoFederation, link: LinkService, first: bytes
) -> None:
    with Dial(federation, link.port, federation.credentials("north"), first) as dial:
        assert dial.failure() is grpc.StatusCode.FAILED_PRECONDITION
    assert link.attached() == frozenset()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        greetings.hello_frame(),
        frames.cancel_frame(1),
        frames.chunk_frame(1, [memoryview(b"x")]),
        next(outgoing(1, instruction(b"x"))),
        next(outgoing(1, replace(reply_to(instruction(), b"x"), seal=bytes(64)))),
    ],
    ids=["empty", "hello again", "cancel", "chunk of nothing", "an instruction", "wrong seal"],
)
def test_a_hostile_site_ends_its_own_stream_and_no_other(
    federation: EchoFederation, link: LinkService, raw: bytes
) -> None:
    credentials = federation.credentials("north"), federation.credentials("south")
    with Dial(federation, link.port, credentials[1]) as other:
        assert greetings.read_welcome(next(other.frames)) == "south"
        with Dial(federation, link.port, credentials[0]) as hostile:
            assert greetings.read_welcome(next(hostile.frames)) == "north"
            answers = Answers()
            ticket = link.post("north", instruction(), reply_limit=10, deliver=answers)
            assert ticket == 1
            hostile.say(raw)
            until(lambda: bool(answers.came))
            assert isinstance(answers.came[0], Lost)
            until(lambda: link.attached() == {"south"})


def test_the_socket_is_for_its_owner_and_group_alone(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        with DoorServer(tmp_path / "door" / "vault.sock", EchoVault()):
            assert stat.S_IMODE((tmp_path / "door" / "vault.sock").stat().st_mode) == 0o660
            assert stat.S_IMODE((tmp_path / "door").stat().st_mode) == 0o750
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
