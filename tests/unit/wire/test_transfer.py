"""Every way in which a stream of frames can be wrong ends it, before memory is set aside."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import WireError
from fedward_shared.wire import codec, door_pb2, frames, greetings
from fedward_shared.wire.parcel import INLINE_BYTES, Parcel, Refused
from fedward_shared.wire.transfer import SPOOL_BYTES, Arrived, Cancelled, Declined, Inbox, RefusalCame, outgoing
from tests.support.echo import instruction

TOO_LARGE = Refused(RefusalCode.TOO_LARGE)
BIG = Random(0).randbytes(665_600)  # two chunks
SMALL = b"weights"


def new_inbox(limit: int | Refused = 1 << 30, wanted: Callable[[int], bool] = lambda _: True) -> Inbox:
    return Inbox(
        lambda head: codec.decode_instruction(head).payload_bytes,
        lambda _, __: limit,
        too_large=TOO_LARGE,
        wanted=wanted,
    )


def sent(payload: bytes, transfer: int = 5) -> list[bytes]:
    return list(outgoing(transfer, instruction(payload)))


def opening(**fields: object) -> bytes:
    message = door_pb2.Opening(**fields)  # type: ignore[arg-type]  # whatever a test wants to send
    return door_pb2.Frame(transfer=5, opening=message).SerializeToString()


def malformed() -> dict[str, list[bytes]]:
    """Streams of frames, each wrong at its end."""
    begin, first, second, last = sent(BIG)
    parcel = instruction(BIG)
    other = instruction(BIG, round_number=2)
    good_seal = door_pb2.Seal(body=parcel.seal, signature=parcel.signature)
    small = instruction(SMALL)
    small_seal = door_pb2.Seal(body=small.seal, signature=small.signature)
    return {
        "an empty frame": [b""],
        "an unknown kind": [first[:9] + b"\x52\x00"],
        "transfer 0": [frames.chunk_frame(0, [memoryview(b"x")])],
        "transfer written twice": [door_pb2.Frame(transfer=5).SerializeToString() + begin],
        "kind before transfer": [begin[9:] + begin[:9]],
        "a length in a longer form": [begin, first[:10] + b"\x83\x80\x00abc"],
        "a chunk that ends before its frame": [begin, first + b"x"],
        "a chunk past the frame's end": [begin, first[:-1]],
        "an empty chunk": [begin, frames.chunk_frame(5, [])],
        "a chunk without an opening": [first],
        "a seal without an opening": [last],
        "more bytes than announced": [begin, first, second, frames.chunk_frame(5, [memoryview(b"x")])],
        "fewer bytes than announced": [begin, first, last],
        "chunks in another order": [begin, second, first, last],
        "a byte changed": [begin, first[:-1] + bytes((first[-1] ^ 1,)), second, last],
        "the seal of another head": [begin, first, second, frames.seal_frame(5, other)],
        "a short seal": [begin, first, second, frames.seal_frame(5, replace(parcel, seal=bytes(63)))],
        "a seal without a signature": [begin, first, second, frames.seal_frame(5, replace(parcel, signature=b""))],
        "a transfer opened twice": [begin, begin],
        "a transfer sealed twice": [begin, first, second, last, last],
        "a large payload with its seal in front": [opening(head=parcel.head, seal=good_seal)],
        "a large payload that is inline": [opening(head=parcel.head, inline=BIG, seal=good_seal)],
        "a small payload without its seal": [opening(head=small.head, inline=SMALL)],
        "a small payload in chunks": [opening(head=small.head)],
        "an inline payload of another size": [opening(head=small.head, inline=SMALL + b"x", seal=small_seal)],
        "another inline payload": [opening(head=small.head, inline=SMALL[::-1], seal=small_seal)],
        "a resumed transfer": [opening(head=small.head, inline=SMALL, seal=small_seal, offset=1)],
        "no head": [opening(inline=SMALL, seal=small_seal)],
        "a head that is too long": [opening(head=bytes(2000), inline=SMALL, seal=small_seal)],
        "a head that is none": [opening(head=b"\xff\xff", inline=SMALL, seal=small_seal)],
        "an unknown field in an opening": [frames_with_unknown_field()],
        "a cancel with content": [first[:9] + b"\x32\x02\x08\x01"],
        "progress with content": [first[:9] + b"\x3a\x02\x08\x01"],
        "an unknown refusal code": [door_pb2.Frame(transfer=5, refusal=door_pb2.Refusal(code=99)).SerializeToString()],
        "a refusal with half a signature": [frames.refusal_frame(5, Refused(RefusalCode.BUDGET, bytes(32)))],
        "hello inside the stream": [greetings.hello_frame()],
        "five transfers at once": [sent(BIG, transfer)[0] for transfer in range(1, 6)],
    }


def frames_with_unknown_field() -> bytes:
    parcel = instruction(SMALL)
    message = door_pb2.Opening(
        head=parcel.head, inline=SMALL, seal=door_pb2.Seal(body=parcel.seal, signature=parcel.signature)
    )
    message.MergeFromString(b"\x7a\x0brow count 7")
    return door_pb2.Frame(transfer=5, opening=message).SerializeToString()


@pytest.mark.parametrize("name", malformed())
def test_a_malformed_stream_is_ended_at_the_frame_that_is_wrong(name: str) -> None:
    *good, bad = malformed()[name]
    inbox = new_inbox()
    for raw in good:
        inbox.feed(raw)
    with pytest.raises(WireError):
        inbox.feed(bad)


def test_the_size_is_compared_with_the_limit_before_memory_is_set_aside() -> None:
    head = replace(codec.decode_instruction(instruction(BIG).head), payload_bytes=1 << 33)
    raw = opening(head=codec.encode_instruction(head))
    inbox = new_inbox(limit=1 << 20)
    tracemalloc.start()
    try:
        assert inbox.feed(raw) == Declined(5, TOO_LARGE)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


def test_a_declined_message_is_thrown_away_as_it_comes_and_the_stream_goes_on() -> None:
    refused = Refused(RefusalCode.UNKNOWN_STUDY, bytes(64))
    inbox = new_inbox(limit=refused)
    events = [inbox.feed(raw) for raw in sent(BIG)]
    assert events == [Declined(5, refused), None, None, None]
    assert inbox.feed(sent(SMALL, 6)[0]) == Declined(6, refused)


def test_cancel_stops_a_message_that_is_still_coming() -> None:
    inbox = new_inbox()
    begin, first, second, _ = sent(BIG)
    inbox.feed(begin)
    inbox.feed(first)
    assert inbox.feed(frames.cancel_frame(5)) == Cancelled(5)
    assert inbox.feed(second) is None
    assert isinstance(inbox.feed(sent(SMALL, 6)[0]), Arrived)


def test_what_nobody_waits_for_any_more_is_dropped() -> None:
    wanted = {5}
    inbox = new_inbox(wanted=wanted.__contains__)
    begin, first, second, last = sent(BIG)
    inbox.feed(begin)
    inbox.feed(first)
    wanted.clear()
    assert inbox.feed(second) is None
    assert inbox.feed(last) is None
    assert inbox.feed(sent(SMALL, 6)[0]) is None


def test_transfers_that_nobody_waits_for_do_not_block_new_ones() -> None:
    wanted = set(range(1, 9))
    inbox = new_inbox(wanted=wanted.__contains__)
    for transfer in range(1, 5):
        inbox.feed(sent(BIG, transfer)[0])
    wanted -= {1, 2, 3, 4}
    events = [inbox.feed(raw) for raw in sent(BIG, 8)]
    assert isinstance(events[-1], Arrived)


def test_a_refusal_ends_a_transfer() -> None:
    inbox = new_inbox()
    refused = Refused(RefusalCode.DOOR_CLOSED)
    inbox.feed(sent(BIG)[0])
    assert inbox.feed(frames.refusal_frame(5, refused)) == RefusalCame(5, refused)
    assert inbox.feed(sent(BIG)[1]) is None


def test_a_large_payload_is_a_read_only_mapping_of_a_file_without_a_name(tmp_path: Path) -> None:
    payload = bytes(SPOOL_BYTES + 1)
    inbox = Inbox(
        lambda head: codec.decode_instruction(head).payload_bytes,
        lambda _, __: 1 << 30,
        too_large=TOO_LARGE,
        spool=tmp_path,
    )
    events = [inbox.feed(raw) for raw in sent(payload)]
    assert list(tmp_path.iterdir()) == []
    arrived = events[-1]
    assert isinstance(arrived, Arrived)
    assert arrived.parcel.payload.readonly
    assert arrived.parcel.payload == payload


def test_sending_stops_where_nobody_waits_any_more() -> None:
    parcel = instruction(BIG)
    stream = outgoing(5, parcel, wanted=lambda: False)
    assert frames.kind_of(next(stream)) is frames.Kind.OPENING
    assert list(stream) == []


@pytest.mark.parametrize("size", [INLINE_BYTES, INLINE_BYTES + 1], ids=["inline", "chunks"])
def test_where_a_payload_stops_travelling_inside_its_opening(size: int) -> None:
    kinds = [frames.kind_of(raw).name for raw in sent(bytes(size))]
    assert kinds == (["OPENING"] if size == INLINE_BYTES else ["OPENING", "CHUNK", "SEAL"])


def test_an_inbox_gives_back_exactly_what_was_sealed() -> None:
    parcel = instruction(SMALL)
    event = new_inbox().feed(sent(SMALL)[0])
    assert isinstance(event, Arrived)
    came: Parcel = event.parcel
    assert (came.head, came.seal, bytes(came.payload)) == (parcel.head, parcel.seal, SMALL)
