"""Cuts CSV into blocks of whole records, and finds in each what is no row of the table; all of it exact.

Records and cells are those of RFC 4180: a cell that begins with a quote ends with one, quotes within it are doubled,
and separators and line ends within it are text; no other cell holds a quote. Lines end with LF or CRLF. Whether a byte
is inside quotes is told by the parity of the quotes before it, for a whole block at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from fedward_shared.errors import SourceDataError

__all__ = ["MOST_CELL", "MOST_RECORD", "Block", "Form", "Rows", "blocks", "rows"]

MOST_CELL = 1 << 20
"""Bytes of a cell, as it stands in the file (UTF-8)."""
MOST_RECORD = 1 << 23
"""Bytes of a record, its line end included."""

_LF, _CR, _QUOTE = b'\n\r"'
_QUOTING = "Cells with quotes, separators or line ends in them must be in quotes, and quotes in them doubled."

Places = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written. `separator` is one ASCII character. `quotes` false: a quote is a letter like any other."""

    name: str
    separator: str
    quotes: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records: `content` ends with a line end.

    `ends` are the places of the line ends outside quotes, one a record; `cells` says how many cells each record has.
    """

    content: bytes
    ends: Places
    cells: NDArray[np.unsignedinteger]


@dataclass(frozen=True, slots=True)
class Rows:
    """What some records of a block are: `content` has those with the right number of cells, and nothing else.

    `taken` are their places among the records, `ragged` those of records with another number of cells; a blank line is
    neither.
    """

    content: bytes
    taken: Places
    ragged: Places


def blocks(pieces: Iterable[bytes], form: Form) -> Iterator[Block]:
    """The records of a file, in blocks of about the size of its pieces.

    Raises:
        SourceDataError: not UTF-8, zero bytes, quotes or line ends that do not match, a cell or record too long.
    """
    rest, line = b"", 1
    for piece in chain(pieces, [b""]):
        content = rest + (piece or b"\n" * bool(rest))
        ends, cells, quotes = _structure(content, form)
        cut = int(ends[-1]) + 1 if ends.size else 0
        if len(content) - cut > MOST_RECORD or (cut < len(content) and not piece):
            raise _endless(content[cut:], form, _line(content, cut, line), quotes.size % 2 == 1)
        if cut:
            whole = content[:cut]
            _check_text(whole, form, line)
            _check_marks(whole, quotes[: np.searchsorted(quotes, cut)], form, line)
            _check_lengths(whole, ends, form, line)
            yield Block(whole, ends, cells)
            line += whole.count(b"\n") if quotes.size else ends.size
        rest = content[cut:]


def _structure(content: bytes, form: Form) -> tuple[Places, NDArray[np.unsignedinteger], Places]:
    """Places of line ends outside quotes, how many cells come before each, and the places of all quotes."""
    array = np.frombuffer(content, np.uint8)
    if form.quotes and b'"' in content:
        marks, kinds, quotes = _marks(array, form)
        at = np.flatnonzero(kinds == _LF)
        return marks[at], np.diff(at, prepend=-1).astype(np.uint64), quotes
    nowhere = np.empty(0, np.int64)
    ends = np.flatnonzero(array == _LF)
    if not ends.size:
        return ends, np.empty(0, np.uint8), nowhere
    starts = np.concatenate(([0], ends[:-1] + 1))
    enough = np.min_scalar_type(int((ends - starts).max()) + 1)  # a small type is several times faster
    separators = (array[: ends[-1] + 1] == ord(form.separator)).view(np.uint8)
    return ends, np.add.reduceat(separators, starts, dtype=enough) + enough.type(1), nowhere


def _marks(array: NDArray[np.uint8], form: Form) -> tuple[Places, NDArray[np.uint8], Places]:
    """Places of separators and line ends outside quotes, the bytes there, and the places of all quotes."""
    found = array == ord(form.separator)
    found |= array == _LF
    if form.quotes:
        found |= array == _QUOTE
    marks = np.flatnonzero(found)
    kinds = array[marks]
    quote = (kinds == _QUOTE) & form.quotes
    outside = ~(np.bitwise_xor.accumulate(quote) | quote)  # neither a quote nor after an odd number of them
    return marks[outside], kinds[outside], marks[quote]


def rows(block: Block, first: int, last: int, width: int) -> Rows:
    """Sorts the records `first` to `last` (exclusive) of a block into rows of `width` cells and what is none."""
    ends = block.ends[first:last] + 1
    start, stop = int(block.ends[first - 1]) + 1 if first else 0, int(ends[-1])
    taken = block.cells[first:last] == width
    if width > 1 and taken.all():
        return Rows(block.content[start:stop], np.arange(first, last), np.empty(0, np.int64))
    starts = np.concatenate(([start], ends[:-1]))
    blank = _blank(block.content, starts, ends)
    taken &= ~blank
    runs = np.flatnonzero(np.diff(taken, prepend=False, append=False)).reshape(-1, 2)
    content = b"".join(block.content[starts[begin] : ends[end - 1]] for begin, end in runs.tolist())
    return Rows(content, first + np.flatnonzero(taken), first + np.flatnonzero(~taken & ~blank))


def _blank(content: bytes, starts: Places, stops: Places) -> NDArray[np.bool_]:
    array = np.frombuffer(content, np.uint8)
    lengths = stops - starts
    return np.asarray((lengths == 1) | ((lengths == len(b"\r\n")) & (array[starts] == _CR)))


def _check_text(content: bytes, form: Form, line: int) -> None:
    if not content.isascii():
        try:
            content.decode()
        except UnicodeDecodeError as error:
            raise SourceDataError(
                f"{form.name}: line {_line(content, error.start, line)} is not UTF-8",
                hint="Say the file's encoding in a mapping.toml (--mapping), such as these lines: [source], then "
                f'type = "csv", path = "{form.name}", encoding = "cp1252". Or save it as CSV in UTF-8.',
            ) from error
    if b"\0" in content:
        raise SourceDataError(
            f"{form.name}: line {_line(content, content.index(0), line)} holds a zero byte",
            hint="Is it a text file? If it is UTF-16, say so as encoding in the mapping's [source].",
        )


def _check_marks(content: bytes, quotes: Places, form: Form, line: int) -> None:
    """RFC 4180: an opening quote begins a cell, a closing one ends it; outside quotes CR only stands before LF."""
    array = np.frombuffer(content, np.uint8)
    opening, closing = quotes[0::2], quotes[1::2]
    before = np.where(opening > 0, array[opening - 1], _LF)  # or the first half of a doubled quote
    after = array[closing + 1]
    separator = ord(form.separator)
    stray = np.concatenate(
        (
            opening[(before != separator) & (before != _LF) & (before != _QUOTE)],
            closing[(after != separator) & (after != _LF) & (after != _CR) & (after != _QUOTE)],
        )
    )
    if stray.size:
        raise SourceDataError(
            f"{form.name}: line {_line(content, int(stray.min()), line)} has a quote within a cell",
            hint=f"{_QUOTING} If quotes mean nothing in this file, say quotes = false in the mapping's [source].",
        )
    if b"\r" in content:
        returns = np.flatnonzero(array == _CR)
        returns = returns[array[returns + 1] != _LF]
        returns = returns[np.searchsorted(quotes, returns) % 2 == 0]
        if returns.size:
            raise SourceDataError(
                f"{form.name}: line {_line(content, int(returns[0]), line)} has a carriage return without a line feed",
                hint="Save the file as CSV again, with the line ends of Windows or Unix.",
            )


def _check_lengths(content: bytes, ends: Places, form: Form, line: int) -> None:
    longest = int(np.diff(ends, prepend=-1).max())
    if longest <= MOST_CELL:
        return
    marks = _marks(np.frombuffer(content, np.uint8), form)[0]
    long = np.flatnonzero(np.diff(marks, prepend=-1) > MOST_CELL)
    if longest > MOST_RECORD or long.size:
        at = int(marks[long[0]]) if long.size else len(content)
        raise _too_long(form, _line(content, at, line))


def _too_long(form: Form, line: int) -> SourceDataError:
    return SourceDataError(
        f"{form.name}: a cell longer than {MOST_CELL} bytes or a row longer than {MOST_RECORD} ends in line {line}",
        hint="Is it a CSV file? Is a quote missing?",
    )


def _endless(content: bytes, form: Form, line: int, open_quote: bool) -> SourceDataError:
    if not open_quote:
        return _too_long(form, line)
    line = _line(content, content.rindex(b'"'), line)
    return SourceDataError(f"{form.name}: a quote in line {line} is not closed", hint=_QUOTING)


def _line(content: bytes, place: int, first: int) -> int:
    """The number of the line that a place is in, where `content` begins with line `first`."""
    return first + content.count(b"\n", 0, place)
