"""Makes the next piece while the last one is used: reading, checking and writing each have a thread of their own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import closing, nullcontext
from typing import Generic, TypeVar

__all__ = ["read_ahead"]

Piece = TypeVar("Piece")

_PATIENCE = 0.1


def read_ahead(pieces: Iterator[Piece]) -> Iterator[Piece]:
    """The same pieces in the same order, made by one thread that is at most two pieces ahead.

    What goes wrong there is raised here. When the caller stops early, the thread ends after the piece in hand; the
    iterator is used, and closed, by that thread only.
    """
    reader = _Reader(pieces)
    thread = threading.Thread(target=reader.run, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (piece := reader.waiting.get()) is not None:
            if isinstance(piece, _Failure):
                raise piece.error
            yield piece
    finally:
        reader.left.set()
        thread.join()


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Reader(Generic[Piece]):
    """The thread's side; None comes last."""

    def __init__(self, pieces: Iterator[Piece]) -> None:
        self._pieces = pieces
        self.waiting: queue.Queue[Piece | _Failure | None] = queue.Queue(maxsize=1)
        self.left = threading.Event()

    def run(self) -> None:
        try:
            self._read()
        except BaseException as error:  # noqa: BLE001 - it is raised where the pieces are used
            self._offer(_Failure(error))
        else:
            self._offer(None)

    def _read(self) -> None:
        pieces = self._pieces
        with closing(pieces) if isinstance(pieces, Generator) else nullcontext():
            for piece in pieces:
                self._offer(piece)
                if self.left.is_set():
                    return

    def _offer(self, piece: Piece | _Failure | None) -> None:
        while not self.left.is_set():
            try:
                self.waiting.put(piece, timeout=_PATIENCE)
            except queue.Full:
                continue
            return
