"""DICOM's file format (PS3.10): only the elements that are asked for, from bytes that are already in memory.

Files must have the preamble and say their transfer syntax. A length that a file claims allocates nothing: what is read
is at most what is there, and what is deflated unfolds up to a limit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from fedward_client.importer.quarantine import Reason, UnreadableError

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.tag import BaseTag

__all__ = ["is_dicom", "is_directory", "read_elements", "read_headers", "transfer_syntax"]

_PREAMBLE = 128
_LONG_VR = (b"OB", b"OW", b"SQ", b"UN", b"UT", b"OF", b"OD", b"OL", b"UC", b"UR", b"OV", b"SV", b"UV")
_SYNTAX = 0x0010
_DIRECTORY = b"1.2.840.10008.1.3.10"
_IMPLICIT = "1.2.840.10008.1.2"
_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_DEFLATED = "1.2.840.10008.1.2.1.99"
_MOST_ELEMENTS = 100_000


def is_dicom(content: bytes) -> bool:
    """Whether the bytes are a DICOM file with its preamble."""
    return content[_PREAMBLE : _PREAMBLE + 4] == b"DICM"


def is_directory(content: bytes) -> bool:
    """Whether a DICOM file is a DICOMDIR: a medium's list of its files."""
    return _DIRECTORY in content[_PREAMBLE : _PREAMBLE + 512]


def transfer_syntax(content: bytes) -> tuple[str, int]:
    """The transfer syntax, and where the elements after the file's meta information start.

    Raises:
        UnreadableError: it is no DICOM file.
        struct.error: it ends too early.
    """
    if not is_dicom(content):
        raise UnreadableError(Reason.UNREADABLE)
    place, syntax = _PREAMBLE + 4, ""
    while content[place : place + 2] == b"\2\0":
        (element,) = struct.unpack_from("<H", content, place + 2)
        if content[place + 4 : place + 6] in _LONG_VR:
            (length,) = struct.unpack_from("<I", content, place + 8)
            place += 12
        else:
            (length,) = struct.unpack_from("<H", content, place + 6)
            place += 8
        if element == _SYNTAX:
            syntax = content[place : place + length].decode("ascii").strip("\0 ")
        place += length
    return syntax, place


def read_elements(content: bytes, keywords: Sequence[str], *, largest: int) -> Dataset:
    """The elements with these keywords, and what sequences among them hold.

    Raises:
        UnreadableError: it is no DICOM file; TOO_LARGE where it unfolds to more than `largest` bytes.
        Exception: what pydicom raises on a damaged file.
    """
    syntax, start = transfer_syntax(content)
    body = content[start:]
    if syntax == _DEFLATED:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
        body = unpacker.decompress(body, largest + 1)
        if len(body) > largest:
            raise UnreadableError(Reason.TOO_LARGE)
        if not unpacker.eof:
            raise UnreadableError(Reason.UNREADABLE)
    return _parsed(body, syntax, keywords, _Stop(None))


def read_headers(start: bytes, keywords: Sequence[str], *, largest: int) -> tuple[Dataset, bool]:
    """The same of a file's first bytes, for keywords that are no sequences; and whether it came past the last of them.

    Raises:
        UnreadableError: it is no DICOM file.
        Exception: what pydicom raises on a damaged file.
    """
    from pydicom.tag import Tag

    stop = _Stop(max(Tag(keyword) for keyword in keywords))
    syntax, place = transfer_syntax(start)
    body = start[place:]
    if syntax == _DEFLATED:
        body = zlib.decompressobj(-zlib.MAX_WBITS).decompress(body, largest)
    return _parsed(body, syntax, keywords, stop), stop.past


class _Stop:
    """Tells pydicom to stop after the element `last`, and gives up on a file of more elements than any has."""

    def __init__(self, last: int | None) -> None:
        self.past = False
        self._last, self._left = last, _MOST_ELEMENTS

    def __call__(self, tag: BaseTag, vr: str | None, length: int) -> bool:  # noqa: ARG002 - pydicom's signature
        """Whether to stop before this element."""
        self._left -= 1
        if self._left < 0:
            raise UnreadableError(Reason.UNREADABLE)
        self.past = self._last is not None and tag > self._last
        return self.past


def _parsed(body: bytes, syntax: str, keywords: Sequence[str], stop: _Stop) -> Dataset:
    from pydicom import config
    from pydicom.filereader import read_dataset
    from pydicom.tag import Tag

    config.settings.reading_validation_mode = config.IGNORE
    return read_dataset(
        BytesIO(body),
        is_implicit_VR=syntax == _IMPLICIT,
        is_little_endian=syntax != _BIG_ENDIAN,
        stop_when=stop,
        specific_tags=[Tag(keyword) for keyword in keywords],
    )
