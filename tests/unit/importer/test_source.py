"""Reading CSV as text: encodings, line ends, quotes, rows that do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_client.importer.source import Batch, read_batches
from fedward_shared.errors import SourceDataError, UsageError


def _read(tmp_path: Path, content: bytes, columns: tuple[str, ...] = ("a", "b"), separator: str = ",") -> list[Batch]:
    path = tmp_path / "source.csv"
    path.write_bytes(content)
    return list(read_batches(path, columns, separator))


@pytest.mark.parametrize(
    ("content", "separator"),
    [
        (b"a,b\n1,2\n3,4\n", ","),
        (b"a,b\n1,2\n3,4", ","),
        (b"a,b\r\n1,2\r\n3,4\r\n", ","),
        (b"\xef\xbb\xbfa,b\n1,2\n3,4\n", ","),
        (b"a;b\n1;2\n3;4\n", ";"),
        (b"a\tb\n1\t2\n3\t4\n", "\t"),
        (b'"a","b"\n"1","2"\n"3","4"\n', ","),
        (b"b,x,a\n2,-,1\n4,-,3\n", ","),
        (b" a , b \n1,2\n3,4\n", ","),
    ],
)
def test_the_same_table_in_many_spellings(tmp_path: Path, content: bytes, separator: str) -> None:
    (batch,) = _read(tmp_path, content, separator=separator)

    assert batch.cells == [["1", "3"], ["2", "4"]]
    assert batch.numbers == [2, 3]
    assert batch.ragged == []


def test_quotes_protect_separators_line_ends_and_quotes(tmp_path: Path) -> None:
    (batch,) = _read(tmp_path, b'a,b\n"x,\ny","say ""no"""\n1,2\n')

    assert batch.cells == [["x,\ny", "1"], ['say "no"', "2"]]
    assert batch.numbers == [2, 3]


def test_rows_of_another_length_are_named_and_blank_lines_are_not(tmp_path: Path) -> None:
    (batch,) = _read(tmp_path, b"a,b\n1,2\n\n3\n4,5,6\n7,8\n")

    assert batch.cells == [["1", "7"], ["2", "8"]]
    assert batch.numbers == [2, 6]
    assert batch.ragged == [4, 5]


def test_a_formula_is_just_text(tmp_path: Path) -> None:
    (batch,) = _read(tmp_path, b"a,b\n=1+1,+cmd\n")

    assert batch.cells == [["=1+1"], ["+cmd"]]


def test_large_files_come_in_batches_with_their_position(tmp_path: Path) -> None:
    rows = 150_000
    content = b"a,b\n" + b"1,2\n" * rows

    batches = _read(tmp_path, content)

    assert [len(batch.numbers) for batch in batches] == [65_536, 65_536, rows - 2 * 65_536]
    assert batches[-1].numbers[-1] == rows + 1
    assert batches[-1].position == len(content)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "the first line must name the columns"),
        (b"\n1,2\n", "the first line must name the columns"),
        (b"a,c\n1,2\n", "no column 'b'"),
        (b"a,b,b\n1,2,3\n", "more than one column is called 'b'"),
        (b"a,b\n1,\xff\n", "line 2 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "line 1 is not UTF-8"),
        (b'a,b\n1,"2\n', "quotes or line ends do not match"),
        (b'a,b\n1,"2"x\n', "quotes or line ends do not match"),
        (b"a,b\r1,2\r", "quotes or line ends do not match"),
        (b"a,b\n1," + b"2" * 70_000 + b"\n", "a cell is longer than 65536"),
        (b"a,b\n" + b"1," * 2_000_000, "line 2 is longer than 1600000 bytes"),
    ],
)
def test_what_is_no_such_table_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(SourceDataError) as failure:
        _read(tmp_path, content)

    assert told in failure.value.message


def test_a_missing_column_names_the_nearest_and_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError) as failure:
        _read(tmp_path, b"Age,chestpain,sex\n", ("age", "chest_pain", "zip"))

    assert (
        failure.value.message == "source.csv: no column 'age' (is it 'Age'?), 'chest_pain' (is it 'chestpain'?), 'zip'"
    )
    assert "Its columns: 'Age', 'chestpain', 'sex'" in failure.value.hint


@pytest.mark.parametrize(("content", "hint"), [(b"a;b\n", "--separator ';'"), (b"a\tb\n", "--separator tab")])
def test_another_separator_is_suggested(tmp_path: Path, content: bytes, hint: str) -> None:
    with pytest.raises(SourceDataError) as failure:
        _read(tmp_path, content)

    assert hint in failure.value.hint


@pytest.mark.parametrize("separator", ["", ",,", '"', "\n"])
def test_a_separator_is_one_character(tmp_path: Path, separator: str) -> None:
    with pytest.raises(UsageError, match="one character"):
        _read(tmp_path, b"a,b\n", separator=separator)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        list(read_batches(tmp_path / "none.csv", ("a",)))
