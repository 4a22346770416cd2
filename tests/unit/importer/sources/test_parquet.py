"""Parquet: types as they are, row groups in slices, what it declares held against it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources import parquet as parquet_source
from fedward_client.importer.sources.parquet_footer import read_footer
from fedward_client.importer.sources.registry import open_source
from fedward_client.importer.sources.source import ROW, Source
from fedward_shared.errors import SourceDataError

TYPED = pl.DataFrame(
    {
        "text": ["a", None, " é "],
        "whole": pl.Series([1, None, 3], dtype=pl.Int16),
        "float": [0.5, None, float("nan")],
        "truth": [True, None, False],
        "day": [dt.date(2020, 1, 2), None, dt.date(1900, 1, 1)],
        "moment": pl.Series([dt.datetime(2020, 1, 2, 3, 4, 5), None, None], dtype=pl.Datetime("ms")),  # noqa: DTZ001
        "zoned": pl.Series([dt.datetime(2020, 1, 2, tzinfo=dt.UTC), None, None], dtype=pl.Datetime("us", "UTC")),
        "category": pl.Series(["x", None, "y"], dtype=pl.Categorical),
        "choice": pl.Series(["x", None, "y"], dtype=pl.Enum(["x", "y"])),
        "bytes": [b"x", None, "é".encode()],
        "money": pl.Series([Decimal("1.25"), None, Decimal(3)], dtype=pl.Decimal(10, 2)),
        "identity": pl.Series([Decimal(12), None, Decimal(3)], dtype=pl.Decimal(18, 0)),
        "huge": pl.Series([Decimal(10**37), None, Decimal(10**37 + 1)], dtype=pl.Decimal(38, 0)),
        "stay": [dt.timedelta(hours=30, seconds=1), None, dt.timedelta(hours=-1.5)],
        "clock": [dt.time(3, 4), None, dt.time(0)],
        "nothing": pl.Series([None, None, None], dtype=pl.Null),
        "list": [[1], [], [2]],
        "struct": [{"a": 1}, {"a": 2}, {"a": 3}],
    }
)


def _open(tmp_path: Path, table: pl.DataFrame, row_group_size: int | None = None) -> Source:
    table.write_parquet(tmp_path / "source.parquet", row_group_size=row_group_size)
    return open_source(SourceTerms("parquet", Path("source.parquet")), tmp_path)


@pytest.mark.parametrize(
    ("column", "kind", "cells"),
    [
        ("text", pl.String(), ["a", None, " é "]),
        ("whole", pl.Int16(), [1, None, 3]),
        ("truth", pl.Boolean(), [True, None, False]),
        ("day", pl.Date(), [dt.date(2020, 1, 2), None, dt.date(1900, 1, 1)]),
        ("moment", pl.Datetime("ms"), [dt.datetime(2020, 1, 2, 3, 4, 5), None, None]),  # noqa: DTZ001
        ("zoned", pl.Datetime("us", "UTC"), [dt.datetime(2020, 1, 2, tzinfo=dt.UTC), None, None]),
        ("category", pl.String(), ["x", None, "y"]),
        ("choice", pl.String(), ["x", None, "y"]),
        ("bytes", pl.String(), ["x", None, "é"]),
        ("money", pl.Decimal(10, 2), [Decimal("1.25"), None, Decimal(3)]),
        ("identity", pl.Decimal(18, 0), [Decimal(12), None, Decimal(3)]),
        ("huge", pl.Decimal(38, 0), [Decimal(10**37), None, Decimal(10**37 + 1)]),
        ("stay", pl.String(), ["30:00:01", None, "-01:30:00"]),
        ("clock", pl.String(), ["03:04:00", None, "00:00:00"]),
        ("nothing", pl.String(), [None, None, None]),
    ],
)
def test_cells_have_the_types_of_a_batch(tmp_path: Path, column: str, kind: pl.DataType, cells: list[object]) -> None:
    (batch,) = _open(tmp_path, TYPED).batches((column,))

    assert batch.table.schema == {ROW: pl.UInt64, column: kind}
    assert batch.table[column].to_list() == cells
    assert batch.table[ROW].to_list() == [1, 2, 3]
    assert (batch.done, batch.of) == (3, 3)


@pytest.mark.parametrize(("column", "kind"), [("list", "List"), ("struct", "Struct")])
def test_what_is_nested_is_refused_by_name_when_asked_for(tmp_path: Path, column: str, kind: str) -> None:
    source = _open(tmp_path, TYPED)

    assert column in source.columns()
    assert len(list(source.batches(("text", "whole")))) == 1
    with pytest.raises(SourceDataError, match=f"column '{column}' is of type {kind}"):
        list(source.batches(("text", column)))


@pytest.mark.parametrize("row_group_size", [None, 7, 40, 100])
def test_slices_give_every_row_once_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, row_group_size: int | None
) -> None:
    monkeypatch.setattr(parquet_source, "_SLICE", 30)
    table = pl.DataFrame({"a": range(100), "b": [f"b{index}" for index in range(100)]})
    source = _open(tmp_path, table, row_group_size)

    batches = list(source.batches(("b", "a")))

    whole = pl.concat(batch.table for batch in batches)
    assert max(batch.table.height for batch in batches) <= 30
    assert whole.equals(table.select(pl.Series(ROW, range(1, 101), pl.UInt64), "b", "a"))
    assert [batch.done for batch in batches][-1] == 100
    assert next(source.batches(("b", "a"))).table.equals(batches[0].table)


def test_a_file_of_no_rows_has_columns(tmp_path: Path) -> None:
    source = _open(tmp_path, TYPED.clear())

    assert source.columns()[:2] == ("text", "whole")
    assert list(source.batches(("text",))) == []


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError, match="no column 'txt' \\(is it 'text'\\?\\)"):
        list(_open(tmp_path, TYPED).batches(("txt",)))


def test_bytes_that_are_no_text_are_told_by_rows(tmp_path: Path) -> None:
    source = _open(tmp_path, pl.DataFrame({"a": [b"fine", b"\xff\xfe"]}))

    with pytest.raises(SourceDataError, match="rows 1 to 2 cannot be read"):
        list(source.batches(("a",)))


def test_the_footer_counts_rows_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "source.parquet"
    TYPED.write_parquet(path, row_group_size=2, compression="uncompressed")

    with path.open("rb") as file:
        footer = read_footer(file, path.stat().st_size, "source.parquet")

    assert footer.rows == 3
    assert [group.rows for group in footer.groups] == [2, 1]
    assert list(footer.groups[0].unpacked) == TYPED.columns
    assert footer.groups[0].unpacked == footer.groups[0].packed
    assert 0 < sum(footer.groups[0].packed.values()) < path.stat().st_size


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ({"_MOST_UNPACKED": 1000}, "a row group of more than"),
        ({"_MOST_ROWS_PER_BYTE": 1, "_SLICE": 10}, "declares more rows than it can hold"),
        ({"_RATIO_COUNTS_FROM": 1000, "_MOST_RATIO": 2}, "unpacks to more than 2 times its size"),
    ],
)
def test_absurd_declarations_are_refused_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], told: str
) -> None:
    for name, value in limit.items():
        monkeypatch.setattr(parquet_source, name, value)
    table = pl.DataFrame({"a": ["x" * 50 + str(index % 50) for index in range(5000)]})
    table.write_parquet(tmp_path / "source.parquet", compression="zstd", use_pyarrow=False)
    source = open_source(SourceTerms("parquet", Path("source.parquet")), tmp_path)

    with pytest.raises(SourceDataError, match=told):
        list(source.batches(("a",)))


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda content: content[:0], "no whole Parquet file"),
        (lambda content: content[:-1], "no whole Parquet file"),
        (lambda content: content[: len(content) // 2], "no whole Parquet file"),
        (lambda content: b"PARE" + content[4:-4] + b"PARE", "is encrypted"),
        (lambda content: content[:-8] + (2**31 - 1).to_bytes(4, "little") + b"PAR1", "no whole Parquet file"),
        (lambda content: content[:-8] + (3).to_bytes(4, "little") + b"PAR1", "its footer cannot be read"),
        (lambda content: content[:4] + b"\0" * (len(content) - 12) + content[-8:], "its footer cannot be read"),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, damage: Callable[[bytes], bytes], told: str) -> None:
    source = _open(tmp_path, TYPED)
    path = tmp_path / "source.parquet"
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(SourceDataError, match=told):
        source.columns()


def test_a_damaged_page_is_told_by_rows(tmp_path: Path) -> None:
    source = _open(tmp_path, pl.DataFrame({"a": [f"cell {index}" for index in range(1000)]}))
    path = tmp_path / "source.parquet"
    content = path.read_bytes()
    path.write_bytes(content[:40] + b"\xff" * 200 + content[240:])

    with pytest.raises(SourceDataError, match="rows 1 to 1000 cannot be read"):
        list(source.batches(("a",)))
