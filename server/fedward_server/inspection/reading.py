"""Reads the first rows of a CSV file as text, within limits of memory, whatever the file holds."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from fedward_shared.errors import SourceDataError, UsageError
from fedward_shared.manifest.checks_columns import column_name
from fedward_shared.manifest.contract import BLANKS

__all__ = ["Sample", "read_sample"]

_MOST_ROWS = 5_000
_FEWEST_ROWS = 2
_MOST_CELLS = 2_000_000
_MOST_COLUMNS = 2_000
_LONGEST_LINE = 1 << 20
_LONGEST_CELL = 65_536
_SEPARATORS = (",", ";", "\t", "|")
_OURS = "fedward_"
_NUMBER = re.compile(r"[+-]?[0-9]*[.,]?[0-9]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Sample:
    """The first rows of a table: trimmed cells, column by column.

    `left_out` says which columns cannot be used and why, `ragged` counts rows with another number of cells than the
    header, which are not in `columns`; `complete` says whether the file ended before the limit of rows.
    """

    columns: dict[str, list[str]]
    rows: int
    ragged: int
    left_out: tuple[str, ...]
    complete: bool
    decimal: str


def read_sample(path: Path) -> Sample:
    """Reads up to 5,000 rows (fewer of a wide table).

    Raises:
        SourceDataError: the file is empty, not UTF-8, not a table, without a header, or too wide.
        UsageError: it cannot be opened.
    """
    limit = csv.field_size_limit(_LONGEST_CELL)
    try:
        with path.open("rb") as raw:
            return _sample(raw, path.name)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Check the name and who may read it.") from error
    except csv.Error as error:
        raise SourceDataError(
            f"{path.name} is not a table that can be read: {error}", hint="Export it again as CSV, in UTF-8."
        ) from error
    finally:
        csv.field_size_limit(limit)


def _sample(raw: BinaryIO, name: str) -> Sample:
    lines = _lines(raw, name)
    first = next(lines, "")
    if not first.strip():
        raise SourceDataError(
            f"{name} is empty, or begins with an empty line", hint="It needs a line with names first."
        )
    separator = max(_SEPARATORS, key=lambda sign: _width(first, sign))
    reader = csv.reader(_chained(first, lines), delimiter=separator, strict=True)
    header = [cell.strip(BLANKS) for cell in next(reader)]
    _check_header(header, name)
    names, left_out = _usable(header)
    most = min(_MOST_ROWS, max(_FEWEST_ROWS, _MOST_CELLS // len(header)))
    cells: list[list[str]] = [[] for _ in names]
    rows = ragged = 0
    complete = True
    for row in reader:
        if rows == most:
            complete = False
            break
        if len(row) != len(header):
            ragged += bool(row)
            continue
        rows += 1
        for column, (at, _) in zip(cells, names, strict=True):
            column.append(row[at].strip(BLANKS))
    if rows < _FEWEST_ROWS:
        raise SourceDataError(f"{name} has fewer than {_FEWEST_ROWS} rows below its header", hint="Use a longer table.")
    columns = {column: found for (_, column), found in zip(names, cells, strict=True)}
    return Sample(columns, rows, ragged, left_out, complete, _decimal(columns, separator))


def _lines(raw: BinaryIO, name: str) -> Iterator[str]:
    """The file's lines as text, none of them longer than 1 MiB."""
    number = 0
    while line := raw.readline(_LONGEST_LINE):
        number += 1
        if len(line) == _LONGEST_LINE:
            raise SourceDataError(f"{name} has a line of more than {_LONGEST_LINE} bytes (line {number})")
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise SourceDataError(
                f"{name} is not UTF-8 (line {number})", hint='Save it again as "CSV UTF-8".'
            ) from error


def _width(line: str, separator: str) -> int:
    """How many cells a line has; none where one of them would be too long."""
    try:
        return len(next(csv.reader([line], delimiter=separator), []))
    except csv.Error:
        return 0


def _chained(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _check_header(header: list[str], name: str) -> None:
    if len(header) < 2:  # noqa: PLR2004 - a label and an input
        raise SourceDataError(
            f"{name} has one column", hint="Columns are told apart by a comma, semicolon, tab or vertical bar."
        )
    if len(header) > _MOST_COLUMNS:
        raise SourceDataError(
            f"{name} has {len(header)} columns; the most is {_MOST_COLUMNS}",
            hint="Cut it down to those that the study may use.",
        )
    if sum(bool(_NUMBER.fullmatch(cell)) for cell in header) * 2 >= len(header):
        raise SourceDataError(
            f"{name} has numbers where names belong", hint="Put a line with the columns' names first."
        )


def _usable(header: list[str]) -> tuple[list[tuple[int, str]], tuple[str, ...]]:
    """Positions and names of the columns that a contract can name, and why it cannot name the others."""
    counts = Counter(header)
    kept, left_out = [], []
    for position, name in enumerate(header, start=1):
        if not name:
            left_out.append(f"column {position}: it has no name")
        elif not column_name(name):
            left_out.append(f"column {position}: its name is too long, or has invisible characters")
        elif name.startswith(_OURS):
            left_out.append(f"column {position}: names that begin with {_OURS} are Fedward's own")
        elif counts[name] > 1:
            left_out.append(f"column {position}: another column has the same name")
        else:
            kept.append((position - 1, name))
    return kept, tuple(left_out)


def _decimal(columns: dict[str, list[str]], separator: str) -> str:
    """What stands between whole and parts in this file: "." or ","."""
    if separator == ",":
        return "."
    cells = [cell for column in columns.values() for cell in column if _NUMBER.fullmatch(cell)]
    return "," if sum("," in cell for cell in cells) > sum("." in cell for cell in cells) else "."
