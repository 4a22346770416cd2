"""The vault's end of the door: a gRPC server on a Unix socket, the only way in or out.

Three threads serve the one stream: a reader reassembles and sees a Cancel while the vault works; a worker hands
each instruction to the vault, one at a time, in the order of arrival; gRPC's own sends what is ready. Progress
frames leave at a fixed interval, whatever the vault does or does not do, so that they tell nothing.

Take the exclusive lock on the vault's folder before opening the door: binding a Unix socket silently takes the
path away from whoever listened there before.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, Self

import grpc

from fedward_client.home import LONGEST_SOCKET
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.errors import FedwardError, LinkError, UsageError, WireError
from fedward_shared.wire import codec, frames
from fedward_shared.wire.parcel import Parcel, Refused
from fedward_shared.wire.transfer import Arrived, Cancelled, Declined, Event, Inbox, outgoing

__all__ = ["DoorHandler", "DoorServer"]

_log = logging.getLogger(__name__)

_PROGRESS_SECONDS = 5.0
_CLOSE_SECONDS = 1.0
_LET_GO_SECONDS = 8.0
_FOLDER_MODE = 0o750
_SOCKET_MASK = 0o117
_MAX_WAITING = 4
_MAX_UNREAD = 256
_LOOK_SECONDS = 0.2
_THREADS = 8


class DoorHandler(Protocol):
    """The vault, as the door sees it."""

    def limit(self, head: bytes) -> int | Refused:
        """The largest payload (bytes) that may come with this head, or a refusal; asked before memory is set aside."""
        ...

    def handle(self, parcel: Parcel, cancelled: Callable[[], bool]) -> Parcel | Refused | None:
        """Answers an instruction whose seal names its head and payload (the signature is still to be checked).

        None is silence. `cancelled` turns true once the coordinator no longer waits.
        """
        ...


class DoorServer:
    """Listens on the Unix socket `path` until closed. A second stream takes the place of the first.

    The socket gets mode 0660 and its folder 0750: give the folder the gateway's group. Large payloads come in through
    unnamed files in `spool`, a folder of the vault's, which takes a third of the time of fresh memory.

    Raises:
        UsageError: the path is too long for a Unix socket.
        LinkError: the socket cannot be bound.
    """

    def __init__(
        self,
        path: Path,
        handler: DoorHandler,
        *,
        spool: Path | None = None,
        progress_seconds: float = _PROGRESS_SECONDS,
    ) -> None:
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            raise UsageError(
                f"{path} is longer than {LONGEST_SOCKET} bytes, which no Unix socket's path can be",
                hint="Choose a --home with a shorter path.",
            )
        self._handler = handler
        self._spool = spool
        self._progress_seconds = progress_seconds
        self._lock = threading.Lock()
        self._working = threading.Lock()
        self._stream: _Stream | None = None
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, "door"), options=frames.OPTIONS)
        service, method = frames.DOOR_METHOD
        handlers = {method: grpc.stream_stream_rpc_method_handler(self._deliver)}  # no serializers: frames are bytes
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
        self._bind(path)
        self._server.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the stream, cancels the instruction in hand, and waits a while until the vault has let go of it."""
        self._replace(None)
        self._server.stop(_CLOSE_SECONDS).wait()
        if self._working.acquire(timeout=_LET_GO_SECONDS):
            self._working.release()

    def _bind(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.parent.chmod(_FOLDER_MODE)
        previous = os.umask(_SOCKET_MASK)  # before bind: at no moment is the socket open to others
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise LinkError(f"cannot open the door at {path}", hint="Is its folder writable?") from error
        finally:
            os.umask(previous)

    def _replace(self, stream: _Stream | None) -> None:
        with self._lock:
            older, self._stream = self._stream, stream
        if older is not None:
            older.hang_up() if stream is not None else older.abandon()

    def _deliver(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        stream = _Stream(self._handler, self._working, context)
        self._replace(stream)
        if not context.add_callback(stream.end):
            return
        threading.Thread(target=stream.read, args=(requests, self._spool), name="door-read", daemon=True).start()
        threading.Thread(target=stream.work, name="door-work", daemon=True).start()
        yield from stream.send(self._progress_seconds)


class _Stream:
    """One gateway's stream: what waits for the vault, and what is ready to be sent. None in a queue ends it."""

    def __init__(self, handler: DoorHandler, working: threading.Lock, context: grpc.ServicerContext) -> None:
        self._handler = handler
        self._working = working
        self._context = context
        self._waiting: queue.SimpleQueue[Arrived | None] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[Iterable[bytes] | None] = queue.SimpleQueue()
        self._wanted: set[int] = set()
        self._ended = False
        self._abandoned = False

    def end(self) -> None:
        """Stops the threads. The instruction in hand is finished, so that its answer is stored for the next stream."""
        self._ended = True
        self._waiting.put(None)
        self._ready.put(None)

    def hang_up(self) -> None:
        """Ends the stream from our side."""
        self._context.cancel()  # type: ignore[no-untyped-call]  # grpc-stubs leave it untyped
        self.end()

    def abandon(self) -> None:
        """Ends the stream and cancels the instruction in hand."""
        self._abandoned = True
        self.hang_up()

    def read(self, requests: Iterator[bytes], spool: Path | None) -> None:
        """Reassembles instructions until the stream ends; in a thread of its own."""
        inbox = Inbox(
            lambda head: codec.decode_instruction(head).payload_bytes,
            lambda _, head: self._handler.limit(head),
            too_large=Refused(RefusalCode.TOO_LARGE),
            spool=spool,
        )
        try:
            for raw in requests:
                self._take(inbox.feed(raw))
        except grpc.RpcError:
            pass
        except (FedwardError, OSError) as error:
            _log.warning("the door's stream was ended: %s", error)
            self.hang_up()
        finally:
            self.end()

    def work(self) -> None:
        """Hands instructions to the vault, one at a time; in a thread of its own."""
        while (arrived := self._waiting.get()) is not None and self._take_turn():
            try:
                if arrived.transfer in self._wanted:
                    self._answer(arrived.transfer, arrived.parcel)
            finally:
                self._working.release()
            del arrived  # its payload's memory, before waiting for the next

    def send(self, progress_seconds: float) -> Iterator[bytes]:
        """What goes out: answers as they become ready, and a beat at fixed intervals."""
        beat = time.monotonic() + progress_seconds
        while True:
            try:
                job = self._ready.get(timeout=max(0.0, beat - time.monotonic()))
            except queue.Empty:
                beat = time.monotonic() + progress_seconds
                job = (frames.progress_frame(),)
            if job is None:
                return
            yield from job

    def _take_turn(self) -> bool:
        """Waits while the stream before this one has an instruction in hand; false where this one ends meanwhile."""
        while not self._ended:
            if self._working.acquire(timeout=_LOOK_SECONDS):
                return True
        return False

    def _take(self, event: Event | None) -> None:
        if self._ready.qsize() > _MAX_UNREAD:  # a hostile gateway asks, and leaves the answers to us
            raise WireError("the gateway does not read what it is answered")
        match event:
            case None:
                pass
            case Arrived(transfer):
                self._accept(transfer, event)
            case Declined(transfer, refused):
                self._ready.put((frames.refusal_frame(transfer, refused),))
            case Cancelled(transfer):
                self._wanted.discard(transfer)
            case _:
                raise WireError("only a site can refuse")

    def _accept(self, transfer: int, arrived: Arrived) -> None:
        if transfer in self._wanted:
            raise WireError("a transfer came twice")
        if max(len(self._wanted), self._waiting.qsize()) >= _MAX_WAITING:  # what was cancelled waits, too
            self._ready.put((frames.refusal_frame(transfer, Refused(RefusalCode.BUSY)),))
            return
        self._wanted.add(transfer)
        self._waiting.put(arrived)

    def _answer(self, transfer: int, parcel: Parcel) -> None:
        try:
            outcome = self._handler.handle(parcel, lambda: self._abandoned or transfer not in self._wanted)
        except Exception as error:  # noqa: BLE001  # whatever fails is silence (invariant 1), and the door stays open
            said = error if isinstance(error, FedwardError) else type(error).__name__  # others' words may hold data
            _log.error("the vault could not answer: %s", said)
            outcome = None
        match outcome:
            case Parcel():
                self._ready.put(self._frames(transfer, outcome))
            case Refused():
                self._wanted.discard(transfer)
                self._ready.put((frames.refusal_frame(transfer, outcome),))
            case None:
                self._wanted.discard(transfer)

    def _frames(self, transfer: int, reply: Parcel) -> Iterator[bytes]:
        if transfer in self._wanted:
            yield from outgoing(transfer, reply, lambda: transfer in self._wanted)
            self._wanted.discard(transfer)
