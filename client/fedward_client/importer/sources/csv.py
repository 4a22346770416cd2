"""CSV, TSV and the like: every cell as text, exactly as it stands; memory does not grow with the file.

A formula, a date or a number with a thousands separator is just text here; whether text is allowed is for checking to
say. What is a row and what is not is found by `csv_blocks`; polars then only takes cells out of clean rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import numpy as np

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.columns import check_names, positions
from fedward_client.importer.sources.csv_blocks import MOST_RECORD, Form, Rows, blocks, rows
from fedward_client.importer.sources.csv_bytes import BOM, CsvBytes
from fedward_client.importer.sources.files import source_path
from fedward_client.importer.sources.options import Options, flag, text, texts
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CsvSource"]

_PIECE = 1 << 23
_FIRST_PIECE = 1 << 16
_MOST_ROWS = 1 << 18
_SEPARATORS = ",;\t|"
_SPOKEN = {"tab": "\t", "\\t": "\t"}


@dataclass(frozen=True, slots=True)
class _Head:
    """How the file is written, its columns' names, and how many records (0 or 1) the names take up."""

    form: Form
    names: tuple[str, ...]
    records: int


class CsvSource:
    """A text file of cells. The header is row 1; blank lines count as rows, and are left out.

    Options: `separator` ("tab" for a tab; without it: the commonest of comma, semicolon, tab and | in the header),
    `encoding` (see `csv_bytes.ENCODINGS`), `header` (the names, for a file without a line of them; its first line is
    then row 1), `quotes` (false: a quote is a letter like any other, as in some TSV).
    """

    OPTIONS: ClassVar[Options] = {"separator": str, "encoding": str, "header": tuple, "quotes": bool}

    def __init__(
        self,
        path: Path,
        *,
        separator: str = "",
        encoding: str = "utf-8",
        header: Sequence[str] = (),
        quotes: bool = True,
    ) -> None:
        self._separator = _SPOKEN.get(separator, separator)
        if not re.fullmatch(r'[^"\r\n\0\x80-\U0010ffff]?', self._separator):
            raise UsageError("a separator is one character", hint="Such as ; or tab. It must be ASCII, and no quote.")
        self._path, self._encoding, self._quotes = path, encoding, quotes
        self._given = tuple(header)

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the file that `terms` name."""
        return cls(
            source_path(terms, folder),
            separator=text(terms, "separator"),
            encoding=text(terms, "encoding", "utf-8"),
            header=texts(terms, "header"),
            quotes=flag(terms, "quotes", default=True),
        )

    def columns(self) -> tuple[str, ...]:
        """The names in the header, without blanks around them."""
        with CsvBytes(self._path, self._encoding) as file:
            names = self._head(self._first(file.pieces(_FIRST_PIECE))[0]).names
        return tuple(filter(None, names))

    @property
    def rows_before(self) -> int:
        """The header is row 1, unless the mapping gives the names."""
        return 0 if self._given else 1

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row with as many cells as the header; the others are rejections."""
        with CsvBytes(self._path, self._encoding) as file:
            record, pieces = self._first(file.pieces(_PIECE))
            head = self._head(record)
            picks = positions(head.names, columns, head.form.name)
            number, skip = 1, head.records
            for block in blocks(pieces, head.form):
                parts = np.linspace(skip, block.ends.size, 1 + -(-block.ends.size // _MOST_ROWS), dtype=int).tolist()
                for first, last in pairwise(parts):
                    if first == last:
                        continue
                    found = rows(block, first, last, len(head.names))
                    ragged = (number + found.ragged).tolist()
                    yield Batch(
                        _table(found, head.form, dict(zip(columns, picks, strict=True)), number),
                        tuple(Rejection(row, "(row)", Reason.RAGGED) for row in ragged),
                        file.position,
                        file.size,
                    )
                number, skip = number + block.ends.size, 0

    def _first(self, pieces: Iterator[bytes]) -> tuple[bytes, Iterator[bytes]]:
        """The first record with its line end (or as much as may be one), and all pieces again."""
        content, end, open_quote = b"", 0, False
        for piece in pieces:
            content += piece
            while (place := content.find(b"\n", end)) >= 0:
                open_quote ^= self._quotes and content.count(b'"', end, place) % 2 == 1
                end = place + 1
                if not open_quote:
                    return content[:end], chain([content], pieces)
            if len(content) > MOST_RECORD:
                break
        return content, chain([content], pieces)

    def _head(self, record: bytes) -> _Head:
        name = self._path.name
        form = Form(name, self._separator or self._guess(record), quotes=self._quotes)
        if self._given:
            return _Head(form, check_names([given.strip() for given in self._given], name), 0)
        for block in blocks([record], form):
            line = block.content.decode()
            quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self._quotes else csv.QUOTE_NONE
            try:
                (cells,) = csv.reader([line], delimiter=form.separator, quoting=quoting, strict=True)
            except csv.Error as error:
                raise SourceDataError(f"{name}: the first line cannot be read", hint="Is it a CSV file?") from error
            return _Head(form, check_names([cell.strip() for cell in cells], name), 1)
        return _Head(form, check_names([], name), 1)

    def _guess(self, record: bytes) -> str:
        """The separator that gives the number of names there is, or the commonest outside quotes."""
        bare = re.sub(rb'"[^"]*"', b"", record) if self._quotes else record
        counts = {separator: bare.count(separator.encode()) for separator in _SEPARATORS}
        fitting = [separator for separator in _SEPARATORS if counts[separator] == len(self._given) - 1 > 0]
        return fitting[0] if fitting else max(counts, key=counts.__getitem__)


def _table(found: Rows, form: Form, picks: dict[str, int], number: int) -> pl.DataFrame:
    """The picked cells of rows that all have the same number of cells; record 0 of the block has row `number`."""
    import polars as pl

    taken = pl.Series(ROW, number + found.taken, dtype=pl.UInt64)
    places = sorted(set(picks.values()))
    if not places or not found.content:
        return pl.DataFrame([taken, *(pl.Series(name, [], dtype=pl.String) for name in picks)])
    try:
        cells = pl.read_csv(
            BOM + found.content if found.content.startswith(BOM) else found.content,  # polars drops one
            has_header=False,
            columns=places,
            separator=form.separator,
            quote_char='"' if form.quotes else None,
            infer_schema=False,
        )
    except pl.exceptions.PolarsError:
        cells = pl.DataFrame()
    if cells.shape != (taken.len(), len(places)):
        raise SourceDataError(
            f"{form.name}: rows {taken[0]} to {taken[-1]} cannot be read", hint="Save the file as CSV again."
        )
    at = {place: cells.to_series(index) for index, place in enumerate(places)}
    return pl.DataFrame([taken, *(at[place].fill_null("").alias(name) for name, place in picks.items())])
