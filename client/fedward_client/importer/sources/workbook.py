"""What an Excel file (a zip archive of XML) would take, found before a parser of Excel sees it.

Every member is inflated once, piece by piece, and held to what the archive declares; the references of rows and cells
in it tell how large a parser's table would be (a sheet of two cells far apart is as large as a full one).
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from fedward_shared.errors import SourceDataError

__all__ = ["check_workbook"]

_MOST_MEMBERS = 10_000
_MOST_UNPACKED = 1 << 30
_MOST_RATIO = 200
_RATIO_COUNTS_FROM = 1 << 26
_MOST_CELLS = 40_000_000
_PIECE = 1 << 20

_LOCAL_HEADER = struct.Struct("<26xHH")
_REFERENCE = re.compile(rb"\br\s{0,8}=\s{0,8}[\"']([A-Za-z]{0,3})([0-9]{1,7})[\"']")
_LONGEST_REFERENCE = 40
_ENCRYPTED = 1


def check_workbook(file: BinaryIO, name: str) -> None:
    """Whether a file is an Excel workbook of bearable size.

    Raises:
        SourceDataError: it is not.
    """
    if file.read(4) == b"\xd0\xcf\x11\xe0":
        raise SourceDataError(
            f"{name} is an encrypted Excel file, or one of before 2007",
            hint="Save it as an Excel workbook (.xlsx) without a password.",
        )
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            _check_members(members, name)
            for member in members:
                _check_extent(_inflated(file, member, name), name)
    except (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, ValueError, OSError) as error:
        raise SourceDataError(f"{name} is no whole Excel workbook", hint="Was it copied to its end?") from error


def _check_members(members: list[zipfile.ZipInfo], name: str) -> None:
    names = {member.filename for member in members}
    if "xl/workbook.xml" not in names:
        what = "is a binary workbook (.xlsb)" if "xl/workbook.bin" in names else "is no Excel workbook"
        raise SourceDataError(f"{name} {what}", hint="Save it as an Excel workbook (.xlsx).")
    if any(member.flag_bits & _ENCRYPTED for member in members):
        raise SourceDataError(f"{name} is encrypted", hint="Save it without a password.")
    unpacked, packed = (sum(sizes) for sizes in zip(*((m.file_size, m.compress_size) for m in members), strict=True))
    ratio_limit = max(_RATIO_COUNTS_FROM, _MOST_RATIO * packed)
    if len(members) > _MOST_MEMBERS or unpacked > min(_MOST_UNPACKED, ratio_limit):
        raise SourceDataError(
            f"{name} unpacks to more than {_MOST_RATIO} times its size, or {_MOST_UNPACKED >> 30} GiB",
            hint="Is it the file you mean? Save so large a table as CSV.",
        )


def _inflated(file: BinaryIO, member: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    """A member's content in pieces; never more than was declared."""
    file.seek(member.header_offset)
    file.seek(sum(_LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))), 1)
    left, declared = member.compress_size, member.file_size
    if member.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise zipfile.BadZipFile
    engine = zlib.decompressobj(-zlib.MAX_WBITS) if member.compress_type == zipfile.ZIP_DEFLATED else None
    pending = b""
    while left or pending:
        if not pending:
            pending = file.read(min(left, _PIECE))
            if not pending:
                raise zipfile.BadZipFile
            left -= len(pending)
        piece = engine.decompress(pending, _PIECE) if engine else pending
        pending = engine.unconsumed_tail if engine else b""
        declared -= len(piece)
        if declared < 0:
            raise SourceDataError(f"{name} holds more than it declares", hint="Save it again with a spreadsheet.")
        yield piece
    if declared:
        raise zipfile.BadZipFile


def _check_extent(pieces: Iterator[bytes], name: str) -> None:
    """Refuses a sheet whose rows times columns would not fit into memory."""
    rows = columns = 0
    rest = b""
    for piece in pieces:
        text = rest + piece
        found = _REFERENCE.findall(text)
        rest = text[-_LONGEST_REFERENCE:]
        rows = max([rows, *(int(digits) for _, digits in found)])
        columns = max([columns, *(_column(letters) for letters in {letters for letters, _ in found})])
        if rows * columns > _MOST_CELLS:
            raise SourceDataError(
                f"{name} has a sheet of more than {_MOST_CELLS:,} cells",
                hint="Delete what stands far outside of the table, or save the table as CSV.",
            )


def _column(letters: bytes) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - ord("A") + 1
    return number
