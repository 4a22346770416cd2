"""Frames: parcels survive being taken apart, and no other spelling of a frame is read."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import WireError
from fedward_shared.wire import codec, door_pb2, frames, greetings, link_pb2
from fedward_shared.wire.parcel import INLINE_BYTES, Refused
from fedward_shared.wire.transfer import SPOOL_BYTES, Arrived, Inbox, outgoing
from tests.support.echo import instruction

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
TRANSFERS = st.integers(1, 2**64 - 1)
CHUNK = frames.CHUNK_BYTES
SIZES = st.one_of(
    st.integers(0, 300),
    st.sampled_from(
        [INLINE_BYTES, INLINE_BYTES + 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, SPOOL_BYTES + 1, 3 * CHUNK + 7]
    ),
)


def new_inbox(spool: Path | None = None) -> Inbox:
    return Inbox(
        lambda head: codec.decode_instruction(head).payload_bytes,
        lambda _, __: 1 << 30,
        too_large=Refused(RefusalCode.TOO_LARGE),
        spool=spool,
    )


@given(TRANSFERS, SIZES, st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_parcel_arrives_as_it_was_sent(transfer: int, size: int, data: st.DataObject) -> None:
    payload = os.urandom(size)
    whole = instruction(payload)
    cuts = sorted(data.draw(st.lists(st.integers(0, size), max_size=5)))
    bounds = list(zip([0, *cuts], [*cuts, size], strict=True))
    parcel = type(whole)(
        whole.head, tuple(memoryview(payload)[a:b] for a, b in bounds), size, whole.seal, whole.signature
    )
    with TemporaryDirectory() as spool:
        inbox = new_inbox(Path(spool))
        raws = list(outgoing(transfer, parcel))
        events = [inbox.feed(raw) for raw in raws]
    assert all(len(raw) <= frames.MAX_FRAME_BYTES for raw in raws)
    assert events[:-1] == [None] * (len(raws) - 1)
    arrived = events[-1]
    assert isinstance(arrived, Arrived)
    assert arrived.transfer == transfer
    assert bytes(arrived.parcel.payload) == payload
    assert arrived.parcel.digest == whole.digest


@given(TRANSFERS, st.integers(0, 1000))
@settings(max_examples=EXAMPLES, deadline=None)
def test_frames_are_what_protobuf_itself_writes_and_a_frame_is_a_link_frame(transfer: int, size: int) -> None:
    data = os.urandom(size)
    mine = frames.chunk_frame(transfer, [memoryview(data[: size // 2]), memoryview(data[size // 2 :])])
    assert mine == door_pb2.Frame(transfer=transfer, chunk=data).SerializeToString()
    assert mine == link_pb2.LinkFrame(transfer=transfer, chunk=data).SerializeToString()
    assert frames.split(mine) == frames.Frame(frames.Kind.CHUNK, transfer, memoryview(data))


@given(st.binary(max_size=64))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_bytes_are_read_or_refused_and_never_crash(raw: bytes) -> None:
    inbox = new_inbox()
    try:
        inbox.feed(raw)
    except WireError:
        return
    assert frames.kind_of(raw) in frames.Kind


@given(TRANSFERS, st.sampled_from(["chunk", "seal", "refusal", "cancel", "progress"]), st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_second_field_behind_the_first_is_refused(transfer: int, first: str, data: st.DataObject) -> None:
    fields = {
        "chunk": door_pb2.Frame(chunk=b"abc"),
        "seal": door_pb2.Frame(seal=door_pb2.Seal(body=bytes(64), signature=bytes(64))),
        "refusal": door_pb2.Frame(refusal=door_pb2.Refusal(code=1)),
        "cancel": door_pb2.Frame(cancel=door_pb2.Cancel()),
        "progress": door_pb2.Frame(progress=door_pb2.Progress()),
    }
    second = data.draw(st.sampled_from(sorted(fields)))
    start = door_pb2.Frame(transfer=transfer).SerializeToString()
    smuggled = start + fields[first].SerializeToString() + fields[second].SerializeToString()
    assert door_pb2.Frame.FromString(smuggled).WhichOneof("kind") == second  # what a plain parser would act on
    with pytest.raises(WireError, match="does not end"):
        frames.split(smuggled)


@given(TRANSFERS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_small_frames_come_back(transfer: int) -> None:
    refused = Refused(RefusalCode.BUDGET, bytes(64))
    assert frames.read_refusal(frames.split(frames.refusal_frame(transfer, refused))) == refused
    frames.read_empty(frames.split(frames.cancel_frame(transfer)))
    assert greetings.read_welcome(greetings.welcome_frame("north")) == "north"
    assert greetings.read_hello(greetings.hello_frame())
