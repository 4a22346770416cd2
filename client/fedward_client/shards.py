"""How a shard of tensors lies in its file: a safetensors blob whose header both ends compute, so none is ever parsed.

``header + x + y + unit + split``, little-endian, C order, without gaps: `x` (n, *shape) float32, `y` (n,) int64 class
indices, `unit` (n,) int64 patients numbered over the whole import, `split` (n,) uint8, 0 for training and 1 for test.
The header is 1,024 bytes: the length, JSON, blanks. Any safetensors reader reads it.
"""

from __future__ import annotations

import json
from math import prod

from fedward_shared.errors import UsageError

__all__ = ["HEADER_BYTES", "header", "record_bytes", "rows_in"]

HEADER_BYTES = 1024
_LENGTH_BYTES = 8
_SIZES = {"F32": 4, "I64": 8, "U8": 1}
_LABELS = (("y", "I64"), ("unit", "I64"), ("split", "U8"))


def record_bytes(shape: tuple[int, ...]) -> int:
    """Bytes of `x` in one record of this shape."""
    return prod(shape) * _SIZES["F32"]


def header(rows: int, shape: tuple[int, ...]) -> bytes:
    """The first 1,024 bytes of a shard of `rows` records of this shape.

    Raises:
        UsageError: the shape has more dimensions than fit.
    """
    entries: dict[str, object] = {}
    at = 0
    for name, kind, sides in (("x", "F32", (rows, *shape)), *((name, kind, (rows,)) for name, kind in _LABELS)):
        end = at + prod(sides) * _SIZES[kind]
        entries[name] = {"dtype": kind, "shape": sides, "data_offsets": (at, end)}
        at = end
    room = HEADER_BYTES - _LENGTH_BYTES
    text = json.dumps(entries, separators=(",", ":")).encode("ascii").ljust(room)
    if len(text) > room:
        raise UsageError("the records of a tensor study have too many dimensions")
    return room.to_bytes(_LENGTH_BYTES, "little") + text


def rows_in(size: int, shape: tuple[int, ...]) -> int | None:
    """How many records a shard of `size` bytes holds; None where that is no whole number, or none."""
    each = record_bytes(shape) + sum(_SIZES[kind] for _, kind in _LABELS)
    rows, rest = divmod(size - HEADER_BYTES, each)
    return rows if rows > 0 and not rest else None
