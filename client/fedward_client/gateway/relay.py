"""Passing frames between link and door, byte for byte, for as long as one link stream and one door stream last.

The gateway reads the heads of openings and the kinds of all other frames; chunks it never takes apart. There are no
queues: gRPC's own window reads ahead, and a writer that is stuck holds its reader back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import Protocol

import grpc

from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import LinkError, WireError
from fedward_shared.wire import frames
from fedward_shared.wire.door_pb2 import InstructionHead, ReplyHead
from fedward_shared.wire.frames import Kind
from fedward_shared.wire.parcel import Refused

__all__ = ["DoorClosedError", "Relay", "Stream"]

_log = logging.getLogger(__name__)

_DOWN = frozenset({Kind.OPENING, Kind.CHUNK, Kind.SEAL, Kind.CANCEL})
_UP = frozenset({Kind.OPENING, Kind.CHUNK, Kind.SEAL, Kind.REFUSAL, Kind.PROGRESS})
_SILENCE_SECONDS = 30.0
_GOODBYE_SECONDS = 1.0
_MAX_REMEMBERED = 64
_GATEWAY_LIMIT = Refused(RefusalCode.GATEWAY_LIMIT)
_DOOR_CLOSED = Refused(RefusalCode.DOOR_CLOSED)


class DoorClosedError(LinkError):
    """The vault closed the door, or is silent behind it."""


class Stream(Protocol):
    """What a relay needs of a grpc.aio call whose messages are bytes."""

    async def read(self) -> object:
        """The next frame, or grpc.aio.EOF."""
        ...

    async def write(self, request: bytes) -> None:
        """Sends a frame."""
        ...

    async def done_writing(self) -> None:
        """Says that nothing more will be sent."""
        ...

    async def code(self) -> grpc.StatusCode:
        """Waits for the end."""
        ...


class Relay:
    """One attached session. `limit` is the largest payload, in bytes, that passes in either direction."""

    def __init__(self, link: Stream, door: Stream, limit: int, *, silence_seconds: float = _SILENCE_SECONDS) -> None:
        self._link = link
        self._door = door
        self._limit = limit
        self._silence_seconds = silence_seconds
        self._link_writes = asyncio.Lock()  # gRPC takes one write at a time, and both directions may refuse
        self._unanswered: dict[int, None] = {}
        self._listening_since: float | None = None

    async def run(self) -> None:
        """Relays until either stream ends, which always raises.

        Raises:
            DoorClosedError: the vault ended or fell silent.
            LinkError, grpc.aio.AioRpcError: the link ended.
            WireError: a peer sent what it may not.
        """
        tasks = [asyncio.create_task(each) for each in (self._pump_down(), self._pump_up(), self._watch())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if any(isinstance(task.exception(), DoorClosedError) for task in done):
                await self._say_closed()
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump_down(self) -> None:
        """Link to door."""
        skipped: dict[int, None] = {}
        while isinstance(raw := await self._link.read(), bytes):
            kind, transfer = _address(raw, _DOWN, "coordinator")
            if kind is Kind.OPENING and self._opens(raw, InstructionHead) is None:
                _log.warning("refused an instruction: too large or malformed")
                _remember(skipped, transfer)
                await self._to_link(frames.refusal_frame(transfer, _GATEWAY_LIMIT))
            if transfer in skipped:
                continue
            if kind is Kind.OPENING:
                _remember(self._unanswered, transfer)
            elif kind is Kind.CANCEL:
                self._unanswered.pop(transfer, None)
            await self._to_door(raw)
        raise LinkError("the coordinator ended the link")

    async def _pump_up(self) -> None:
        """Door to link."""
        skipped: dict[int, None] = {}
        while isinstance(raw := await self._from_door(), bytes):
            kind, transfer = _address(raw, _UP, "vault")
            if kind is Kind.PROGRESS:
                continue
            ends = kind in {Kind.SEAL, Kind.REFUSAL}
            if kind is Kind.OPENING:
                complete = self._opens(raw, ReplyHead)
                ends = complete is not False
                if complete is None:
                    _log.warning("refused a reply: too large or malformed")
                    _remember(skipped, transfer)
                    await self._to_link(frames.refusal_frame(transfer, _GATEWAY_LIMIT))
            if transfer not in skipped:
                await self._to_link(raw)
            if ends:
                self._unanswered.pop(transfer, None)
        raise DoorClosedError("the vault closed the door")

    async def _watch(self) -> None:
        """Ends the session where the door says nothing for too long, not even that it is alive."""
        while True:
            await asyncio.sleep(self._silence_seconds / 4)
            since = self._listening_since
            if since is not None and time.monotonic() - since > self._silence_seconds:
                raise DoorClosedError(f"the vault said nothing for {self._silence_seconds:g} s")

    async def _say_closed(self) -> None:
        """Tells the coordinator that no answer will come, and lets the link end in order."""
        with contextlib.suppress(grpc.aio.AioRpcError, LinkError, TimeoutError):
            async with asyncio.timeout(_GOODBYE_SECONDS):
                for transfer in tuple(self._unanswered):
                    await self._to_link(frames.refusal_frame(transfer, _DOOR_CLOSED))
                await self._link.done_writing()
                await self._link.code()

    def _opens(self, raw: bytes, head_type: type[InstructionHead | ReplyHead]) -> bool | None:
        """Whether the message is complete with its opening; None where it is malformed or over the limit."""
        try:
            size, complete = frames.glance(raw, head_type)
        except WireError:
            return None
        return complete if size <= self._limit else None

    async def _from_door(self) -> object:
        self._listening_since = time.monotonic()
        try:
            return await self._door.read()
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise DoorClosedError("the vault closed the door") from error
        finally:
            self._listening_since = None

    async def _to_door(self, raw: bytes) -> None:
        try:
            await self._door.write(raw)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            raise DoorClosedError("the vault closed the door") from error

    async def _to_link(self, raw: bytes) -> None:
        async with self._link_writes:
            try:
                await self._link.write(raw)
            except asyncio.InvalidStateError as error:
                raise LinkError("the coordinator ended the link") from error


def _address(raw: bytes, allowed: frozenset[Kind], sender: str) -> tuple[Kind, int]:
    kind = frames.kind_of(raw)
    if kind not in allowed:
        raise WireError(f"the {sender} sent a {kind.name.lower()} frame")
    return kind, frames.transfer_of(raw)


def _remember(transfers: dict[int, None], transfer: int) -> None:
    transfers[transfer] = None
    if len(transfers) > _MAX_REMEMBERED:
        del transfers[next(iter(transfers))]
