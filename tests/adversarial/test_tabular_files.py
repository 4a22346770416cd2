"""A CSV, Parquet or Excel file as a weapon: told without a cell's text, in bounded memory, and never run."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.sources import csv_bytes
from fedward_client.importer.sources.registry import open_source
from fedward_shared.errors import FedwardError, SourceDataError, UsageError

SECRET = "Zebra-4711"
HEAD = b"id,age\n"


def _workbook(rows: list[list[object]] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows or [["id", "age"], ["p", 50]]:
        book.worksheets[0].append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _with_sheet(xml: bytes, *, level: int = 6) -> bytes:
    """A workbook whose sheet holds these rows."""
    content = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(_workbook())) as old, zipfile.ZipFile(content, "w", compresslevel=level) as new:
        for member in old.infolist():
            body = old.read(member)
            if member.filename == "xl/worksheets/sheet1.xml":
                start = body.index(b"<sheetData>") + len(b"<sheetData>")
                body = body[:start] + xml + body[body.index(b"</sheetData>") :]
            new.writestr(member.filename, body, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _parquet(table: pl.DataFrame | None = None) -> bytes:
    content = io.BytesIO()
    (table if table is not None else pl.DataFrame({"id": ["p"], "age": [50]})).write_parquet(content)
    return content.getvalue()


def _lying(content: bytes) -> bytes:
    """The same archive; every member declares one byte less than it holds."""
    changed, place = bytearray(content), 0
    while (place := content.find(b"PK\x01\x02", place)) >= 0:
        (size,) = struct.unpack_from("<I", content, place + 24)
        struct.pack_into("<I", changed, place + 24, size - 1)
        place += 4
    return bytes(changed)


def _flagged(content: bytes) -> bytes:
    """The same archive, said to be encrypted."""
    changed, place = bytearray(content), 0
    while (place := content.find(b"PK\x01\x02", place)) >= 0:
        changed[place + 8] |= 1
        place += 4
    return bytes(changed)


def _odd_archive(names: list[str]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return content.getvalue()


REFUSED = {
    "nothing": ("csv", b""),
    "binary": ("csv", bytes(range(256)) * 100),
    "a gzip file under another name": ("csv", gzip.compress(HEAD + b"p,50\n" * 1000)),
    "an Excel file under another name": ("csv", _workbook()),
    "a Parquet file under another name": ("csv", _parquet()),
    "UTF-16": ("csv", (HEAD + b"p,50\n").decode().encode("utf-16")),
    "UTF-16 without its mark": ("csv", (HEAD + b"p,50\n").decode().encode("utf-16-le")),
    "latin-1": ("csv", HEAD + "Müller,50\n".encode("latin-1")),
    "overlong UTF-8": ("csv", HEAD + b"\xc0\xaf,50\n"),
    "a surrogate": ("csv", HEAD + b"\xed\xa0\x80,50\n"),
    "zero bytes": ("csv", HEAD + b"\0" * 10_000),
    "a zero byte in a cell": ("csv", HEAD + b"p\0,50\n"),
    "no line ends": ("csv", b"a" * 9_000_000),
    "one endless row": ("csv", HEAD + b"p," * 5_000_000),
    "one endless cell": ("csv", HEAD + b"p," + b"5" * 2_000_000 + b"\n"),
    "one endless quoted cell": ("csv", HEAD + b'p,"' + b"5\n" * 1_000_000 + b'"\n'),
    "an open quote": ("csv", HEAD + b'"p,50\n' + b"q,50\n" * 10_000),
    "an open quote before much": ("csv", HEAD + b'"p,50\n' + b"q,50\n" * 2_000_000),
    "quotes in quotes": ("csv", HEAD + b'"p"q,50\n'),
    "a quote in a cell": ("csv", HEAD + b'p"q",50\n'),
    "carriage returns only": ("csv", b"id,age\rp,50\rq,60\r"),
    "a header of too many columns": ("csv", b"x," * 100_000 + HEAD),
    "the header twice": ("csv", HEAD.strip() + b"," + HEAD + b"p,50,p,50\n"),
    "a column called as our own": ("csv", b"id,age,fedward_row\np,50,1\n"),
    "no gzip": ("csv.gz", HEAD + b"p,50\n"),
    "half a gzip": ("csv.gz", gzip.compress(HEAD + b"p,50\n" * 1000)[:-20]),
    "a gzip with a wrong sum": ("csv.gz", gzip.compress(HEAD + b"p,50\n")[:-8] + b"\0" * 8),
    "a gzip of nothing like a table": ("csv.gz", gzip.compress(bytes(range(256)))),
    "no Parquet": ("parquet", HEAD + b"p,50\n"),
    "half a Parquet": ("parquet", _parquet()[:-30]),
    "an Excel file as Parquet": ("parquet", _workbook()),
    "no Excel": ("xlsx", HEAD + b"p,50\n"),
    "half an Excel": ("xlsx", _workbook()[:-400]),
    "a Parquet as Excel": ("xlsx", _parquet()),
    "an old or encrypted Excel": ("xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 5000),
    "an encrypted archive": ("xlsx", _flagged(_workbook())),
    "a binary workbook": ("xlsx", _odd_archive(["[Content_Types].xml", "xl/workbook.bin"])),
    "another archive": ("xlsx", _odd_archive(["content.xml", "mimetype"])),
    "an archive of nothing": ("xlsx", _odd_archive([])),
    "an archive of many": ("xlsx", _odd_archive(["xl/workbook.xml", *map(str, range(10_001))])),
    "a workbook that is none": ("xlsx", _odd_archive(["xl/workbook.xml"])),
    "members larger than declared": ("xlsx", _lying(_workbook())),
    "two cells far apart": (
        "xlsx",
        _with_sheet(b'<row r="1"><c r="A1"/></row><row r="999999"><c r="XFD999999"/></row>'),
    ),
    "a row far away": ("xlsx", _with_sheet(b'<row r="1"><c r="ZZ1"/></row><row r = \'1048576\'><c><v>1</v></c></row>')),
    "a bomb of blanks": ("xlsx", _with_sheet(b" " * 200_000_000, level=9)),
    "broken XML": ("xlsx", _with_sheet(b"<row><c><v>1</row>")),
}


def _read(source: Path, kind: str = "", **options: Option) -> Iterator[pl.DataFrame]:
    opened = open_source(SourceTerms(kind, Path(source.name), options), source.parent)
    opened.columns()
    for batch in opened.batches(("id", "age")):
        yield batch.table


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("ending", "content"), REFUSED.values(), ids=REFUSED.keys())
def test_a_hostile_file_is_told(tmp_path: Path, ending: str, content: bytes) -> None:
    source = tmp_path / f"source.{ending}"
    source.write_bytes(content)

    with pytest.raises(SourceDataError) as failure:
        list(_read(source))

    assert "source." in failure.value.message
    assert failure.value.hint
    assert len(failure.value.diagnostics()) < 2_000


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "xlsx", "tsv", "dat"])
@pytest.mark.parametrize("what", ["a device", "a folder", "a pipe", "a loop of links", "a link to nothing", "nothing"])
def test_what_is_no_file_is_told_at_once(tmp_path: Path, ending: str, what: str) -> None:
    source = tmp_path / f"source.{ending}"
    if what == "a device":
        source.symlink_to("/dev/zero")
    elif what == "a folder":
        source.mkdir()
    elif what == "a pipe":
        os.mkfifo(source)
    elif what == "a loop of links":
        source.symlink_to(source)
    elif what == "a link to nothing":
        source.symlink_to(tmp_path / "gone")

    with pytest.raises(UsageError, match=f"{source} is a folder" if what == "a folder" else f"cannot read {source}"):
        list(_read(source))


@pytest.mark.parametrize("name", ["a\0b.csv", "/dev/urandom", "/proc/self/mem"])
def test_odd_names_are_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        open_source(SourceTerms("csv", Path(name)), tmp_path).columns()


def test_a_gigabyte_without_a_line_end_is_refused_after_a_little_of_it(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    with source.open("wb") as file:
        file.write(b"id,age\np,")
        file.truncate(1 << 30)

    tracemalloc.start()
    try:
        with pytest.raises(SourceDataError):
            list(_read(source))
        assert tracemalloc.get_traced_memory()[1] < 100 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("repeats", [1, 2000])
def test_a_bomb_of_gzip_is_refused_by_its_ratio(tmp_path: Path, repeats: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_bytes, "_RATIO_COUNTS_FROM", 1 << 20)
    source = tmp_path / "source.csv.gz"
    lines = HEAD + b"p,50\n" * 2_000_000 if repeats == 1 else b"p,50\n" * 1000
    source.write_bytes(gzip.compress(lines, 9) * repeats)

    if repeats == 1:
        with pytest.raises(SourceDataError, match="inflates to more than 200 times its size"):
            list(_read(source))
    else:
        tables = list(_read(source, header=("id", "age")))
        assert sum(table.height for table in tables) == 2_000_000


def test_a_formula_is_text_or_its_stored_result_and_never_evaluated(tmp_path: Path) -> None:
    cells = [b"=1+1", b"+1", b"@SUM(1)", b"=cmd|' /C calc'!A0", b'=WEBSERVICE("http://127.0.0.1:9")']
    text = tmp_path / "source.tsv"
    text.write_bytes(b"id\tage\n" + b"".join(b"p\t" + cell + b"\n" for cell in cells))
    book = tmp_path / "source.xlsx"
    row = b'<row r="%d"><c r="A%d" t="str"><f>%s</f><v>p</v></c><c r="B%d"><f>1+1</f><v>41</v></c></row>'
    rows = b"".join(row % (at, at, b'WEBSERVICE("http://127.0.0.1:9")'.replace(b'"', b"&quot;"), at) for at in (2, 3))
    names = b'<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>age</v></c></row>'
    book.write_bytes(_with_sheet(names + rows))

    (read,) = _read(text, quotes=False)
    (stored,) = _read(book)

    assert read["age"].to_list() == [cell.decode() for cell in cells]
    assert stored.select("id", "age").rows() == [("p", 41.0), ("p", 41.0)]


def test_an_entity_of_a_workbook_leads_nowhere(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.write_text(SECRET)
    content = _with_sheet(b'<row r="1"><c r="A1" t="str"><v>id</v></c><c r="B1" t="str"><v>&x;age</v></c></row>')
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w") as new:
        for member in old.infolist():
            declared = f'<!DOCTYPE w [<!ENTITY x SYSTEM "{private.as_uri()}">]>'.encode()
            new.writestr(member.filename, declared + old.read(member))
    source = tmp_path / "source.xlsx"
    source.write_bytes(packed.getvalue())

    try:
        names = open_source(SourceTerms("excel", Path(source.name)), tmp_path).columns()
    except SourceDataError as error:
        names = (error.diagnostics(),)

    assert SECRET not in "".join(names)


@pytest.mark.parametrize(
    "content",
    [
        HEAD + f'{SECRET}",50\n'.encode(),
        HEAD + f'"{SECRET},50\n'.encode(),
        HEAD + f"{SECRET},\0\n".encode(),
        HEAD + SECRET.encode() + b"\xff,50\n",
        HEAD + f"{SECRET},50,\r60\n".encode(),
        HEAD + SECRET.encode() * 200_000 + b",50\n",
    ],
)
def test_no_message_repeats_a_cell(tmp_path: Path, content: bytes) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(content)

    with pytest.raises(FedwardError) as failure:
        list(_read(source))

    told = failure.value
    assert SECRET not in told.diagnostics() + repr(told)


def test_a_row_of_the_wrong_length_is_a_rejection_and_no_end(tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(HEAD + b"p\n" + b"," * 100_000 + b"\n" + b"q,50\n")

    (table,) = _read(source)

    assert table.rows() == [(4, "q", "50")]
