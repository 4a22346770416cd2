"""The vault's end of the door, driven by a gateway that may be hostile."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest

from fedward_client.vault.door import DoorServer
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import LinkError, UsageError
from fedward_shared.wire import frames, greetings
from fedward_shared.wire.frames import Kind
from fedward_shared.wire.parcel import Parcel, Refused
from fedward_shared.wire.transfer import outgoing
from tests.support.doors import Knock
from tests.support.echo import EchoVault, instruction, reply_to


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "door" / "vault.sock"


def test_progress_is_the_same_whether_the_vault_works_or_not(path: Path) -> None:
    work = threading.Event()

    def wait(parcel: Parcel, _: Callable[[], bool]) -> Parcel:
        work.wait(30)
        return reply_to(parcel, b"")

    with DoorServer(path, EchoVault(wait), progress_seconds=0.05), Knock(path) as knock:
        idle = [next(knock.frames) for _ in range(2)]
        knock.send(*outgoing(9, instruction()))
        busy = [next(knock.frames) for _ in range(2)]
        assert idle == busy == [frames.progress_frame()] * 2
        work.set()
        while frames.kind_of(raw := next(knock.frames)) is Kind.PROGRESS:
            pass
        assert frames.split(raw).transfer == 9


@pytest.mark.parametrize(
    "raws",
    [
        [b""],
        [b"\x09" + bytes(8)],
        [greetings.hello_frame()],
        [frames.refusal_frame(1, Refused(RefusalCode.BUDGET))],
        [next(outgoing(1, instruction(bytes(600_000))))] * 2,
        [*outgoing(1, instruction(b"x")), *outgoing(1, instruction(b"x"))],
    ],
    ids=["empty", "no transfer", "hello", "refusal", "opened twice", "sent twice"],
)
def test_a_hostile_stream_ends_and_the_next_one_is_served(path: Path, raws: list[bytes]) -> None:
    hold = threading.Event()

    def answer(parcel: Parcel, _: Callable[[], bool]) -> Parcel:
        hold.wait(30)
        return reply_to(parcel, b"")

    with DoorServer(path, EchoVault(answer)):
        with Knock(path) as knock:
            knock.send(*raws)
            with pytest.raises((grpc.RpcError, StopIteration)):
                next(knock.frames)
        hold.set()
        with Knock(path) as knock:
            knock.send(*outgoing(3, instruction()))
            assert frames.kind_of(next(knock.frames)) is Kind.OPENING


def test_one_gateway_at_a_time(path: Path) -> None:
    with DoorServer(path, EchoVault()), Knock(path) as first:
        first.send(*outgoing(3, instruction()))
        next(first.frames)
        with Knock(path) as second:
            second.send(*outgoing(4, instruction()))
            assert frames.split(next(second.frames)).transfer == 4
            with pytest.raises((grpc.RpcError, StopIteration)):
                next(first.frames)


def test_more_instructions_than_a_vault_queues_are_refused(path: Path) -> None:
    hold = threading.Event()

    def answer(_: Parcel, __: Callable[[], bool]) -> None:
        hold.wait(30)

    with DoorServer(path, EchoVault(answer)), Knock(path) as knock:
        for transfer in range(1, 6):
            knock.send(*outgoing(transfer, instruction()))
        frame = frames.split(next(knock.frames))
        assert frame.transfer == 5
        assert frames.read_refusal(frame).code is RefusalCode.BUSY
        hold.set()


def test_closing_waits_for_the_instruction_in_hand(path: Path) -> None:
    begun = threading.Event()
    ended = threading.Event()

    def answer(_: Parcel, cancelled: Callable[[], bool]) -> None:
        begun.set()
        while not cancelled():
            time.sleep(0.01)
        ended.set()

    with DoorServer(path, EchoVault(answer)), Knock(path) as knock:
        knock.send(*outgoing(1, instruction()))
        assert begun.wait(30)
    assert ended.is_set()


def test_a_door_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Unix socket"):
        DoorServer(tmp_path / ("x" * 100), EchoVault())
    (tmp_path / "taken").mkdir()
    with pytest.raises(LinkError, match="cannot open the door"):
        DoorServer(tmp_path / "taken", EchoVault())
