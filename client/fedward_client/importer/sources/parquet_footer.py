"""What a Parquet file declares of itself, read before anything is decompressed.

Only counts and sizes are taken out of the footer (Apache Parquet's `parquet.thrift`, `FileMetaData`), which is written
in Thrift's compact protocol. Reading is bounded by the footer's own length.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO, TypeVar

from fedward_shared.errors import SourceDataError

__all__ = ["Footer", "RowGroup", "read_footer"]

_MAGIC, _ENCRYPTED = b"PAR1", b"PARE"
_TAIL = 8
_MOST_FOOTER = 1 << 25
_DEEPEST = 16
_LONGEST_VARINT = 10

# Thrift compact types
_LONG_LIST = 15  # the count follows
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_WHOLE = (4, 5, 6)

# field ids of parquet.thrift
_ROWS, _GROUPS = 3, 4
_CHUNKS, _GROUP_ROWS = 1, 3
_OTHER_FILE, _META = 1, 3
_PATH, _UNPACKED, _PACKED = 3, 6, 7

T = TypeVar("T")
Value = bool | int | float | bytes | list["Value"] | dict[int, "Value"]


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows, and for each top-level column the bytes declared for it: unpacked (after decompression) and packed."""

    rows: int
    unpacked: dict[str, int]
    packed: dict[str, int]


@dataclass(frozen=True, slots=True)
class Footer:
    """A whole file."""

    rows: int
    groups: tuple[RowGroup, ...]


def read_footer(file: BinaryIO, size: int, name: str) -> Footer:
    """The footer of an open file of `size` bytes.

    Raises:
        SourceDataError: it is no Parquet file, encrypted, damaged, or keeps its columns in other files.
    """
    file.seek(0)
    start = file.read(len(_MAGIC))
    file.seek(max(0, size - _TAIL))
    tail = file.read(_TAIL)
    if _ENCRYPTED in {start, tail[4:]}:
        raise SourceDataError(
            f"{name} is encrypted", hint="Save it without encryption, where the importer may read it."
        )
    length = int.from_bytes(tail[:4], "little")
    if start != _MAGIC or tail[4:] != _MAGIC or length > size - _TAIL - len(_MAGIC):
        raise SourceDataError(f"{name} is no whole Parquet file", hint="Was it copied to its end?")
    if length > _MOST_FOOTER:
        raise SourceDataError(
            f"{name} has a footer of more than {_MOST_FOOTER >> 20} MiB", hint="Is it the right file?"
        )
    file.seek(size - _TAIL - length)
    try:
        return _footer(_Compact(file.read(length)).read_struct())
    except (_DamagedError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise SourceDataError(f"{name}: its footer cannot be read", hint="Write the file again.") from error


class _DamagedError(Exception):
    pass


class _Compact:
    """A reader of Thrift's compact protocol (thrift-compact-protocol.md)."""

    def __init__(self, content: bytes) -> None:
        self._content, self._place, self._depth = content, 0, 0

    def read_struct(self) -> dict[int, Value]:
        """Fields by their ids, up to the stop field."""
        fields: dict[int, Value] = {}
        last = 0
        while head := self._byte():
            last = last + (head >> 4) if head >> 4 else self._signed()
            fields[last] = self._value(head & 15, boolean_in_type=True)
        return fields

    def _value(self, kind: int, *, boolean_in_type: bool = False) -> Value:
        if kind in {_TRUE, _FALSE}:
            return kind == _TRUE if boolean_in_type else self._byte() == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind in _WHOLE:
            return self._signed()
        if kind == _DOUBLE:
            return float(struct.unpack("<d", self._take(8))[0])
        if kind == _BINARY:
            return self._take(self._varint())
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _DamagedError
        value: Value
        if kind in {_LIST, _SET}:
            value = self._list()
        elif kind == _STRUCT:
            value = self.read_struct()
        else:
            raise _DamagedError  # maps do not occur in FileMetaData
        self._depth -= 1
        return value

    def _list(self) -> list[Value]:
        head = self._byte()
        count = self._varint() if head >> 4 == _LONG_LIST else head >> 4
        if count > len(self._content) - self._place:
            raise _DamagedError
        return [self._value(head & 15) for _ in range(count)]

    def _byte(self) -> int:
        self._place += 1
        return self._content[self._place - 1]

    def _take(self, count: int) -> bytes:
        if count > len(self._content) - self._place:
            raise _DamagedError
        self._place += count
        return self._content[self._place - count : self._place]

    def _varint(self) -> int:
        value = 0
        for index in range(_LONGEST_VARINT):
            byte = self._byte()
            value |= (byte & 127) << (7 * index)
            if byte < 128:  # noqa: PLR2004 - the last byte of a varint
                return value
        raise _DamagedError

    def _signed(self) -> int:
        value = self._varint()
        return (value >> 1) ^ -(value & 1)  # zigzag


def _footer(fields: dict[int, Value]) -> Footer:
    groups = tuple(_group(_as(dict, group)) for group in _as(list, fields.get(_GROUPS)))
    rows = _as(int, fields.get(_ROWS))
    if rows != sum(group.rows for group in groups):
        raise _DamagedError
    return Footer(rows, groups)


def _group(fields: dict[int, Value]) -> RowGroup:
    unpacked: dict[str, int] = {}
    packed: dict[str, int] = {}
    for chunk in _as(list, fields.get(_CHUNKS)):
        if _OTHER_FILE in _as(dict, chunk):
            raise _DamagedError
        meta = _as(dict, chunk.get(_META))
        name = _as(bytes, _as(list, meta.get(_PATH))[0]).decode()
        for sizes, field in ((unpacked, _UNPACKED), (packed, _PACKED)):
            sizes[name] = sizes.get(name, 0) + _count(meta.get(field))
    return RowGroup(_count(fields.get(_GROUP_ROWS)), unpacked, packed)


def _as(kind: type[T], value: object) -> T:
    if not isinstance(value, kind):
        raise _DamagedError
    return value


def _count(value: object) -> int:
    count = _as(int, value)
    if count < 0:
        raise _DamagedError
    return count
