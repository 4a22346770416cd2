"""Frames as bytes: what door and link put into one gRPC message, and the gRPC options both use.

Every frame is ``0x09, transfer (8 bytes, little-endian), tag, length, body`` and nothing else: the body runs to the
end. That is the canonical protobuf form of `Frame` and `LinkFrame`, and the only one accepted, because in any
longer form a second field of the oneof could hide behind the first. gRPC gets no serializers: a chunk is
framed with one copy and read with none. This module holds no payloads and needs no numpy; a gateway works with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto.signing import SIGNATURE_BYTES
from fedward_shared.errors import WireError
from fedward_shared.wire import door_pb2
from fedward_shared.wire.codec import MAX_HEAD_BYTES
from fedward_shared.wire.parcel import INLINE_BYTES, SEAL_BYTES, Parcel, Refused

__all__ = [
    "CHUNK_BYTES",
    "DOOR_METHOD",
    "LINK_METHOD",
    "MAX_FRAME_BYTES",
    "OPTIONS",
    "Frame",
    "Kind",
    "Opening",
    "cancel_frame",
    "chunk_frame",
    "glance",
    "kind_of",
    "opening_frame",
    "progress_frame",
    "read_empty",
    "read_opening",
    "read_refusal",
    "read_seal",
    "read_strictly",
    "refusal_frame",
    "seal_frame",
    "small_frame",
    "split",
    "transfer_of",
]

CHUNK_BYTES = 512 * 1024
MAX_FRAME_BYTES = CHUNK_BYTES + 4096
LINK_METHOD = ("fedward.link.v1.Link", "Attach")
DOOR_METHOD = ("fedward.door.v1.Door", "Deliver")

_PING_MS = 4000
OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.max_send_message_length", MAX_FRAME_BYTES),
    ("grpc.max_receive_message_length", MAX_FRAME_BYTES),
    ("grpc.keepalive_time_ms", _PING_MS),
    # grpc.keepalive_timeout_ms does nothing in grpcio 1.85; this one does. A frozen peer is noticed in 4 to 8 s.
    ("grpc.http2.ping_timeout_ms", _PING_MS),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
)

_TRANSFER_TAG = 0x09
_PREFIX_BYTES = 9
_LENGTH_WIRE_TYPE = 2
_CONTINUES = 0x80
_MAX_LENGTH_BYTES = 4


class Kind(IntEnum):
    """What a frame carries: the field number in `Frame` (up to PROGRESS) and `LinkFrame`."""

    OPENING = 2
    CHUNK = 3
    SEAL = 4
    REFUSAL = 5
    CANCEL = 6
    PROGRESS = 7
    HELLO = 8
    WELCOME = 9


_KINDS = {kind << 3 | _LENGTH_WIRE_TYPE: kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, split; `body` is a view of the bytes that came."""

    kind: Kind
    transfer: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class Opening:
    """The first frame of a message. `seal` and `signature` are empty where the payload comes in chunks."""

    head: bytes
    inline: bytes
    seal: bytes
    signature: bytes


def kind_of(raw: bytes) -> Kind:
    """A frame's kind, from its tenth byte; `split` checks the rest."""
    kind = _KINDS.get(raw[_PREFIX_BYTES]) if len(raw) > _PREFIX_BYTES else None
    if kind is None:
        raise WireError("a frame is of no kind that this version knows")
    return kind


def transfer_of(raw: bytes) -> int:
    """The number of a frame's transfer; `split` checks it."""
    return int.from_bytes(raw[1:_PREFIX_BYTES], "little")


def split(raw: bytes) -> Frame:
    """Takes a frame apart without copying its body.

    Raises:
        WireError: it is not in the one form that `Frame` allows.
    """
    kind = kind_of(raw)
    transfer = transfer_of(raw)
    if raw[0] != _TRANSFER_TAG or transfer == 0:
        raise WireError("a frame does not begin with the number of its transfer")
    length, at = _read_length(raw)
    if at + length != len(raw):
        raise WireError(f"a {kind.name.lower()} frame does not end where its content ends")
    return Frame(kind, transfer, memoryview(raw)[at:])


def chunk_frame(transfer: int, pieces: Sequence[memoryview]) -> bytes:
    """A chunk made of `pieces`, copied once."""
    return b"".join((_start(transfer, Kind.CHUNK, sum(piece.nbytes for piece in pieces)), *pieces))


def opening_frame(transfer: int, parcel: Parcel) -> bytes:
    """The first frame of a message; holds all of it where the payload is small enough."""
    opening = door_pb2.Opening(head=parcel.head)
    if parcel.payload_bytes <= INLINE_BYTES:
        opening.inline = bytes(parcel.payload)
        opening.seal.body, opening.seal.signature = parcel.seal, parcel.signature
    return small_frame(transfer, Kind.OPENING, opening)


def seal_frame(transfer: int, parcel: Parcel) -> bytes:
    """The last frame of a message whose payload travelled in chunks."""
    return small_frame(transfer, Kind.SEAL, door_pb2.Seal(body=parcel.seal, signature=parcel.signature))


def refusal_frame(transfer: int, refused: Refused) -> bytes:
    """A site's refusal."""
    return small_frame(transfer, Kind.REFUSAL, door_pb2.Refusal(code=int(refused.code), signature=refused.signature))


def cancel_frame(transfer: int) -> bytes:
    """The coordinator no longer waits."""
    return small_frame(transfer, Kind.CANCEL, door_pb2.Cancel())


def progress_frame() -> bytes:
    """The vault is alive. Always the same bytes, whatever the vault does."""
    return small_frame(1, Kind.PROGRESS, door_pb2.Progress())


def read_opening(frame: Frame) -> Opening:
    """An opening whose parts fit together; the payload's size is the head's to say.

    Raises:
        WireError: seal and payload are not where the protocol puts them, or the head is too long.
    """
    message = read_strictly(frame, Kind.OPENING, door_pb2.Opening)
    if not 0 < len(message.head) <= MAX_HEAD_BYTES:
        raise WireError(f"a head has 1 to {MAX_HEAD_BYTES} bytes, not {len(message.head)}")
    if message.offset:
        raise WireError("this version cannot resume a transfer")
    if len(message.inline) > INLINE_BYTES or (message.inline and not message.HasField("seal")):
        raise WireError("an inline payload is too long or lacks its seal")
    if not message.HasField("seal"):
        return Opening(message.head, b"", b"", b"")
    _check_seal(message.seal)
    return Opening(message.head, message.inline, message.seal.body, message.seal.signature)


def glance(raw: bytes, head_type: type[door_pb2.InstructionHead | door_pb2.ReplyHead]) -> tuple[int, bool]:
    """The payload's size that an opening announces, and whether the message is complete with it.

    What a relay needs to know, and no more is checked: both ends read the opening strictly.

    Raises:
        WireError: the opening, or its head, cannot be read.
    """
    try:
        opening = door_pb2.Opening.FromString(bytes(split(raw).body))
        return head_type.FromString(opening.head).payload_bytes, opening.HasField("seal")
    except DecodeError as error:
        raise WireError("an opening cannot be read") from error


def read_seal(frame: Frame) -> tuple[bytes, bytes]:
    """The seal's body (64 bytes) and signature.

    Raises:
        WireError: the frame is no seal, or a part has the wrong length.
    """
    message = read_strictly(frame, Kind.SEAL, door_pb2.Seal)
    _check_seal(message)
    return message.body, message.signature


def read_empty(frame: Frame) -> None:
    """Checks that a cancel or progress frame holds nothing.

    Raises:
        WireError: it holds something.
    """
    if frame.body:
        raise WireError(f"a {frame.kind.name.lower()} frame is not empty")


def read_refusal(frame: Frame) -> Refused:
    """A refusal with a code of the closed list.

    Raises:
        WireError: the code is not on the list, or the signature has another length than it must.
    """
    message = read_strictly(frame, Kind.REFUSAL, door_pb2.Refusal)
    try:
        code = RefusalCode(message.code)
    except ValueError:
        raise WireError(f"a refusal has the unknown code {message.code}") from None
    if len(message.signature) not in {0, SIGNATURE_BYTES}:
        raise WireError("a refusal's signature has the wrong length")
    return Refused(code, message.signature)


def small_frame(transfer: int, kind: Kind, message: Message) -> bytes:
    """A frame around a message other than a chunk."""
    body = message.SerializeToString(deterministic=True)
    return _start(transfer, kind, len(body)) + body


def _start(transfer: int, kind: Kind, length: int) -> bytes:
    return (
        bytes((_TRANSFER_TAG,))
        + transfer.to_bytes(8, "little")
        + bytes((kind << 3 | _LENGTH_WIRE_TYPE,))
        + _length_bytes(length)
    )


def _length_bytes(length: int) -> bytes:
    """A protobuf varint in its shortest spelling."""
    written = bytearray()
    while length >= _CONTINUES:
        written.append(length & 0x7F | _CONTINUES)
        length >>= 7
    written.append(length)
    return bytes(written)


def _read_length(raw: bytes) -> tuple[int, int]:
    """The body's length and where it begins."""
    length = 0
    for index in range(_MAX_LENGTH_BYTES):
        at = _PREFIX_BYTES + 1 + index
        if at >= len(raw):
            break
        byte = raw[at]
        length |= (byte & 0x7F) << 7 * index
        if byte < _CONTINUES:
            if byte == 0 and index:
                break
            return length, at + 1
    raise WireError("a frame's length is missing or not in its shortest form")


M = TypeVar("M", bound=Message)


def read_strictly(frame: Frame, kind: Kind, message_type: type[M]) -> M:
    """A frame's message in its canonical form.

    Raises:
        WireError: it is of another kind, or has unknown, repeated or reordered fields.
    """
    if frame.kind is not kind:
        raise WireError(f"expected a {kind.name.lower()} frame, not {frame.kind.name.lower()}")
    body = bytes(frame.body)
    try:
        message = message_type.FromString(body)
    except DecodeError as error:
        raise WireError(f"a {kind.name.lower()} frame cannot be read") from error
    message.DiscardUnknownFields()
    if message.SerializeToString(deterministic=True) != body:
        raise WireError(f"a {kind.name.lower()} frame holds more than its fields, or not in their order")
    return message


def _check_seal(seal: door_pb2.Seal) -> None:
    if len(seal.body) != SEAL_BYTES or len(seal.signature) != SIGNATURE_BYTES:
        raise WireError("a seal has a body and a signature of 64 bytes each")
