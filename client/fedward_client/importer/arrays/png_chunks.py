"""Whether a PNG is whole: Pillow leaves the rows black that a file does not have."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

__all__ = ["is_whole"]

_START = 8
_HEADER = struct.Struct(">IIBBBBB")
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
"""Of each colour type: samples a pixel."""
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Adam7: first column and row, and the steps from one to the next (PNG specification, 8.2)."""
_PIECE = 1 << 16


def is_whole(content: bytes) -> bool:
    """One header, as many rows as it says, and an end. Memory stays small, whatever the rows unfold to.

    Raises:
        struct.error, KeyError, zlib.error: the file is damaged.
    """
    unpacker = zlib.decompressobj()
    header, rows = b"", 0
    expected = 0
    for kind, start, length in _chunks(content):
        if kind == b"IHDR":
            if header:
                return False
            header = content[start : start + length]
            expected = _expected(header)
        elif kind == b"IDAT" and rows < expected:
            rest = content[start : start + length]
            while rest and rows < expected:
                rows += len(unpacker.decompress(rest, _PIECE))
                rest = unpacker.unconsumed_tail
        elif kind == b"IEND":
            return rows >= expected > 0
    return False


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and length of each chunk that lies within the file."""
    place = _START
    while place + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, place)
        if place + 12 + length > len(content):
            return
        yield kind, place + 8, length
        place += 12 + length


def _expected(header: bytes) -> int:
    """Bytes of all rows, each with the byte of its filter."""
    width, height, bits, colour, _, _, interlaced = _HEADER.unpack(header)
    pixel = bits * _SAMPLES[colour]
    passes = _PASSES if interlaced else ((0, 0, 1, 1),)
    total = 0
    for left, top, across, down in passes:
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + -(-columns * pixel // 8))
    return total
