"""Reads a CSV file as text, in batches of rows: UTF-8, RFC 4180 quoting, any line ends, nothing interpreted.

A formula, a date or a number with a thousands separator is just text here; whether text is allowed is for
`importer.rows` to say.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from fedward_shared.errors import SourceDataError, UsageError

__all__ = ["Batch", "read_batches"]

_BATCH_ROWS = 65_536
_LONGEST_CELL = 65_536
_MOST_COLUMNS = 100_000
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of the file, only the columns that were asked for.

    `numbers` are row numbers as a spreadsheet shows them (the header is row 1); `cells[i]` is the i-th column that
    was asked for; `ragged` are the numbers of rows that had another number of cells than the header and are left out;
    `position` is how many bytes of the file were read so far.
    """

    numbers: list[int]
    cells: list[list[str]]
    ragged: list[int]
    position: int


def read_batches(path: Path, columns: Sequence[str], separator: str = ",") -> Iterator[Batch]:
    """The named columns of a CSV file, in the order of `columns`.

    Raises:
        SourceDataError: the file is not UTF-8, is quoted wrongly, or has a needed column not at all or twice.
        UsageError: the file cannot be opened, or the separator is not one character.
    """
    if len(separator) != 1 or separator in '"\r\n':
        raise UsageError("a separator is one character", hint="Such as --separator ';' or --separator tab")
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open("rb") as raw:
            yield from _rows(raw, path.name, columns, separator)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Check the name and who may read it.") from error
    finally:
        csv.field_size_limit(limit)


def _rows(raw: BinaryIO, name: str, columns: Sequence[str], separator: str) -> Iterator[Batch]:
    reader = csv.reader(_lines(raw, name), delimiter=separator, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        pick = _picker(_positions(header, columns, name, separator))
        width, full = len(header), _BATCH_ROWS
        numbers: list[int] = []
        rows: list[tuple[str, ...]] = []
        ragged: list[int] = []
        for number, row in enumerate(reader, start=2):
            if len(row) == width:
                numbers.append(number)
                rows.append(pick(row))
            elif row:
                ragged.append(number)
            if len(numbers) + len(ragged) >= full:
                yield Batch(numbers, _columns(rows, len(columns)), ragged, _position(raw))
                numbers, rows, ragged = [], [], []
        yield Batch(numbers, _columns(rows, len(columns)), ragged, _position(raw))
    except csv.Error as error:
        raise SourceDataError(
            f"{name}: quotes or line ends do not match, or a cell is longer than {_LONGEST_CELL} characters "
            f"(at or before line {reader.line_num})",
            hint="Save the file as CSV again. Cells with quotes or separators in them must be in quotes.",
        ) from error


def _picker(positions: list[int]) -> Callable[[list[str]], tuple[str, ...]]:
    """Takes the needed cells out of a row; `itemgetter` makes a tuple only of several."""
    if len(positions) > 1:
        return itemgetter(*positions)
    return lambda row: tuple(row[position] for position in positions)


def _columns(rows: list[tuple[str, ...]], count: int) -> list[list[str]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]


def _lines(raw: BinaryIO, name: str) -> Iterator[str]:
    """The file's lines as text; a line is bounded, so that a file without line ends cannot fill the memory."""
    number = 0
    longest = _MOST_COLUMNS * 16
    while line := raw.readline(longest + 1):
        number += 1
        if len(line) > longest:
            raise SourceDataError(f"{name}: line {number} is longer than {longest} bytes", hint="Is it a CSV file?")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SourceDataError(
                f"{name}: line {number} is not UTF-8", hint="Save the file as CSV in UTF-8, or convert it with iconv."
            ) from error


def _position(raw: BinaryIO) -> int:
    return raw.tell() if raw.seekable() else 0


def _positions(header: list[str], columns: Sequence[str], name: str, separator: str) -> list[int]:
    """Where each needed column stands."""
    if not any(header):
        raise SourceDataError(f"{name}: the first line must name the columns", hint="Is the file empty?")
    missing = [column for column in columns if column not in header]
    if missing:
        raise _missing(header, missing, name, separator)
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise SourceDataError(
            f"{name}: more than one column is called {', '.join(map(repr, twice))}",
            hint="Rename or remove one of them, so that it is clear which is meant.",
        )
    return [header.index(column) for column in columns]


def _missing(header: list[str], missing: list[str], name: str, separator: str) -> SourceDataError:
    parts = []
    for column in missing:
        near = difflib.get_close_matches(column, header[:_MOST_COLUMNS], n=1)
        parts.append(f"{column!r} (is it {near[0]!r}?)" if near else repr(column))
    found = ", ".join(repr(cell) for cell in header[:_SHOWN]) + (", …" if len(header) > _SHOWN else "")
    other = next((sign for sign in ";\t|," if sign != separator and len(header) == 1 and sign in header[0]), None)
    hint = f"Its columns: {found}. The contract names columns exactly."
    if other:
        hint = f"It seems to be separated otherwise: try --separator {'tab' if other == chr(9) else repr(other)}"
    return SourceDataError(f"{name}: no column {', '.join(parts)}", hint=hint)
