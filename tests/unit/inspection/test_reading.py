"""The first rows of a table, whatever the file holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_server.inspection import read_sample
from fedward_shared.errors import SourceDataError, UsageError


def _written(folder: Path, content: bytes) -> Path:
    path = folder / "table.csv"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_and_cells_are_trimmed(tmp_path: Path, separator: str) -> None:
    rows = (("age", " sex "), ("1", "m"), (" 2\u00a0", "f"))
    sample = read_sample(_written(tmp_path, "\r\n".join(separator.join(row) for row in rows).encode("utf-8-sig")))

    assert sample.columns == {"age": ["1", "2"], "sex": ["m", "f"]}
    assert (sample.rows, sample.ragged, sample.complete, sample.left_out) == (2, 0, True, ())


def test_quotes_and_a_decimal_comma_are_understood(tmp_path: Path) -> None:
    sample = read_sample(_written(tmp_path, b'age;note\n1,5;"a;b\nc"\n2,25;x\n'))

    assert sample.columns["note"] == ["a;b\nc", "x"]
    assert sample.decimal == ","


def test_rows_of_another_length_are_counted_and_left_out(tmp_path: Path) -> None:
    sample = read_sample(_written(tmp_path, b"a,b\n1,2\n3\n\n4,5,6\n7,8\n"))

    assert sample.columns == {"a": ["1", "7"], "b": ["2", "8"]}
    assert (sample.rows, sample.ragged) == (2, 2)


def test_only_the_first_rows_are_read(tmp_path: Path) -> None:
    sample = read_sample(_written(tmp_path, b"a,b\n" + b"1,2\n" * 6000))

    assert sample.rows == 5000
    assert not sample.complete


def test_a_wide_table_is_read_less_far(tmp_path: Path) -> None:
    header = ",".join(f"c{index}" for index in range(1000)).encode()
    sample = read_sample(_written(tmp_path, header + b"\n" + (b"1," * 999 + b"1\n") * 2100))

    assert sample.rows == 2000
    assert not sample.complete


def test_hostile_headers_are_left_out_by_number(tmp_path: Path) -> None:
    header = [
        "age",
        "",
        "=cmd|'/c calc'!A1",
        "\x1b[31mred",
        "age2",
        "twice",
        "twice",
        "fedward_row",
        "x" * 201,
        "\u202ename",
    ]
    content = ",".join(header) + "\n" + (",".join("1" * len(header)) + "\n") * 3
    sample = read_sample(_written(tmp_path, content.encode()))

    assert list(sample.columns) == ["age", "=cmd|'/c calc'!A1", "age2"]
    assert [what.split(":")[0] for what in sample.left_out] == [f"column {at}" for at in (2, 4, 6, 7, 8, 9, 10)]
    assert "".join(sample.left_out).isprintable()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "is empty"),
        (b"\n\na,b\n1,2\n", "begins with an empty line"),
        (b"a,b\n", "fewer than 2 rows"),
        (b"a,b\n1,2\n", "fewer than 2 rows"),
        (b"age\n1\n2\n", "has one column"),
        (b"63.0,1.0,145\n67,1,160\n41,0,130\n", "has numbers where names belong"),
        (b"a,b\n1,\xff\n", "is not UTF-8 (line 2)"),
        ("a,b\n1,2\n".encode("utf-16"), "is not UTF-8 (line 1)"),
        (b"a,b\n1,\x00\n2,3\n" + b"\xc3", "is not UTF-8 (line 4)"),
        (b",".join(b"c%d" % index for index in range(10_000)) + b"\n1\n2\n", "has 10000 columns; the most is 2000"),
        (b"a,b\n" + b"1" * (1 << 21), "has a line of more than"),
        (b"a,b\n1,2\n1," + b"2" * 70_000 + b"\n", "is not a table that can be read"),
        (b'a,b\n1,"2\n3,4\n', "is not a table that can be read"),
        (b'a,b\n1,"2"x\n3,4\n', "is not a table that can be read"),
    ],
)
def test_what_is_no_table_is_told(tmp_path: Path, content: bytes, told: str) -> None:
    with pytest.raises(SourceDataError) as failure:
        read_sample(_written(tmp_path, content))

    assert told in failure.value.message
    assert failure.value.message.isprintable()


def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        read_sample(tmp_path / "none.csv")
    with pytest.raises(UsageError, match="cannot read"):
        read_sample(tmp_path)
