"""Whoever sends for ever fills neither the vault's disk nor its memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import grpc
import pytest

from fedward_client.vault import door
from fedward_client.vault.door import DoorServer
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.wire import frames
from fedward_shared.wire.parcel import Parcel, Refused
from fedward_shared.wire.transfer import outgoing
from tests.support.doors import Knock
from tests.support.echo import EchoVault, instruction, reply_to, until
from tests.support.vaults import Coordinator, Site

_ENOUGH = 300


def test_rounds_that_do_not_exist_do_not_fill_the_journal() -> None:
    coordinator = Coordinator()
    site = Site()
    coordinator.admit(site)
    before = site.books.journal.tip().sequence
    for number in range(_ENOUGH):
        assert site.code(coordinator.train(1000 + number, 1 + number)) is RefusalCode.WRONG_ROUND
    assert site.books.journal.tip().sequence - before <= 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "door" / "vault.sock"


def drain(knock: Knock) -> int:
    """Reads until the vault hangs up; how many frames came."""
    count = 0
    try:
        for _ in knock.frames:
            count += 1
    except grpc.RpcError:
        pass
    return count


class Busy:
    """A vault that works until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go_on = threading.Event()

    def __call__(self, parcel: Parcel, _: Callable[[], bool]) -> Parcel:
        self.begun.set()
        self.go_on.wait(60)
        return reply_to(parcel, b"")


@pytest.fixture
def busy() -> Iterator[Busy]:
    work = Busy()
    yield work
    work.go_on.set()


def test_instructions_that_are_cancelled_at_once_do_not_pile_up(path: Path, busy: Busy) -> None:
    vault = EchoVault(busy)
    with DoorServer(path, vault), Knock(path) as knock:
        knock.send(*outgoing(1, instruction()))
        assert busy.begun.wait(60)
        for transfer in range(2, _ENOUGH):
            knock.send(*outgoing(transfer, instruction(b"x")), frames.cancel_frame(transfer))
        knock.send(*outgoing(_ENOUGH, instruction(b"x")))
        while frames.transfer_of(raw := next(knock.frames)) != _ENOUGH:
            pass
        assert frames.read_refusal(frames.split(raw)) == Refused(RefusalCode.BUSY)
        busy.go_on.set()


def test_streams_that_come_and_go_leave_no_threads(path: Path, busy: Busy) -> None:
    with DoorServer(path, EchoVault(busy)):
        for _ in range(12):
            with Knock(path) as knock:
                knock.send(*outgoing(1, instruction()), *outgoing(2, instruction(b"x")))
                assert busy.begun.wait(60)
                knock.send(b"nonsense")
                drain(knock)
        until(lambda: sum(thread.name == "door-work" for thread in threading.enumerate()) <= 2)
        busy.go_on.set()


class Context:
    """A call whose other end reads nothing."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


def test_a_gateway_that_does_not_listen_is_hung_up_on() -> None:
    """Answers are made as fast as they are asked for; somebody has to read them."""
    refuse = EchoVault(largest=Refused(RefusalCode.UNKNOWN_STUDY, bytes(64)))
    opening = next(outgoing(1, instruction(bytes(600_000))))
    numbers = iter(range(1, 20_000))
    flood = (opening[:1] + number.to_bytes(8, "little") + opening[9:] for number in numbers)
    context = Context()
    stream = door._Stream(refuse, threading.Lock(), cast("grpc.ServicerContext", context))
    stream.read(flood, None)
    assert context.cancelled
    assert next(numbers) < 1000
