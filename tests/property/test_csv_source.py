"""The fast reader of CSV gives what a reader gives that looks at one character after the other, wherever blocks end."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources import csv as csv_source
from fedward_client.importer.sources.csv import CsvSource
from fedward_client.importer.sources.source import ROW
from fedward_shared.errors import SourceDataError

EXAMPLES = 1000 if os.environ.get("FEDWARD_LONG") else 100

cells = st.one_of(
    st.sampled_from(["", " ", "1", "NA", '"', ",", "a\nb", "\r\n", "\r", "\ufeff", "é", "=1", "😀\u2028"])
)
tables = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=12)
wild = st.lists(
    st.sampled_from(["1", "x", '"', '""', ",", ",", "\n", "\r\n", "\r", " ", "\ufeff", "é", "#", "\u2028", ";"]),
    max_size=60,
).map("".join)
sizes = st.integers(3, 40)


class _MalformedError(Exception):
    pass


def _slow(text: str) -> list[list[str]]:
    """RFC 4180, one character after the other; blank lines are records without cells."""
    records: list[list[str]] = []
    record: list[str] = []
    place, text = 0, text if text.endswith("\n") else f"{text}\n"
    while place < len(text):
        if not record and (text.startswith("\n", place) or text.startswith("\r\n", place)):
            place = text.index("\n", place) + 1
            records.append([])
            continue
        cell, place = _cell(text, place)
        record.append(cell)
        if text.startswith(",", place):
            place += 1
            continue
        place += text.startswith("\r", place)
        if not text.startswith("\n", place):
            raise _MalformedError
        place += 1
        records.append(record)
        record = []
    if record:
        raise _MalformedError
    return records


def _cell(text: str, place: int) -> tuple[str, int]:
    if not text.startswith('"', place):
        end = min(found for found in (text.find(sign, place) for sign in ',\n\r"') if found >= 0)
        return text[place:end], end
    cell = ""
    while True:
        end = text.find('"', place + 1)
        if end < 0:
            raise _MalformedError
        cell += text[place + 1 : end]
        if not text.startswith('""', end):
            return cell, end + 1
        cell, place = cell + '"', end + 1


def _fast(content: bytes, piece: int, columns: tuple[str, ...]) -> tuple[list[tuple[int | str, ...]], list[Rejection]]:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_source, "_PIECE", piece)
        patch.setattr(csv_source, "_MOST_ROWS", piece)
        path = Path(folder) / "source.csv"
        path.write_bytes(content)
        batches = list(CsvSource(path, separator=",").batches(columns))
    for batch in batches:
        assert batch.table.columns == [ROW, *columns]
    rows = [row for batch in batches for row in batch.table.rows()]
    return rows, [rejection for batch in batches for rejection in batch.rejections]


@settings(max_examples=5 * EXAMPLES, deadline=None)
@given(body=wild, piece=sizes, names=st.sampled_from(["abc", "a"]), encoding=st.sampled_from(["utf-8", "utf-8-sig"]))
def test_any_text_is_read_as_the_slow_reader_does_or_refused_by_both(
    body: str, piece: int, names: str, encoding: str
) -> None:
    text, width = ",".join(names) + "\n" + body, len(names)
    wanted = tuple(reversed(names[::2]))
    try:
        records = _slow(text)
    except _MalformedError:
        with pytest.raises(SourceDataError):
            _fast(text.encode(encoding), piece, wanted)
        return

    rows, rejections = _fast(text.encode(encoding), piece, wanted)

    numbered = list(enumerate(records, start=1))[1:]
    picked = [(number, *reversed(record[::2])) for number, record in numbered if len(record) == width]
    assert rows == picked
    assert [rejection.row for rejection in rejections] == [n for n, record in numbered if len(record) not in {0, width}]
    assert {(rejection.column, rejection.reason) for rejection in rejections} <= {("(row)", Reason.RAGGED)}


def _quoted(cell: str, *, always: bool) -> str:
    needed = always or any(sign in cell for sign in ',"\r\n')
    return '"' + cell.replace('"', '""') + '"' if needed else cell


@settings(max_examples=2 * EXAMPLES, deadline=None)
@given(table=tables, piece=sizes, ends=st.sampled_from(["\n", "\r\n"]), always=st.booleans())
def test_what_is_written_is_read_back_as_it_was(table: list[list[str]], piece: int, ends: str, *, always: bool) -> None:
    lines = [",".join(_quoted(cell, always=always) for cell in row) + ends for row in [["a", "b", "c"], *table]]

    rows, rejections = _fast("".join(lines).encode(), piece, ("a", "b", "c"))

    assert rows == [(number, *row) for number, row in enumerate(table, start=2)]
    assert rejections == []


@settings(max_examples=EXAMPLES, deadline=None)
@given(content=st.binary(max_size=80), piece=sizes)
def test_any_bytes_are_read_or_refused(content: bytes, piece: int) -> None:
    try:
        rows, _ = _fast(b"a,b\n" + content, piece, ("a",))
    except SourceDataError:
        return
    assert all("\0" not in str(row[1]) for row in rows)
