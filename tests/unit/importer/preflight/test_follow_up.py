"""What preflight says about how long patients were watched."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.preflight.findings import Defect, Finding, Severity
from fedward_client.importer.preflight.judge import judge
from fedward_client.importer.preflight.profile_document import profile_from, profile_to
from fedward_client.importer.preflight.words import cohort_lines
from fedward_shared.contracts.cohort import FollowUp
from tests.support.preflighting import CONTRACT, looked, people

WATCHED = replace(CONTRACT, label=replace(CONTRACT.label, follow_up=FollowUp("days", "days", 3650.0)))


def hospital(days: object = None, count: int = 400) -> pl.DataFrame:
    """Clean rows with follow-up, or with these times of the first patients instead of their own."""
    times = [f"{time:.1f}" for time in np.random.default_rng(1).uniform(0, 5000, count)]
    if isinstance(days, list):
        times[: len(days)] = days
    return people(count).with_columns(pl.Series("days", times))


def findings(rows: pl.DataFrame, mapping: Mapping | None = None) -> dict[Defect, Finding]:
    """What is found about the follow-up."""
    told = judge(looked(rows, WATCHED, mapping), WATCHED, mapping or Mapping(), None, 0.2)
    return {finding.defect: finding for finding in told.findings if finding.column == "days"}


def test_clean_times_say_nothing_and_are_summed_up() -> None:
    profile = looked(hospital(), WATCHED)

    assert findings(hospital()) == {}
    assert profile.follow_up is not None
    assert profile.follow_up.counts.valid == 400
    assert profile.follow_up.above > 50
    assert "days (median;" in dict(cohort_lines(profile, WATCHED, None))["patients were watched for"]
    assert profile.label is not None
    assert sum(profile.label.cells.shares) == 400
    assert profile_from(profile_to(profile)) == profile


def test_classes_are_counted_as_without_a_follow_up() -> None:
    rows = hospital(["9000"] * 400)  # beyond the maximum nobody has had the event

    profile = looked(rows, WATCHED)

    assert profile.label is not None
    assert profile.label.cells.shares == (400, 0)


@pytest.mark.parametrize(
    ("cells", "defect", "words"),
    [
        (["-5"] * 30, Defect.OUT_OF_RANGE, "30 times of days are negative"),
        (["-9"] * 30, Defect.MISSING_CODES, "30 cells of days"),
        (["unknown"] * 30, Defect.MISSING_CODES, "30 cells of days"),
        (["three years"] * 30, Defect.NOT_NUMBERS, "30 cells of days"),
        (["12"] * 400, Defect.WRONG_UNIT, "hardly anybody was watched for more than 12 days"),
        (["90000"] * 400, Defect.WRONG_UNIT, "100% of patients were watched for more than the 3650 days"),
    ],
)
def test_odd_times_are_told_without_an_answer_that_nobody_gave(cells: list[str], defect: Defect, words: str) -> None:
    found = findings(hospital(cells))

    assert words in found[defect].text
    if defect is Defect.WRONG_UNIT:
        assert found[defect].proposal is None
        mapping = Mapping(columns=MappingProxyType({"days": Answer(unit="days")}))
        assert findings(hospital(cells), mapping)[defect].severity is Severity.NOTE


def test_a_decimal_comma_in_times_is_seen() -> None:
    rows = hospital().with_columns(pl.col("days").str.replace(".", ",", literal=True))
    rows = rows.with_columns(pl.col("glucose", "pressure").cast(pl.String).str.replace(".", ",", literal=True))

    told = judge(looked(rows, WATCHED), WATCHED, Mapping(), None, 0.2)

    (decimal,) = [finding for finding in told.findings if finding.defect is Defect.DECIMAL_SIGN]
    assert "days" in decimal.text
