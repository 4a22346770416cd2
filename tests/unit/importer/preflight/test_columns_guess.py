"""Columns that the source calls otherwise are found by name; sources that were not split into columns are told."""

from __future__ import annotations

import pytest

from fedward_client.importer.mapping import Mapping
from fedward_client.importer.preflight.columns_guess import alike_columns, guess_columns
from fedward_client.importer.preflight.findings import Finding, Severity
from fedward_client.importer.preflight.profile import Profile
from tests.support.preflighting import CONTRACT


def _guessed(columns: tuple[str, ...]) -> list[Finding]:
    asked = ("patient", "age", "glucose", "pressure", "sex", "disease")
    absent = tuple(name for name in asked if name not in columns)
    return list(guess_columns(Profile(columns=columns, absent=absent), CONTRACT, Mapping()))


@pytest.mark.parametrize(
    ("name", "columns", "first", "sure"),
    [
        ("age", ("AGE", "page"), "AGE", True),
        ("patient_id", ("PatientID", "Pat"), "PatientID", True),
        ("age", ("Alter", "Gewicht"), "Alter", True),
        ("glucose", ("glucose_fasting", "creatinine"), "glucose_fasting", False),
        ("sex", ("GESCHLECHT", "sextant"), "GESCHLECHT", True),
        ("age", ("Age", "AGE"), "Age", False),
    ],
)
def test_the_nearest_name_comes_first(name: str, columns: tuple[str, ...], first: str, sure: bool) -> None:
    found, certain = alike_columns(name, columns)

    assert found[0] == first
    assert certain is sure


def test_nothing_alike_gives_no_guess() -> None:
    assert alike_columns("glucose", ("ward", "bed")) == ((), False)


def test_each_absent_column_is_asked_for_and_every_free_one_offered() -> None:
    findings = _guessed(("Pat-Nr", "Alter", "glucose", "pressure", "sex", "disease", "ward"))

    assert [finding.column for finding in findings] == ["patient", "age"]
    assert all(finding.severity is Severity.STOPS and finding.proposal for finding in findings)
    patient, age = (finding.proposal for finding in findings)
    assert age is not None
    assert (age.source, age.strong) == ("Alter", True)
    assert patient is not None
    assert set(patient.choices) == {"Pat-Nr", "Alter", "ward", "(row)"}


def test_a_column_that_another_name_uses_is_not_offered() -> None:
    (finding,) = _guessed(("patient", "age", "glucose", "pressure", "gender", "disease"))

    assert finding.proposal is not None
    assert finding.proposal.choices == ("gender",)


@pytest.mark.parametrize(("sign", "spoken"), [(";", ";"), ("\t", "tab"), ("|", "|")])
def test_one_column_full_of_signs_is_a_separator(sign: str, spoken: str) -> None:
    (finding,) = _guessed((sign.join(("patient", "age", "sex")),))

    assert finding.proposal is not None
    assert finding.proposal.option == ("separator", spoken)
    assert finding.proposal.strong


def test_a_first_row_of_values_is_told_without_repeating_one() -> None:
    (finding,) = _guessed(("63.0", "1", "145", "233", "2011-03-04", "Zebra"))

    assert "first row" in finding.text
    assert "233" not in finding.text + finding.advice
    assert "Zebra" not in finding.text + finding.advice
