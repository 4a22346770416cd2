"""CSV as rows of text: encodings, separators, line ends, quotes, rows that do not fit, gzip."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.registry import open_source
from fedward_client.importer.sources.source import ROW, Batch, Source
from fedward_shared.errors import SourceDataError, UsageError


def _open(tmp_path: Path, content: bytes, name: str = "source.csv", /, **options: Option) -> Source:
    (tmp_path / name).write_bytes(content)
    return open_source(SourceTerms("csv", Path(name), options), tmp_path)


def _rows(source: Source, columns: Sequence[str]) -> list[tuple[int | str, ...]]:
    return [row for batch in source.batches(columns) for row in batch.table.rows()]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (b"a,b\n1,2\n3,4\n", {}),
        (b"a,b\n1,2\n3,4", {}),
        (b"a,b\r\n1,2\r\n3,4\r\n", {}),
        (b"a,b\r\n1,2\r\n3,4\r", {}),
        (b"\xef\xbb\xbfa,b\n1,2\n3,4\n", {}),
        (b"a;b\n1;2\n3;4\n", {}),
        (b"a\tb\n1\t2\n3\t4\n", {}),
        (b"a|b\n1|2\n3|4\n", {"separator": "|"}),
        (b"a\tb\n1\t2\n3\t4\n", {"separator": "tab"}),
        (b'"a","b"\n"1","2"\n"3","4"\n', {}),
        (b"b,x,a\n2,-,1\n4,-,3\n", {}),
        (b" a , b \n1,2\n3,4\n", {}),
        (b"1,2\n3,4\n", {"header": ("a", "b")}),
        ("a,b\n1,2\n3,4\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("\ufeffa,b\n1,2\n3,4\n".encode("utf-16-be"), {"encoding": "utf-16"}),
        ("a,b\n1,2\n3,4\n".encode("utf-16-le"), {"encoding": "utf-16-le"}),
    ],
)
def test_the_same_table_in_many_spellings(tmp_path: Path, content: bytes, options: dict[str, Option]) -> None:
    source = _open(tmp_path, content, **options)

    first = 1 if "header" in options else 2
    assert {"a", "b"} <= set(source.columns())
    assert _rows(source, ("a", "b")) == [(first, "1", "2"), (first + 1, "3", "4")]
    assert _rows(source, ("b",)) == [(first, "2"), (first + 1, "4")]


def test_a_batch_has_row_numbers_and_text_in_the_order_asked_for(tmp_path: Path) -> None:
    (batch,) = _open(tmp_path, b"a,b,c\n1,2,3\n").batches(("c", "a"))

    assert batch.table.schema == {ROW: pl.UInt64, "c": pl.String, "a": pl.String}
    assert (batch.done, batch.of) == (12, 12)


def test_quotes_protect_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    source = _open(tmp_path, b'a,b\n"x,\ny","say ""no"""\n1,2\n')

    assert _rows(source, ("a", "b")) == [(2, "x,\ny", 'say "no"'), (3, "1", "2")]


def test_cells_come_as_they_stand(tmp_path: Path) -> None:
    source = _open(tmp_path, 'a,b\n=1+1, NA \n"",\n\ufeff,é\n'.encode())

    assert _rows(source, ("a", "b")) == [(2, "=1+1", " NA "), (3, "", ""), (4, "\ufeff", "é")]


def test_quotes_can_be_letters_like_any_other(tmp_path: Path) -> None:
    source = _open(tmp_path, b'a"\tb\n6" nail\t"x\n', "source.tsv", quotes=False)

    assert _rows(source, ('a"', "b")) == [(2, '6" nail', '"x')]


def test_rows_of_another_length_are_named_and_blank_lines_are_not(tmp_path: Path) -> None:
    (batch,) = _open(tmp_path, b"a,b\n1,2\n\n3\n4,5,6\n7,8\n").batches(("a", "b"))

    assert batch.table.rows() == [(2, "1", "2"), (6, "7", "8")]
    assert batch.rejections == (Rejection(4, "(row)", Reason.RAGGED), Rejection(5, "(row)", Reason.RAGGED))


def test_a_short_and_a_long_row_do_not_make_two_good_ones(tmp_path: Path) -> None:
    (batch,) = _open(tmp_path, b"a,b,c\n1,2\n3,4,5,6\n").batches(("a",))

    assert batch.table.height == 0
    assert [rejection.row for rejection in batch.rejections] == [2, 3]


def test_one_column_needs_no_separator(tmp_path: Path) -> None:
    source = _open(tmp_path, b'a\n1\n\n""\n2\n')

    assert _rows(source, ("a",)) == [(2, "1"), (4, ""), (5, "2")]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "iso-8859-15", "cp850", "utf-8-sig"])
def test_old_encodings(tmp_path: Path, encoding: str) -> None:
    source = _open(tmp_path, "größe,é\nü,ß\n".encode(encoding), encoding=encoding)

    assert source.columns() == ("größe", "é")
    assert _rows(source, ("größe",)) == [(2, "ü")]


def test_a_large_file_comes_in_batches_with_their_position_and_again(tmp_path: Path) -> None:
    content = b"a,b\n" + b"1,2\n" * 3_000_000
    source = _open(tmp_path, content)

    batches = list(source.batches(("a",)))

    assert len(batches) > 10
    assert [batch.done for batch in batches] == sorted(batch.done for batch in batches)
    assert (batches[0].done < batches[-1].done, batches[-1].done) == (True, len(content))
    assert pl.concat(batch.table for batch in batches)[ROW].equals(pl.Series(ROW, range(2, 3_000_002), pl.UInt64))
    assert next(source.batches(("a",))).table.equals(batches[0].table)


def test_gzip_is_read_by_its_name(tmp_path: Path) -> None:
    packed = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
    source = _open(tmp_path, packed, "source.csv.gz")

    assert source.columns() == ("a", "b")
    assert _rows(source, ("a", "b")) == [(2, "1", "2"), (3, "3", "4")]
    assert [(batch.done, batch.of) for batch in source.batches(("a",))] == [(len(packed), len(packed))]


def test_a_header_of_many_columns(tmp_path: Path) -> None:
    names = [f"gene{index}" for index in range(20_000)]
    cells = ",".join(map(str, range(20_000)))
    source = _open(tmp_path, f"{','.join(names)}\n{cells}\n".encode())

    assert _rows(source, ("gene19999", "gene0")) == [(2, "19999", "0")]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the first line must name the columns"),
        (b"\n1,2\n", "the first line must name the columns"),
        (b"a,c\n1,2\n", "no column 'b'"),
        (b"a,b,b\n1,2,3\n", "more than one column is called 'b'"),
        (b"a,b\n1,\xff\n", "line 2 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b'a,b\n1,"2\n', "a quote in line 2 is not closed"),
        (b'a,b\n1,"2"x\n', "line 2 has a quote within a cell"),
        (b'a,b\n1,2"x"\n', "line 2 has a quote within a cell"),
        (b'a,b\n"1\n\n",2\n3,4"\n5,6\n', "a quote in line 5 is not closed"),
        (b'a,b\n"1\n\n",2\n3,4"x"\n5,6\n', "line 5 has a quote within a cell"),
        (b"a,b\r1,2\r", "line 1 has a carriage return without a line feed"),
        (b"a,b\n1,2\n3,\r4\n", "line 3 has a carriage return without a line feed"),
        (b"a,b\n1,2\n3,\0\n", "line 3 holds a zero byte"),
    ],
)
def test_what_is_no_such_table_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    source = _open(tmp_path, content, separator=",")

    with pytest.raises(SourceDataError) as failure:
        _ = source.columns(), list(source.batches(("a", "b")))

    assert told in failure.value.message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "cp1252"])
def test_a_wrong_encoding_names_the_line(tmp_path: Path, encoding: str) -> None:
    wrong = {"utf-8": b"\xe9", "utf-16-le": b"\x00\xd8", "cp1252": b"\x81"}[encoding]
    lines = [text.encode(encoding) for text in ("a,b\n", "1,2\n" * 40_000, "3,")] + [wrong, "\n".encode(encoding)]
    source = _open(tmp_path, b"".join(lines), encoding=encoding)

    with pytest.raises(SourceDataError, match=f"line 40002 is not {encoding}".replace("utf-8", "UTF-8")):
        list(source.batches(("a",)))


def test_a_missing_column_names_the_nearest_and_lists_what_there_is(tmp_path: Path) -> None:
    source = _open(tmp_path, b"Age,chestpain,sex\n")

    with pytest.raises(SourceDataError) as failure:
        list(source.batches(("age", "chest_pain", "zip")))

    assert (
        failure.value.message == "source.csv: no column 'age' (is it 'Age'?), 'chest_pain' (is it 'chestpain'?), 'zip'"
    )
    assert "Its columns: 'Age', 'chestpain', 'sex'" in failure.value.hint


@pytest.mark.parametrize("separator", [",,", '"', "\n", "§"])
def test_a_separator_is_one_character(tmp_path: Path, separator: str) -> None:
    with pytest.raises(UsageError, match="one character"):
        _open(tmp_path, b"a,b\n", separator=separator)


def test_an_encoding_is_one_of_a_few(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no encoding called 'rot13'"):
        _open(tmp_path, b"a,b\n", encoding="rot13").columns()


@pytest.mark.parametrize("line", [b"63,0;1,0;2,5\n", b"63,0\t1,0\t2,5\n"])
def test_without_a_header_the_separator_is_the_one_that_fits_the_names(tmp_path: Path, line: bytes) -> None:
    source = _open(tmp_path, line, header=("a", "b", "c"))

    assert _rows(source, ("a", "c")) == [(1, "63,0", "2,5")]


def test_only_a_header_is_no_row(tmp_path: Path) -> None:
    batches: list[Batch] = list(_open(tmp_path, b"a,b\n").batches(("a",)))

    assert sum(batch.table.height for batch in batches) == 0
