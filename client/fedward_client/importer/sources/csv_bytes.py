"""A CSV file's bytes as UTF-8, in pieces of bounded size: plain or gzip, in one of a few encodings."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from fedward_client.importer.sources.files import open_regular
from fedward_shared.errors import SourceDataError, UsageError

__all__ = ["BOM", "ENCODINGS", "CsvBytes"]

BOM = codecs.BOM_UTF8
ENCODINGS = (
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "latin-1",
    "iso-8859-1",
    "iso-8859-15",
    "cp1252",
    "cp850",
)
"""What the option `encoding` may be. utf-8 may begin with a byte order mark; utf-16 must."""

_MOST_INFLATED = 1 << 38
_MOST_RATIO = 200
_RATIO_COUNTS_FROM = 1 << 26

_LOOKS_LIKE = {
    b"\x1f\x8b": ("a gzip file", "Let its name end in .csv.gz."),
    b"PK\x03\x04": ("an Excel or zip file", 'Say type = "excel" in the mapping\'s [source], or save it as CSV.'),
    b"\xd0\xcf\x11\xe0": ("an old or encrypted Excel file", "Save it as CSV in UTF-8."),
    b"PAR1\x15": ("a Parquet file", 'Say type = "parquet" in the mapping\'s [source].'),
    b"%PDF": ("a PDF file", "Export the table as CSV in UTF-8."),
}


class CsvBytes:
    """An open file. `pieces` gives its text as UTF-8 without a byte order mark; UTF-8 itself is not yet validated.

    `position` is how many bytes of the file were read so far, of `size`.
    """

    def __init__(self, path: Path, encoding: str = "utf-8") -> None:
        if encoding not in ENCODINGS:
            raise UsageError(
                f"there is no encoding called {encoding!r} here", hint=f"There are: {', '.join(ENCODINGS)}."
            )
        self._name = path.name
        self._encoding = encoding
        self._file = open_regular(path)
        self._packed = path.name.lower().endswith(".gz")
        self.size = path.stat().st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def position(self) -> int:
        """How many bytes of the file were read so far."""
        return min(self._file.tell(), self.size)

    def pieces(self, size: int) -> Iterator[bytes]:
        """The text from its beginning; each piece was made of at most `size` bytes.

        Raises:
            SourceDataError: it is not in the encoding, no text, damaged, or inflates to absurd sizes.
            UsageError: reading it fails.
        """
        raw = self._inflated(size) if self._packed else self._plain(size)
        try:
            first = next(raw, b"")
            self._check_start(first)
            if self._encoding in {"utf-8", "utf-8-sig"}:
                yield first.removeprefix(BOM)
                yield from raw
            else:
                yield from self._recoded(first, raw)
        except OSError as error:
            raise UsageError(
                f"cannot read {self._name}: {error.strerror}", hint="Is its disk, or its share, still there?"
            ) from error

    def _plain(self, size: int) -> Iterator[bytes]:
        while piece := self._file.read(size):
            yield piece

    def _inflated(self, size: int) -> Iterator[bytes]:
        total = 0
        try:
            with gzip.GzipFile(fileobj=self._file) as unpacked:
                while piece := unpacked.read(size):
                    total += len(piece)
                    read = max(self._file.tell(), 1)
                    if total > _MOST_INFLATED or total > max(_RATIO_COUNTS_FROM, _MOST_RATIO * read):
                        raise SourceDataError(
                            f"{self._name} inflates to more than {_MOST_RATIO} times its size, or 256 GiB",
                            hint="Is it the file you mean? If so, unpack it yourself.",
                        )
                    yield piece
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise SourceDataError(
                f"{self._name} is no whole gzip file", hint="Was it copied to its end? Try gunzip --test."
            ) from error

    def _check_start(self, first: bytes) -> None:
        for start, (what, hint) in _LOOKS_LIKE.items():
            if first.startswith(start):
                raise SourceDataError(f"{self._name} is no CSV file: it begins like {what}", hint=hint)
        if self._encoding.startswith("utf-8") and first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            raise SourceDataError(
                f"{self._name}: line 1 is not UTF-8, it begins like UTF-16",
                hint='Say encoding = "utf-16" in the mapping\'s [source], or save the file as CSV in UTF-8.',
            )

    def _recoded(self, first: bytes, raw: Iterator[bytes]) -> Iterator[bytes]:
        encoding = self._encoding
        if encoding == "utf-16":
            encoding = {codecs.BOM_UTF16_LE: "utf-16-le", codecs.BOM_UTF16_BE: "utf-16-be"}.get(first[:2], "")
            if not encoding:
                raise SourceDataError(
                    f"{self._name} begins with no byte order mark",
                    hint='Say encoding = "utf-16-le" or "utf-16-be" in the mapping\'s [source].',
                )
        decoder = codecs.getincrementaldecoder(encoding)()
        lines, piece, last = 1, first, False
        while not last:
            following = next(raw, b"")
            last = not following
            try:
                text = decoder.decode(piece, final=last)
            except UnicodeDecodeError as error:
                line = lines + bytes(error.object)[: error.start].decode(encoding, errors="replace").count("\n")
                raise SourceDataError(
                    f"{self._name}: line {line} is not {self._encoding}",
                    hint="Say another encoding in the mapping's [source], or save the file as CSV in UTF-8.",
                ) from error
            lines += text.count("\n")
            coded = text.encode()
            yield coded.removeprefix(BOM) if piece is first else coded
            piece = following
