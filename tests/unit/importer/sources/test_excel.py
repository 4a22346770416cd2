"""Excel: one sheet as a table, cells as a person sees them, nothing evaluated."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.sources import excel as excel_source
from fedward_client.importer.sources.registry import open_source
from fedward_client.importer.sources.source import ROW, Source
from fedward_shared.errors import SourceDataError, UsageError


def _open(tmp_path: Path, sheets: Mapping[str, Sequence[Sequence[object]]], /, **options: Option) -> Source:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    with (tmp_path / "source.xlsx").open("wb") as file:
        book.save(file)
    return open_source(SourceTerms("excel", Path("source.xlsx"), options), tmp_path)


@pytest.mark.parametrize(
    ("cells", "kind", "seen"),
    [
        (["a", None, " b ", "00123"], pl.String, ["a", None, " b ", "00123"]),
        ([1, None, 2.5, 1e300], pl.Float64, [1.0, None, 2.5, 1e300]),
        ([True, False, None, True], pl.Boolean, [True, False, None, True]),
        (
            [dt.datetime(2020, 1, 2, 3, 4), None, dt.date(2021, 1, 2), None],  # noqa: DTZ001 - as a spreadsheet has it
            pl.Datetime("ms"),
            [dt.datetime(2020, 1, 2, 3, 4), None, dt.datetime(2021, 1, 2), None],  # noqa: DTZ001
        ),
        (["x", 7, 7.25, None], pl.String, ["x", "7", "7.25", None]),
        ([*range(3), "late text"], pl.String, ["0", "1", "2", "late text"]),
        (["=1+1", "=cmd|' /C calc'!A0", "x", None], pl.String, [None, None, "x", None]),
        (["#N/A", "#DIV/0!", "x", None], pl.String, [None, None, "x", None]),
        (
            [dt.timedelta(hours=30, minutes=5), None, dt.timedelta(0), dt.timedelta(seconds=59)],
            pl.String,
            ["30:05:00", None, "00:00:00", "00:00:59"],
        ),
        ([dt.time(13, 30), None, dt.time(0), dt.time(1, 0, 59)], pl.String, ["13:30:00", None, "00:00:00", "01:00:59"]),
        ([dt.time(13, 30), "x", dt.timedelta(hours=30), 2.5], pl.String, ["13:30:00", "x", "30:00:00", "2.5"]),
        (
            [dt.time(13, 30), dt.date(1900, 1, 2), dt.date(2020, 1, 2), None],
            pl.String,
            ["13:30:00", "1900-01-02 00:00:00", "2020-01-02 00:00:00", None],
        ),
        (["é", "\u202e", "😀", ","], pl.String, ["é", "\u202e", "😀", ","]),
    ],
)
def test_cells_of_one_column(tmp_path: Path, cells: list[object], kind: pl.DataType, seen: list[object]) -> None:
    rows: list[list[object]] = [["id", "x"], *([f"p{index}", cell] for index, cell in enumerate(cells))]

    (batch,) = _open(tmp_path, {"Data": rows}).batches(("x",))

    assert batch.table.schema == {ROW: pl.UInt64, "x": kind}
    assert batch.table["x"].to_list() == seen
    assert batch.table[ROW].to_list() == [2, 3, 4, 5]


def test_a_column_that_mixes_everything_does_not_refuse_the_others(tmp_path: Path) -> None:
    rows: list[list[object]] = [["a", "x", "b", "c"], [1, dt.time(1), dt.timedelta(1), 1.5], [], [2, 2.5, "x", 2.5]]

    (batch,) = _open(tmp_path, {"Data": rows}).batches(("c", "x", "b"))

    assert batch.table.rows() == [(2, 1.5, "01:00:00", "24:00:00"), (4, 2.5, "2.5", "x")]


def test_text_after_a_thousand_numbers_is_kept(tmp_path: Path) -> None:
    (batch,) = _open(tmp_path, {"Data": [["x"], *([index] for index in range(2000)), ["late"]]}).batches(("x",))

    assert batch.table["x"].to_list()[-2:] == ["1999", "late"]


def test_rows_keep_the_spreadsheet_s_numbers_and_blank_ones_are_left_out(tmp_path: Path) -> None:
    rows: list[list[object]] = [[], [], ["b", None, " a "], [1, None, "x"], [], [None, "stray", None], [2, None, "y"]]
    source = _open(tmp_path, {"Data": rows})

    assert source.columns() == ("b", "a")
    (batch,) = source.batches(("a", "b"))
    assert batch.table.rows() == [(4, "x", 1.0), (6, None, None), (7, "y", 2.0)]


def test_a_sheet_and_a_header_row_can_be_named(tmp_path: Path) -> None:
    rows: list[list[object]] = [["Export of the cardiology ward"], ["x"], [1]]
    sheets: dict[str, list[list[object]]] = {"Notes": [["x"], [9]], "Data": rows}

    notes = _open(tmp_path, sheets, sheet="Notes")
    assert [batch.table["x"].to_list() for batch in notes.batches(("x",))] == [[9.0]]
    named = _open(tmp_path, sheets, sheet="Data", header_row=2)
    assert [batch.table.rows() for batch in named.batches(("x",))] == [[(3, 1.0)]]


def test_of_several_sheets_none_is_taken_in_silence(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError) as told:
        _open(tmp_path, {"2023": [["x"], [1]], "2024": [["x"], [2]]}).columns()
    assert "several sheets: '2023', '2024'" in told.value.message
    assert 'sheet = "2023"' in told.value.hint


def test_empty_sheets_do_not_count(tmp_path: Path) -> None:
    source = _open(tmp_path, {"Sheet1": [], "Data": [["x"], [1]], "Sheet3": []})
    assert source.columns() == ("x",)
    assert [batch.table["x"].to_list() for batch in source.batches(("x",))] == [[1.0]]


def test_rows_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(excel_source, "_BATCH", 4)
    source = _open(tmp_path, {"Data": [["x"], *([index] for index in range(10))]})

    batches = list(source.batches(("x",)))

    assert [(batch.table.height, batch.done, batch.of) for batch in batches] == [(4, 4, 10), (4, 8, 10), (2, 10, 10)]
    assert pl.concat(batch.table for batch in batches)[ROW].to_list() == list(range(2, 12))


@pytest.mark.parametrize(
    ("rows", "options", "told"),
    [
        ([], {}, "the sheet has no row with names"),
        ([["a"], [1]], {"header_row": 9}, "the sheet has no row with names"),
        ([["a", "a"], [1, 2]], {}, "more than one column is called 'a'"),
        ([["b"], [1]], {}, "no column 'a'"),
        ([["a"], [1]], {"sheet": "Zebra"}, "source.xlsx has no sheet 'Zebra'"),
    ],
)
def test_what_is_no_such_table_is_told(
    tmp_path: Path, rows: list[list[object]], options: dict[str, Option], told: str
) -> None:
    source = _open(tmp_path, {"Data": rows}, **options)

    with pytest.raises(SourceDataError) as failure:
        list(source.batches(("a",)))

    assert told in failure.value.message


def test_a_header_row_is_counted_from_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="header_row is the number of a row, from 1"):
        _open(tmp_path, {"Data": [["a"]]}, header_row=-1)
