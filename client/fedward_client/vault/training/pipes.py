"""Frames between the vault and its training worker: a length, a JSON head, raw bytes. Never pickle.

Sizes are stated in the head and checked before memory is set aside.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import time
from collections.abc import Callable, Iterable
from typing import Any

from fedward_shared.errors import TrainingError

__all__ = ["Cancelled", "Ended", "frame", "pull", "push", "read_head"]

_LENGTH_BYTES = 4
_LARGEST_HEAD = 1 << 16
_PATIENCE_MS = 50

Head = dict[str, Any]


class Cancelled(Exception):  # noqa: N818  # an order that nobody waits for any more is no error
    """Whoever gave the order no longer waits."""


class Ended(Exception):  # noqa: N818  # what it means is the reader's to say
    """The other end of the pipe is gone."""


def frame(head: Head) -> bytes:
    """A head as it travels; raw bytes whose sizes it states may follow."""
    text = json.dumps(head, separators=(",", ":")).encode()
    if len(text) > _LARGEST_HEAD:
        raise TrainingError("an order for the training worker is too long")
    return len(text).to_bytes(_LENGTH_BYTES, "big") + text


def read_head(read: Callable[[int], bytearray]) -> Head:
    """The next head, by a function that reads exactly so many bytes.

    Raises:
        TrainingError: what came is no frame.
    """
    size = int.from_bytes(read(_LENGTH_BYTES), "big")
    head: object = None
    if size <= _LARGEST_HEAD:
        with contextlib.suppress(ValueError):
            head = json.loads(read(size))
    if not isinstance(head, dict):
        raise TrainingError("the other end of the worker's pipe sent something else than a frame")
    return head


def pull(handle: int, count: int, stop: Callable[[], bool] | None = None) -> bytearray:
    """Exactly `count` bytes.

    Raises:
        Ended: the writer is gone before they came.
        Cancelled: `stop` turned true.
    """
    taken = bytearray(count)
    view = memoryview(taken)
    at = 0
    while at < count:
        _wait(handle, select.POLLIN, stop)
        got = os.readv(handle, [view[at:]])
        if not got:
            raise Ended
        at += got
    return taken


def push(handle: int, parts: Iterable[bytes | memoryview], stop: Callable[[], bool] | None = None) -> None:
    """Writes every part whole; with `stop`, `handle` must not block.

    Raises:
        Ended: the reader is gone.
        Cancelled: `stop` turned true.
    """
    for part in parts:
        view = memoryview(part).cast("B")
        while view.nbytes:
            _wait(handle, select.POLLOUT, stop)
            try:
                view = view[os.write(handle, view) :]
            except BlockingIOError:
                time.sleep(0)
            except BrokenPipeError as error:
                raise Ended from error


def _wait(handle: int, event: int, stop: Callable[[], bool] | None) -> None:
    if stop is None:
        return
    ready = select.poll()
    ready.register(handle, event)
    while not ready.poll(_PATIENCE_MS):
        if stop():
            raise Cancelled
