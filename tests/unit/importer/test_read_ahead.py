"""Reading ahead: the same pieces in the same order, the same errors, and an end whenever the reader's user ends."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator

import pytest

from fedward_client.importer.read_ahead import read_ahead


class Source:
    """Counts, and remembers which threads used it and whether it was closed."""

    def __init__(self, pieces: int, *, fails: bool = False) -> None:
        self.pieces = pieces
        self.fails = fails
        self.made = 0
        self.threads: set[int] = set()
        self.closed_by = 0

    def read(self) -> Iterator[int]:
        try:
            for piece in range(1, self.pieces + 1):
                self.made = piece
                self.threads.add(threading.get_ident())
                yield piece
            if self.fails:
                raise ValueError("the source is damaged")
        finally:
            self.closed_by = threading.get_ident()


@pytest.mark.timeout(30)
@pytest.mark.parametrize("pieces", [0, 1, 2, 500])
def test_pieces_come_in_order_from_one_other_thread(pieces: int) -> None:
    source = Source(pieces)

    assert list(read_ahead(source.read())) == list(range(1, pieces + 1))

    assert len(source.threads) == min(1, pieces)
    assert threading.get_ident() not in {*source.threads, source.closed_by}


@pytest.mark.timeout(30)
def test_an_error_is_raised_after_the_pieces_before_it() -> None:
    pieces = read_ahead(Source(3, fails=True).read())

    assert [next(pieces) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(ValueError, match="the source is damaged"):
        next(pieces)


@pytest.mark.timeout(30)
def test_it_reads_at_most_two_pieces_ahead_and_stops_with_its_user() -> None:
    source = Source(1000)
    pieces = read_ahead(source.read())

    assert next(pieces) == 1
    assert isinstance(pieces, Generator)
    pieces.close()

    assert source.made <= 3
    assert source.closed_by not in {0, threading.get_ident()}
    assert not any(thread.name == "read-ahead" for thread in threading.enumerate())


@pytest.mark.timeout(30)
def test_any_iterator_will_do() -> None:
    assert list(read_ahead(iter([1, 2, 3]))) == [1, 2, 3]
