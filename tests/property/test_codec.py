"""Heads and offers: one canonical form, and nothing outside it is read."""

import dataclasses
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.contracts.round import Heads, InstructionHead, RefusalCode, ReplyHead, Task
from fedward_shared.errors import WireError
from fedward_shared.wire import codec, door_pb2

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100
DIGESTS = st.binary(min_size=32, max_size=32)
COUNTS = st.integers(1, 2**32 - 1)
SEQUENCES = st.integers(0, 2**63 - 1)
SITES = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


@st.composite
def heads(draw: st.DrawFn) -> Heads:
    ledger, journal = draw(SEQUENCES), draw(SEQUENCES)
    return Heads(ledger, draw(DIGESTS) if ledger else bytes(32), journal, draw(DIGESTS) if journal else bytes(32))


@st.composite
def instructions(draw: st.DrawFn) -> InstructionHead:
    task = draw(st.sampled_from(Task))
    offer = task is Task.STUDY
    return InstructionHead(
        study=draw(DIGESTS),
        site=draw(SITES),
        round=0 if offer else draw(COUNTS),
        attempt=draw(COUNTS),
        task=task,
        payload_bytes=draw(st.integers(0, codec.MAX_OFFER_BYTES if offer else codec.MAX_PAYLOAD_BYTES)),
        expires=draw(SEQUENCES),
        seen=draw(heads()),
        durable_through=draw(st.integers(0, 2**32 - 1)),
        protocol=draw(COUNTS),
    )


REPLIES = st.builds(ReplyHead, DIGESTS, st.integers(0, codec.MAX_PAYLOAD_BYTES), heads())
OFFERS = st.builds(
    codec.StudyOffer,
    st.binary(min_size=1, max_size=200),
    st.binary(min_size=64, max_size=64),
    st.binary(min_size=1, max_size=100),
    st.binary(min_size=64, max_size=64),
)
GOOD = InstructionHead(bytes(32), "north", 1, 1, Task.TRAIN, 10, 5, Heads(), 0, 1)


@given(instructions())
@settings(max_examples=EXAMPLES, deadline=None)
def test_an_instruction_comes_back_as_it_was(head: InstructionHead) -> None:
    raw = codec.encode_instruction(head)
    assert len(raw) <= codec.MAX_HEAD_BYTES
    assert codec.decode_instruction(raw) == head


@given(REPLIES)
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_reply_comes_back_as_it_was(head: ReplyHead) -> None:
    assert codec.decode_reply(codec.encode_reply(head)) == head


@given(OFFERS)
@settings(max_examples=EXAMPLES, deadline=None)
def test_an_offer_comes_back_as_it_was(offer: codec.StudyOffer) -> None:
    assert codec.decode_offer(codec.encode_offer(offer)) == offer


@given(st.binary(max_size=300))
@settings(max_examples=EXAMPLES, deadline=None)
def test_any_bytes_are_read_or_refused_and_never_crash(raw: bytes) -> None:
    for decode in (codec.decode_instruction, codec.decode_reply, codec.decode_offer):
        with pytest.raises(WireError):
            decode(raw)


@given(instructions(), st.data())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_flipped_byte_is_another_instruction_or_none(head: InstructionHead, data: st.DataObject) -> None:
    raw = bytearray(codec.encode_instruction(head))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        changed = codec.decode_instruction(bytes(raw))
    except WireError:
        return
    assert changed != head
    assert codec.encode_instruction(changed) == bytes(raw)


@pytest.mark.parametrize(
    "extra",
    [b"\x78\x01", b"\x7a\x03abc", codec.encode_instruction(GOOD)[:2], b"\x22\x02\x08\x01"],
    ids=["unknown number", "unknown bytes", "protocol twice", "field again"],
)
def test_fields_that_should_not_be_there_are_refused(extra: bytes) -> None:
    with pytest.raises(WireError):
        codec.decode_instruction(codec.encode_instruction(GOOD) + extra)


def test_an_unknown_field_inside_the_heads_is_refused() -> None:
    message = door_pb2.ReplyHead.FromString(codec.encode_reply(ReplyHead(bytes(32), 0, Heads())))
    message.heads.MergeFromString(b"\x78\x01")
    with pytest.raises(WireError, match="unknown fields"):
        codec.decode_reply(message.SerializeToString())


@pytest.mark.parametrize(
    "change",
    [
        {"study": bytes(31)},
        {"site": ""},
        {"site": "North"},
        {"site": "a" * 64},
        {"round": 0},
        {"round": 2**32},
        {"attempt": 0},
        {"payload_bytes": -1},
        {"payload_bytes": codec.MAX_PAYLOAD_BYTES + 1},
        {"expires": -1},
        {"durable_through": -1},
        {"protocol": 0},
        {"seen": Heads(0, bytes(31) + b"\1")},
        {"seen": Heads(1, bytes(33))},
        {"task": Task.STUDY},
        {"task": Task.STUDY, "round": 0, "payload_bytes": codec.MAX_OFFER_BYTES + 1},
    ],
    ids=str,
)
def test_fields_outside_their_limits_are_refused_by_the_sender_too(change: dict[str, object]) -> None:
    with pytest.raises(WireError):
        codec.encode_instruction(dataclasses.replace(GOOD, **change))  # type: ignore[arg-type]  # any field


def test_a_task_that_is_not_on_the_list_is_refused() -> None:
    message = door_pb2.InstructionHead.FromString(codec.encode_instruction(GOOD))
    message.task = door_pb2.Task.ValueType(9)
    with pytest.raises(WireError, match="unknown task 9"):
        codec.decode_instruction(message.SerializeToString())


def test_what_a_refusal_signs() -> None:
    assert codec.refusal_body(b"d" * 32, RefusalCode.BUDGET) == b"d" * 32 + b"\0\0\0\x09"
    with pytest.raises(WireError):
        codec.refusal_body(b"d" * 31, RefusalCode.BUDGET)
