"""The relay: what passes, what is refused, what ends a session."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace

import grpc
import pytest

from fedward_client.gateway.relay import DoorClosedError, Relay
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import FedwardError, LinkError, WireError
from fedward_shared.wire import codec, frames, greetings
from fedward_shared.wire.parcel import Parcel, Refused
from fedward_shared.wire.transfer import outgoing
from tests.support.echo import instruction, reply_to

LIMIT = 1_000_000
BIG = bytes(700_000)
END = object()  # anything that is not bytes, as grpc.aio.EOF
GATEWAY_LIMIT = Refused(RefusalCode.GATEWAY_LIMIT)


class FakeStream:
    """A grpc.aio call: what it will read, and what was written to it."""

    def __init__(self) -> None:
        self.coming: asyncio.Queue[object] = asyncio.Queue()
        self.written: list[bytes] = []
        self.half_closed = False
        self.broken = False

    async def read(self) -> object:
        item = await self.coming.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def write(self, request: bytes) -> None:
        if self.broken:
            raise asyncio.InvalidStateError
        self.written.append(request)

    async def done_writing(self) -> None:
        self.half_closed = True

    async def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK


Scene = Callable[[FakeStream, FakeStream], Coroutine[None, None, None]]


def play(scene: Scene, *, limit: int = LIMIT, silence: float = 60.0) -> tuple[FakeStream, FakeStream, Exception]:
    """Runs a relay while `scene` feeds its streams; what it wrote, and how it ended."""

    async def run() -> tuple[FakeStream, FakeStream, Exception]:
        link, door = FakeStream(), FakeStream()
        relay = asyncio.create_task(Relay(link, door, limit, silence_seconds=silence).run())
        await scene(link, door)
        try:
            async with asyncio.timeout(20):
                await relay
        except FedwardError as error:
            return link, door, error
        raise AssertionError

    return asyncio.run(run())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def feed(stream: FakeStream, *raws: bytes) -> None:
    for raw in raws:
        stream.coming.put_nowait(raw)
    await settle()


def oversize(parcel: Parcel) -> list[bytes]:
    """The frames of an instruction that announces more than the limit."""
    head = codec.encode_instruction(replace(codec.decode_instruction(parcel.head), payload_bytes=LIMIT + 1))
    return list(outgoing(7, replace(parcel, head=head)))


def test_frames_pass_byte_for_byte_both_ways() -> None:
    down = [*outgoing(7, instruction(BIG)), frames.cancel_frame(7)]
    up = [*outgoing(7, reply_to(instruction(), BIG)), frames.refusal_frame(8, Refused(RefusalCode.BUDGET, bytes(64)))]

    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(link, *down)
        await feed(door, *up)
        link.coming.put_nowait(END)

    link, door, error = play(scene)
    assert door.written == down
    assert link.written == up
    assert isinstance(error, LinkError)
    assert not link.half_closed


def test_progress_stops_at_the_gateway() -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(door, frames.progress_frame(), frames.progress_frame())
        link.coming.put_nowait(END)

    link, _, _ = play(scene)
    assert link.written == []


def test_an_instruction_over_the_limit_is_refused_and_its_chunks_go_nowhere() -> None:
    after = list(outgoing(8, instruction(b"small")))

    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(link, *oversize(instruction(BIG)), *after)
        link.coming.put_nowait(END)

    link, door, _ = play(scene)
    assert link.written == [frames.refusal_frame(7, GATEWAY_LIMIT)]
    assert door.written == after


def test_a_malformed_opening_is_refused() -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(link, next(outgoing(7, replace(instruction(), head=b"no head"))))
        link.coming.put_nowait(END)

    link, door, _ = play(scene)
    assert link.written == [frames.refusal_frame(7, GATEWAY_LIMIT)]
    assert door.written == []


def test_a_reply_over_the_limit_is_refused_to_the_coordinator_who_waits_for_it() -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(door, *outgoing(7, reply_to(instruction(), BIG)))
        link.coming.put_nowait(END)

    link, door, _ = play(scene, limit=len(BIG) - 1)
    assert link.written == [frames.refusal_frame(7, GATEWAY_LIMIT)]
    assert door.written == []


@pytest.mark.parametrize(
    "raw",
    [frames.progress_frame(), frames.refusal_frame(1, GATEWAY_LIMIT), greetings.welcome_frame("north"), b"", b"x" * 20],
    ids=["progress", "refusal", "welcome", "empty", "noise"],
)
def test_a_coordinator_that_sends_what_it_may_not_ends_the_session(raw: bytes) -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(link, raw)

    _, door, error = play(scene)
    assert isinstance(error, WireError)
    assert door.written == []


@pytest.mark.parametrize(
    "raw", [frames.cancel_frame(1), greetings.hello_frame(), b"", b"x" * 20], ids=["cancel", "hello", "empty", "noise"]
)
def test_a_vault_that_sends_what_it_may_not_ends_the_session(raw: bytes) -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(door, raw)

    link, _, error = play(scene)
    assert isinstance(error, WireError)
    assert link.written == []


def test_when_the_door_closes_the_coordinator_hears_which_answers_will_not_come() -> None:
    answered = list(outgoing(8, reply_to(instruction(), b"done")))

    async def scene(link: FakeStream, door: FakeStream) -> None:
        for transfer in (7, 8, 9):
            await feed(link, *outgoing(transfer, instruction(b"weights")))
        await feed(link, frames.cancel_frame(9))
        await feed(door, *answered)
        door.coming.put_nowait(END)

    link, _, error = play(scene)
    assert link.written == [*answered, frames.refusal_frame(7, Refused(RefusalCode.DOOR_CLOSED))]
    assert link.half_closed
    assert isinstance(error, DoorClosedError)


def test_half_a_reply_counts_as_none() -> None:
    begun = list(outgoing(7, reply_to(instruction(), BIG)))[:2]

    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(link, *outgoing(7, instruction(b"weights")))
        await feed(door, *begun)
        door.coming.put_nowait(END)

    link, _, _ = play(scene)
    assert link.written == [*begun, frames.refusal_frame(7, Refused(RefusalCode.DOOR_CLOSED))]


def test_a_door_that_breaks_while_it_is_written_to_is_closed() -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        door.broken = True
        await feed(link, *outgoing(7, instruction(b"weights")))

    link, _, error = play(scene)
    assert link.written == [frames.refusal_frame(7, Refused(RefusalCode.DOOR_CLOSED))]
    assert isinstance(error, DoorClosedError)


def test_a_silent_vault_ends_the_session() -> None:
    async def scene(link: FakeStream, door: FakeStream) -> None:
        await feed(link, *outgoing(7, instruction(b"weights")))

    link, _, error = play(scene, silence=0.05)
    assert isinstance(error, DoorClosedError)
    assert link.written == [frames.refusal_frame(7, Refused(RefusalCode.DOOR_CLOSED))]


def test_the_gateway_loads_nothing_that_could_hold_data() -> None:
    code = (
        "import sys, fedward_client.gateway.__main__\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "print(sorted(found & {'torch', 'flwr', 'numpy', 'polars', 'opacus', 'scipy', 'pandas'}))"
    )
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"
