"""Dates in a declared form: exactly that form is read, and a day is never taken for a month."""

from __future__ import annotations

import polars as pl
import pytest

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.checking.date_forms import iso_dates
from fedward_client.importer.checking.moments import read_moments
from fedward_client.importer.mapping import DATE_FORMS, Answer, Mapping
from fedward_client.importer.mapping_file import mapping_text, parse_mapping
from fedward_client.importer.program.order_document import mapping_from, mapping_to
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.contracts.cohort import DataContract, DataKind, Label, NumberColumn, Timing
from fedward_shared.errors import UsageError

_WRITTEN = {
    "dd.mm.yyyy": ("31.01.2026", "2026-01-31"),
    "dd/mm/yyyy": ("02/01/2026", "2026-01-02"),
    "mm/dd/yyyy": ("02/01/2026", "2026-02-01"),
    "yyyymmdd": ("20260131", "2026-01-31"),
}


@pytest.mark.parametrize("form", DATE_FORMS)
def test_each_form_reads_what_it_writes_and_no_other(form: str) -> None:
    date, _, clock = form.partition(" ")
    written, meant = _WRITTEN.get(date, ("45321.5", "2024-01-30T12:00:00"))
    if clock:
        written, meant = f"{written} {'14:05:09'[: len(clock)]}", f"{meant}T{'14:05:09'[: len(clock)]}"
    odd = ["2026-01-31", "31.01.2026 1:05", "1.1.2026", "31-01-2026", f"x{written}"]
    read = iso_dates(pl.Series("when", [f" {written} ", "", None, "never", *odd]), form, {"never"})
    assert read.to_list()[:4] == [meant, "", "", "never"]
    assert set(read.to_list()[4:]) == {"?"}


def test_a_day_is_never_a_month_and_no_date_is_mended() -> None:
    read = iso_dates(pl.Series("when", ["01/31/2026", "31/02/2026"]), "dd/mm/yyyy")
    assert read_moments(read, frozenset())["micros"].null_count() == 2


def test_a_date_without_a_clock_lasts_the_whole_day() -> None:
    found = read_moments(iso_dates(pl.Series("when", ["31.01.2026"]), "dd.mm.yyyy"), frozenset())
    assert found["day"].to_list() == [True]


def test_typed_dates_stay() -> None:
    typed = pl.Series("when", ["2026-01-31"]).str.to_date()
    assert iso_dates(typed, "dd.mm.yyyy").to_list() == typed.to_list()


def _contract() -> DataContract:
    column = NumberColumn(
        name="lactate",
        minimum=0,
        maximum=20,
        centre=2,
        scale=1,
        missing=("",),
        unit="",
        timing=Timing((-6, 6), time="taken"),
    )
    return DataContract(
        kind=DataKind.TABLE,
        label=Label("died", (("0",), ("1",)), ("no", "yes")),
        columns=(column,),
        patient="patient",
        time_zero="admitted",
    )


def test_a_check_reads_times_in_their_forms() -> None:
    rows = pl.DataFrame(
        {
            ROW: pl.Series([2, 3], dtype=pl.UInt64),
            "patient": ["a", "b"],
            "lactate": ["1.5", "1.5"],
            "taken": ["01/02/2026 12:00", "02/01/2026 12:00"],
            "admitted": ["01.02.2026 13:00", "01.02.2026 13:00"],
            "died": ["0", "1"],
        }
    )
    answers = {"admitted": Answer(form="dd.mm.yyyy hh:mm"), "taken": Answer(form="dd/mm/yyyy hh:mm")}
    checked = Checker(_contract(), Mapping(columns=answers), rows.columns[1:]).check(Batch(rows))
    assert not checked.rejections
    assert checked.counts["lactate"].outside_window == 1


def test_only_times_have_a_form() -> None:
    columns = ("patient", "lactate", "taken", "admitted", "died")
    with pytest.raises(UsageError, match="no column of dates"):
        Checker(_contract(), Mapping(columns={"lactate": Answer(form="yyyymmdd")}), columns)


def test_a_form_is_kept_by_the_file_and_on_its_way_to_the_worker() -> None:
    mapping = Mapping(columns={"admitted": Answer(form="dd.mm.yyyy hh:mm")})
    assert parse_mapping(mapping_text(mapping).encode()).answer("admitted").form == "dd.mm.yyyy hh:mm"
    assert mapping_from(mapping_to(mapping)).answer("admitted").form == "dd.mm.yyyy hh:mm"


def test_an_unknown_form_is_refused() -> None:
    with pytest.raises(UsageError, match="no form of dates"):
        parse_mapping(b'[columns.admitted]\nform = "yyyy.dd.mm"\n')
