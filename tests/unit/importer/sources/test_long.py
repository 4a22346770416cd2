"""Events in long form: which columns they stand in, and how their times are written."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest

from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.sources.registry import open_events
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW
from fedward_shared.errors import SourceDataError, UsageError


def _read(folder: Path, content: str, **options: Option) -> pl.DataFrame:
    (folder / "events.csv").write_text(content, encoding="utf-8")
    source = open_events(SourceTerms("csv", Path("events.csv"), MappingProxyType(options)), folder)
    assert source.columns() == EVENT_COLUMNS
    return pl.concat([batch.table for batch in source.batches(EVENT_COLUMNS)])


def test_options_name_the_columns_and_what_is_not_there_is_null(tmp_path: Path) -> None:
    table = _read(
        tmp_path,
        "id;taken;quantity;value\n7;2024-03-01;glucose;5,5\n8;;x;\n",
        patient="id",
        time="taken",
        code="quantity",
        separator=";",
    )

    assert table.columns == [ROW, *EVENT_COLUMNS]
    assert table.rows() == [
        (2, "7", None, "2024-03-01", "glucose", "5,5", None),
        (3, "8", None, "", "x", "", None),
    ]


def test_columns_with_the_names_of_events_need_no_option(tmp_path: Path) -> None:
    table = _read(tmp_path, "unit,value,code,time,encounter,patient\nmg,1,a,0,s,p\n")

    assert table.rows() == [(2, "p", "s", "0", "a", "1", "mg")]


@pytest.mark.parametrize(
    ("time_format", "written", "hours"),
    [
        ("hh:mm", "00:00", 0.0),
        ("hh:mm", "47:45", 47.75),
        ("hh:mm", "-01:30:36", -1.51),
        ("hh:mm", "1:60", None),
        ("hh:mm", "noon", None),
        ("minutes", "90", 1.5),
        ("minutes", "'-1,5'", None),
        ("minutes", "-1.5", -0.025),
        ("hours", "36.5", "36.5"),
        ("iso", "2024-03-01", "2024-03-01"),
    ],
)
def test_times_become_hours(tmp_path: Path, time_format: str, written: str, hours: float | str | None) -> None:
    table = _read(tmp_path, f"patient;time;code\np;{written};a\n", time_format=time_format, separator=";")

    assert table["time"].to_list() == [hours if hours is None or isinstance(hours, str) else pytest.approx(hours)]


@pytest.mark.parametrize(
    ("content", "options", "told"),
    [
        ("patient,code\np,a\n", {}, "no column 'time'"),
        ("patient,code,time\np,a,0\n", {"value": "result"}, "no column 'result'"),
        ("patient,code,time\np,a,0\n", {"time_format": "days"}, "there is no time_format 'days'"),
        ("patient,code,time\np,a,0\n", {"tiem": "time"}, "has no option 'tiem'"),
    ],
)
def test_what_does_not_fit_is_told(tmp_path: Path, content: str, options: dict[str, Option], told: str) -> None:
    with pytest.raises((SourceDataError, UsageError), match=told):
        _read(tmp_path, content, **options)


def test_any_table_can_hold_events(tmp_path: Path) -> None:
    pl.DataFrame({"patient": [1], "time": [0.5], "code": ["a"], "value": [2.5]}).write_parquet(tmp_path / "e.parquet")

    source = open_events(SourceTerms("parquet", Path("e.parquet")), tmp_path)

    (batch,) = source.batches(("patient", "time", "value", "unit"))
    assert batch.table.rows() == [(1, 1, 0.5, 2.5, None)]
