"""A gateway's end of the door, driven by hand, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Self, cast

import grpc

from fedward_shared.wire import frames

__all__ = ["Knock"]


class Knock:
    """A gateway's stream to the door, driven by hand."""

    def __init__(self, path: Path) -> None:
        self._channel = grpc.insecure_channel(f"unix:{path}")
        self._out: SimpleQueue[bytes | None] = SimpleQueue()
        service, method = frames.DOOR_METHOD
        start = cast("Callable[[str], Callable[[Iterator[bytes]], Iterator[bytes]]]", self._channel.stream_stream)
        self.frames = start(f"/{service}/{method}")(iter(self._out.get, None))

    def send(self, *raws: bytes) -> None:
        for raw in raws:
            self._out.put(raw)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._out.put(None)
        self._channel.close()
