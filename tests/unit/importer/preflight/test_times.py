"""Dates as hospitals write them: the form is proposed where cells show it, else a person decides."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.preflight.answers import accepted, apply
from fedward_client.importer.preflight.findings import Defect, Kind
from fedward_client.importer.preflight.profile_document import profile_from, profile_to
from fedward_client.importer.preflight.questions import ask_all
from fedward_shared.contracts.cohort import Timing
from tests.support.preflighting import CONTRACT, found, judged, looked, number, people, with_columns

_TIMED = number("glucose", 2, 40, 6, 1, unit="mmol/L", substance="glucose", timing=Timing((-6.0, 6.0), time="taken"))
_CONTRACT = replace(with_columns(CONTRACT, _TIMED), time_zero="admitted")


def _written(form: str, *, days: int = 28) -> pl.DataFrame:
    rows = people().with_row_index("at")
    when = pl.datetime(2026, 1, 1, 10) + pl.duration(days=pl.col("at") % days)
    return rows.with_columns(when.dt.strftime(form).alias("admitted"), when.dt.strftime(form).alias("taken")).drop("at")


@pytest.mark.parametrize(
    ("form", "name"),
    [("%d.%m.%Y %H:%M", "dd.mm.yyyy hh:mm"), ("%m/%d/%Y", "mm/dd/yyyy"), ("%Y%m%d %H:%M:%S", "yyyymmdd hh:mm:ss")],
)
def test_a_form_that_fits_all_is_proposed_and_mends(form: str, name: str) -> None:
    rows = _written(form)
    first = judged(rows, _CONTRACT)
    proposals = [finding.proposal for finding in found(first, Defect.TIMES)]
    assert [(one.kind, one.form, one.strong) for one in proposals if one] == [(Kind.FORM, name, True)] * 2
    assert not found(first, Defect.OUTSIDE_WINDOW)
    mapping, taken = accepted(Mapping(), first.findings)
    assert len(taken) == 2
    again = judged(rows, _CONTRACT, mapping)
    assert not found(again, Defect.TIMES)
    assert not again.stops


def test_days_that_could_be_months_are_asked_and_not_taken() -> None:
    rows = _written("%d/%m/%Y", days=12)
    finding = found(judged(rows, _CONTRACT), Defect.TIMES)[0]
    assert "none is above 12" in finding.text
    assert finding.proposal is not None
    assert set(finding.proposal.choices) == {"dd/mm/yyyy", "mm/dd/yyyy"}
    assert accepted(Mapping(), [finding])[0] == Mapping()
    answered = ask_all([finding], looked(rows, _CONTRACT), _CONTRACT, Mapping(), lambda _q, _c, default: default)
    assert answered == Mapping()
    chosen = ask_all([finding], looked(rows, _CONTRACT), _CONTRACT, Mapping(), lambda *_: "mm/dd/yyyy")
    assert chosen.answer(finding.column).form == "mm/dd/yyyy"


def test_cells_of_several_forms_are_told_and_nothing_is_proposed() -> None:
    rows = _written("%d.%m.%Y")
    rows = pl.concat([rows.head(200), _written("%Y%m%d").tail(200)])
    findings = found(judged(rows, _CONTRACT), Defect.TIMES)
    assert [finding.proposal for finding in findings] == [None, None]


def test_readable_times_are_quiet_and_cross_the_process() -> None:
    rows = _written("%Y-%m-%dT%H:%M")
    profile = looked(rows, _CONTRACT)
    assert not found(judged(rows, _CONTRACT), Defect.TIMES)
    assert profile_from(profile_to(profile)) == profile


def test_a_form_is_one_more_answer() -> None:
    finding = found(judged(_written("%d.%m.%Y"), _CONTRACT), Defect.TIMES)[0]
    assert finding.proposal is not None
    mapping = Mapping(columns={"admitted": Answer(source="AUFN")})
    assert apply(mapping, replace(finding.proposal, column="admitted")).answer("admitted") == Answer(
        source="AUFN", form="dd.mm.yyyy"
    )
