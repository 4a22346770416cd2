"""A parcel as frames, and frames as a parcel: sending, and reassembly that trusts nothing it is told.

The receiver asks what size it may take before it sets memory aside, hashes while bytes arrive, and compares with
the seal at the end; the seal's signature is for the caller to check. A payload above SPOOL_BYTES goes to an unnamed
file where a spool folder is given, and comes back as a read-only mapping, so that ten large replies do not need ten
times their size of memory.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fedward_shared.errors import WireError
from fedward_shared.wire import frames
from fedward_shared.wire.frames import CHUNK_BYTES, Kind
from fedward_shared.wire.parcel import INLINE_BYTES, Parcel, Refused

__all__ = ["SPOOL_BYTES", "Arrived", "Cancelled", "Declined", "Event", "Inbox", "RefusalCame", "outgoing"]

SPOOL_BYTES = 1 << 20
_MAX_OPEN = 4
_MAX_SKIPPED = 64


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole message whose payload and head are those that its seal names."""

    transfer: int
    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Declined:
    """We do not take a message; what follows of it is thrown away as it comes."""

    transfer: int
    refused: Refused


@dataclass(frozen=True, slots=True)
class RefusalCame:
    """The other side refuses to answer."""

    transfer: int
    refused: Refused


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The other side no longer waits."""

    transfer: int


Event = Arrived | Declined | RefusalCame | Cancelled


def outgoing(transfer: int, parcel: Parcel, wanted: Callable[[], bool] = lambda: True) -> Iterator[bytes]:
    """The frames of one message, each made when it is asked for; ends early where `wanted` turns false."""
    yield frames.opening_frame(transfer, parcel)
    if parcel.payload_bytes <= INLINE_BYTES:
        return
    for pieces in _chunks(parcel.parts):
        if not wanted():
            return
        yield frames.chunk_frame(transfer, pieces)
    yield frames.seal_frame(transfer, parcel)


class Inbox:
    """Puts the messages of one stream together. Used by one thread.

    `size_of` reads the payload's size from a head; `limit(transfer, head)` says what size may come, or refuses;
    `wanted(transfer)` turns false once nobody waits for it any more.
    """

    def __init__(
        self,
        size_of: Callable[[bytes], int],
        limit: Callable[[int, bytes], int | Refused],
        *,
        too_large: Refused,
        wanted: Callable[[int], bool] = lambda _: True,
        spool: Path | None = None,
    ) -> None:
        self._size_of = size_of
        self._limit = limit
        self._too_large = too_large
        self._wanted = wanted
        self._spool = spool
        self._open: dict[int, _Incoming] = {}
        self._skipped: dict[int, None] = {}

    def feed(self, raw: bytes) -> Event | None:
        """Takes one frame; an event where one follows from it.

        Raises:
            WireError: the frame, or the message that it ends, is not what the protocol allows. The stream must end.
        """
        frame = frames.split(raw)
        match frame.kind:
            case Kind.CHUNK:
                self._chunk(frame)
                return None
            case Kind.OPENING:
                return self._opening(frame)
            case Kind.SEAL:
                return self._seal(frame)
            case Kind.REFUSAL:
                refused = frames.read_refusal(frame)
                self._drop(frame.transfer)
                return RefusalCame(frame.transfer, refused)
            case Kind.CANCEL:
                frames.read_empty(frame)
                self._drop(frame.transfer)
                return Cancelled(frame.transfer)
            case Kind.PROGRESS:
                frames.read_empty(frame)
                return None
            case _:
                raise WireError(f"a {frame.kind.name.lower()} frame has no place here")

    def _opening(self, frame: frames.Frame) -> Event | None:
        transfer = frame.transfer
        if transfer in self._open:
            raise WireError("a transfer was opened twice")
        opening = frames.read_opening(frame)
        announced = self._size_of(opening.head)
        inline = announced <= INLINE_BYTES
        if inline != bool(opening.seal) or len(opening.inline) != (announced if inline else 0):
            raise WireError(f"an opening does not hold what a payload of {announced} bytes needs")
        if not self._wanted(transfer):
            self._skip(transfer, inline=inline)
            return None
        allowed = self._limit(transfer, opening.head)
        if isinstance(allowed, Refused) or announced > allowed:
            self._skip(transfer, inline=inline)
            return Declined(transfer, allowed if isinstance(allowed, Refused) else self._too_large)
        if inline:
            incoming = _Incoming(opening.head, announced, None)
            if announced:
                incoming.add(memoryview(opening.inline))
            return Arrived(transfer, incoming.finish(opening.seal, opening.signature))
        self._begin(transfer, opening.head, announced)
        return None

    def _begin(self, transfer: int, head: bytes, announced: int) -> None:
        for stale in [known for known in self._open if not self._wanted(known)]:
            self._drop(stale)
        if len(self._open) >= _MAX_OPEN:
            raise WireError(f"more than {_MAX_OPEN} transfers are open at once")
        self._skipped.pop(transfer, None)
        self._open[transfer] = _Incoming(head, announced, self._spool)

    def _chunk(self, frame: frames.Frame) -> None:
        incoming = self._open.get(frame.transfer)
        if incoming is None:
            if frame.transfer not in self._skipped:
                raise WireError("a chunk belongs to no open transfer")
        elif self._wanted(frame.transfer):
            incoming.add(frame.body)
        else:
            self._drop(frame.transfer)

    def _seal(self, frame: frames.Frame) -> Event | None:
        seal, signature = frames.read_seal(frame)
        incoming = self._open.pop(frame.transfer, None)
        if incoming is not None:
            return Arrived(frame.transfer, incoming.finish(seal, signature))
        if frame.transfer not in self._skipped:
            raise WireError("a seal belongs to no open transfer")
        del self._skipped[frame.transfer]
        return None

    def _drop(self, transfer: int) -> None:
        if self._open.pop(transfer, None) is not None:
            self._skip(transfer, inline=False)

    def _skip(self, transfer: int, *, inline: bool) -> None:
        """Remembers, for a while, that what still comes of a transfer may be thrown away."""
        if inline:
            return
        self._skipped[transfer] = None
        if len(self._skipped) > _MAX_SKIPPED:
            del self._skipped[next(iter(self._skipped))]


class _Incoming:
    """One payload on its way in."""

    __slots__ = ("_file", "_got", "_hash", "_head", "_memory", "_size")

    def __init__(self, head: bytes, size: int, spool: Path | None) -> None:
        self._head = head
        self._size = size
        self._got = 0
        self._hash = hashlib.sha256()
        self._file = None
        self._memory = bytearray()
        if spool is not None and size > SPOOL_BYTES:
            self._file = tempfile.TemporaryFile(dir=spool, buffering=0)  # noqa: SIM115  # closed in finish, or with us
        else:
            self._memory = bytearray(size)

    def add(self, data: memoryview) -> None:
        end = self._got + data.nbytes
        if data.nbytes == 0 or end > self._size:
            raise WireError("a chunk is empty, or more bytes came than were announced")
        self._hash.update(data)
        if self._file is None:
            self._memory[self._got : end] = data
        else:
            while data.nbytes:
                data = data[os.write(self._file.fileno(), data) :]
        self._got = end

    def finish(self, seal: bytes, signature: bytes) -> Parcel:
        if self._got != self._size:
            raise WireError(f"{self._size} bytes were announced and {self._got} came")
        if seal != hashlib.sha256(self._head).digest() + self._hash.digest():
            raise WireError("a message is not the one that its seal names")
        view = memoryview(self._memory).toreadonly()
        if self._file is not None:
            with self._file as file:
                view = memoryview(mmap.mmap(file.fileno(), self._size, access=mmap.ACCESS_READ))
        parts = (view,) if self._size else ()
        return Parcel(self._head, parts, self._size, seal, signature)


def _chunks(parts: Sequence[memoryview]) -> Iterator[list[memoryview]]:
    """Pieces of the parts, in groups of exactly CHUNK_BYTES; the last may be shorter."""
    group: list[memoryview] = []
    room = CHUNK_BYTES
    for part in parts:
        at = 0
        while at < part.nbytes:
            piece = part[at : at + room]
            group.append(piece)
            at += piece.nbytes
            room -= piece.nbytes
            if room == 0:
                yield group
                group, room = [], CHUNK_BYTES
    if group:
        yield group
