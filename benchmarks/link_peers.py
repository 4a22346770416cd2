"""The processes that `benchmarks.link` starts: an echoing vault, and the sites of its two baselines.

    vault HOME                   the real door; sends back each payload, hashed and signed as a real reply is
    bare TARGET PEMS NAME        one mutual-TLS stream to one process, raw messages, no frames, no hashing
    relay TARGET PEMS NAME DOOR  mutual TLS to an asyncio relay, which copies to and from a Unix socket, and
    echo DOOR                    what is behind that socket; together with `relay` they are the floor

In both baselines a site has every byte before it sends the first one back, as a real site must.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import queue
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import grpc
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.gateway.relay import Stream
from fedward_client.home import SiteHome
from fedward_client.vault.door import DoorServer
from fedward_shared.allocator import keep_freed_memory
from fedward_shared.contracts.round import Heads, ReplyHead
from fedward_shared.crypto.keys import public_bytes
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.wire import codec
from fedward_shared.wire.frames import CHUNK_BYTES, OPTIONS
from fedward_shared.wire.parcel import Parcel

__all__ = ["KEY", "METHOD", "PUBLIC_KEY", "Baseline"]

METHOD = ("base.Base", "Attach")
_PATH = f"/{METHOD[0]}/{METHOD[1]}"
_SIZE_BYTES = 8

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
"""Known to everybody: both ends of the benchmark sign with it."""
PUBLIC_KEY = public_bytes(KEY)

StartStream = Callable[[Iterator[bytes]], Iterator[bytes]]


class Baseline:
    """The coordinator's end of both baselines: rounds of raw messages with any set of sites."""

    def __init__(self, credentials: grpc.ServerCredentials) -> None:
        self.attached: set[str] = set()
        self._jobs: dict[str, queue.SimpleQueue[int | None]] = {}
        self._want = 0
        self._done = threading.Semaphore(0)
        self._data = os.urandom(CHUNK_BYTES)
        self._server = _server(self._attach)
        self.port = self._server.add_secure_port("localhost:0", credentials)
        self._server.start()

    def round(self, names: list[str], size: int) -> None:
        """Sends `size` bytes to each and waits for as many from each."""
        self._want = size
        for name in names:
            self._jobs[name].put(size)
        for _ in names:
            if not self._done.acquire(timeout=300):
                raise TimeoutError(f"a baseline's site did not answer: {names}")

    def close(self) -> None:
        """Ends all streams."""
        for jobs in self._jobs.values():
            jobs.put(None)
        self._server.stop(1).wait()

    def _attach(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        name = next(requests).decode()
        jobs: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._jobs[name] = jobs
        self.attached.add(name)
        context.add_callback(lambda: jobs.put(None))
        threading.Thread(target=self._read, args=(requests,), daemon=True).start()
        while (size := jobs.get()) is not None:
            yield size.to_bytes(_SIZE_BYTES, "little") + self._data[: min(size, CHUNK_BYTES) - _SIZE_BYTES]
            for left in range(size - CHUNK_BYTES, 0, -CHUNK_BYTES):
                yield self._data[:left]

    def _read(self, requests: Iterator[bytes]) -> None:
        got = 0
        try:
            for raw in requests:
                got += len(raw)
                if got == self._want:
                    got = 0
                    self._done.release()
        except grpc.RpcError:
            pass


def _server(handler: Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]) -> grpc.Server:
    server = grpc.server(ThreadPoolExecutor(64), options=OPTIONS)
    methods = {METHOD[1]: grpc.stream_stream_rpc_method_handler(handler)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(METHOD[0], methods),))
    return server


def _gather(first: bytes, more: Iterator[bytes]) -> list[bytes]:
    """All messages of a round; the first eight bytes say how many bytes there are."""
    held, missing = [first], int.from_bytes(first[:_SIZE_BYTES], "little") - len(first)
    while missing > 0:
        held.append(next(more))
        missing -= len(held[-1])
    return held


def _credentials(pems: Path) -> grpc.ChannelCredentials:
    ca, key, certificate = ((pems / name).read_bytes() for name in ("ca.pem", "gateway.key", "gateway.pem"))
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _bare(target: str, pems: str, name: str) -> None:
    channel = grpc.secure_channel(target, _credentials(Path(pems)), OPTIONS)
    out: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
    out.put(name.encode())
    start = cast("Callable[[str], StartStream]", channel.stream_stream)
    replies = start(_PATH)(iter(out.get, None))
    for first in replies:
        for message in _gather(first, replies):
            out.put(message)


async def _relay(target: str, pems: str, name: str, door: str) -> None:
    outside = grpc.aio.secure_channel(target, _credentials(Path(pems)), OPTIONS)
    inside = grpc.aio.insecure_channel(f"unix:{door}", OPTIONS)
    link, echo = (
        cast("Callable[[str], Callable[[], Stream]]", each.stream_stream)(_PATH)() for each in (outside, inside)
    )
    await link.write(name.encode())
    await asyncio.gather(_pump(link.read, echo.write), _pump(echo.read, link.write))


async def _pump(read: Callable[[], Awaitable[object]], write: Callable[[bytes], Awaitable[None]]) -> None:
    while isinstance(raw := await read(), bytes):
        await write(raw)


def _echo(door: str) -> None:
    def echo(requests: Iterator[bytes], _: grpc.ServicerContext) -> Iterator[bytes]:
        for first in requests:
            yield from _gather(first, requests)

    server = _server(echo)
    server.add_insecure_port(f"unix:{door}")
    server.start()
    server.wait_for_termination()


class _EchoVault:
    """Verifies, echoes, signs. A reply is hashed when it is stored, before it is sent; the echo's hash is known."""

    def limit(self, head: bytes) -> int:
        return codec.decode_instruction(head).payload_bytes

    def handle(self, parcel: Parcel, cancelled: Callable[[], bool]) -> Parcel | None:
        parcel.verify(PUBLIC_KEY, Purpose.INSTRUCTION)
        head = codec.encode_reply(ReplyHead(parcel.digest, parcel.payload_bytes, Heads()))
        body = hashlib.sha256(head).digest() + parcel.seal[32:]
        reply = Parcel(head, parcel.parts, parcel.payload_bytes, body, sign(KEY, Purpose.REPLY, body))
        return None if cancelled() else reply


def _vault(home: str) -> None:
    folders = SiteHome(Path(home))
    with DoorServer(folders.door, _EchoVault(), spool=folders.vault_dir):
        threading.Event().wait()


def main() -> None:
    """Plays one role until it is killed."""
    role, *rest = sys.argv[1:]
    keep_freed_memory()  # in every arm: the comparison is of paths, not of allocators
    try:
        match role:
            case "vault":
                _vault(*rest)
            case "bare":
                _bare(*rest)
            case "relay":
                asyncio.run(_relay(*rest))
            case _:
                _echo(*rest)
    except (KeyboardInterrupt, grpc.RpcError, grpc.aio.AioRpcError):
        pass  # the benchmark is over


if __name__ == "__main__":
    main()
