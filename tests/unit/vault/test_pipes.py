"""Frames between the vault and its worker."""

import os
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from fedward_client.vault.training.pipes import Cancelled, Ended, frame, pull, push, read_head
from fedward_shared.errors import TrainingError

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def test_a_head_and_more_raw_bytes_than_a_pipe_holds_arrive_whole(pipe: Pipe) -> None:
    out, into = pipe
    os.set_blocking(into, False)
    raw = os.urandom(1_000_000)
    writer = threading.Thread(target=push, args=(into, (frame({"bytes": len(raw)}), memoryview(raw)), lambda: False))
    writer.start()
    head = read_head(partial(pull, out))
    assert head == {"bytes": len(raw)}
    assert pull(out, head["bytes"]) == raw
    writer.join()


def test_a_writer_that_is_gone_ends_reading(pipe: Pipe) -> None:
    out, into = pipe
    os.write(into, b"abc")
    os.close(into)
    with pytest.raises(Ended):
        pull(out, 4)


def test_a_reader_that_is_gone_ends_writing(pipe: Pipe) -> None:
    out, into = pipe
    os.close(out)
    with pytest.raises(Ended):
        push(into, [b"abc"])


def test_waiting_stops_when_nobody_waits_any_more(pipe: Pipe) -> None:
    out, into = pipe
    os.set_blocking(into, False)
    with pytest.raises(Cancelled):
        pull(out, 1, lambda: True)
    with pytest.raises(Cancelled):
        push(into, [bytes(1_000_000)], lambda: True)


@pytest.mark.parametrize(
    "sent", [b"\xff\xff\xff\xff", b"\x00\x01\x00\x01", b"\x00\x00\x00\x02[]", b"\x00\x00\x00\x02{x"]
)
def test_what_is_no_frame_is_refused_before_memory_is_set_aside(pipe: Pipe, sent: bytes) -> None:
    out, into = pipe
    os.write(into, sent)
    with pytest.raises(TrainingError, match="something else than a frame"):
        read_head(partial(pull, out))


def test_a_head_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(TrainingError, match="too long"):
        frame({"site": "x" * 70_000})
