"""Proposals become mappings, questions become proposals, and a mapping file is never lost."""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import pytest

from fedward_client.importer.checking.checked import Counts
from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.preflight.answers import accepted, apply, save_mapping
from fedward_client.importer.preflight.findings import Defect, Finding, Kind, Proposal, Severity
from fedward_client.importer.preflight.profile import CategoryFacts, Profile, Unknown
from fedward_client.importer.preflight.questions import ask_all, told
from tests.support.preflighting import CONTRACT

START = Mapping(
    source=SourceTerms("csv", Path("export.csv"), MappingProxyType({"encoding": "latin-1"})),
    columns=MappingProxyType({"sex": Answer(source="GESCHL", missing=("9",), values=MappingProxyType({"1": "male"}))}),
)
SPELLINGS = Proposal(
    Kind.SPELLINGS,
    "sex",
    values=MappingProxyType({"2": "female", "fem": "female"}),
    missing=("?",),
    strong=True,
    unsure=frozenset({"fem"}),
)
UNIT = Proposal(Kind.UNIT, "glucose", unit="mg/dL", strong=True, choices=("mg/dL", "mmol/L"))
COLUMN = Proposal(Kind.COLUMN, "age", source="AGE", choices=("AGE", "ward"))


def _finding(proposal: Proposal | None, column: str = "") -> Finding:
    return Finding(Severity.WRONG, Defect.WRONG_UNIT, column, "it is so", "do this", proposal)


class _Person:
    """Answers in order and remembers what was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, tuple[str, ...], str]] = []

    def __call__(self, question: str, choices: Sequence[str], default: str) -> str:
        self.asked.append((question, tuple(choices), default))
        answer = self.answers.pop(0)
        return default if answer == "Enter" else answer


def test_an_answer_is_added_to_what_was_said_before() -> None:
    mapping = apply(START, SPELLINGS)

    assert mapping.answer("sex").source == "GESCHL"
    assert dict(mapping.answer("sex").values) == {"1": "male", "2": "female", "fem": "female"}
    assert mapping.answer("sex").missing == ("9", "?")
    assert dict(START.answer("sex").values) == {"1": "male"}


def test_each_kind_of_proposal_sets_its_own_thing() -> None:
    assert apply(START, UNIT).answer("glucose") == Answer(unit="mg/dL")
    assert apply(START, COLUMN).answer("age") == Answer(source="AGE")
    assert apply(START, Proposal(Kind.DECIMAL, "", decimal=",")).decimal == ","
    terms = apply(START, Proposal(Kind.OPTION, "", option=("separator", ";"))).source
    assert terms is not None
    assert dict(terms.options) == {"encoding": "latin-1", "separator": ";"}


def test_a_proposal_that_says_nothing_changes_nothing() -> None:
    assert apply(START, Proposal(Kind.COLUMN, "age")) == START
    assert apply(START, Proposal(Kind.SPELLINGS, "smoker")) == START


def test_only_what_is_sure_is_accepted_unasked() -> None:
    mapping, taken = accepted(START, [_finding(SPELLINGS), _finding(UNIT), _finding(COLUMN), _finding(None)])

    assert dict(mapping.answer("sex").values) == {"1": "male", "2": "female"}
    assert mapping.answer("glucose").unit == "mg/dL"
    assert mapping.answer("age") == Answer()
    assert [finding.proposal for finding in taken] == [SPELLINGS, UNIT]


def _profile() -> Profile:
    facts = CategoryFacts("sex", "GESCHL", ("female", "male"), Counts(), unknown=(Unknown("2", 7), Unknown("?", 6)))
    return Profile(columns=("AGE", "ward"), categories=(facts,))


def test_every_spelling_is_a_question_of_its_own() -> None:
    person = _Person("male", "Enter")
    mapping = ask_all([_finding(SPELLINGS, "sex")], _profile(), CONTRACT, START, person)

    assert [default for _, _, default in person.asked] == ["female", "(not known)"]
    assert dict(mapping.answer("sex").values)["2"] == "male"
    assert mapping.answer("sex").missing == ("9", "?")


@pytest.mark.parametrize(("answer", "unit"), [("Enter", "mg/dL"), ("mmol/L", "mmol/L"), ("(leave it)", "")])
def test_a_unit_can_be_agreed_to_contradicted_or_left(answer: str, unit: str) -> None:
    mapping = ask_all([_finding(UNIT, "glucose")], _profile(), CONTRACT, START, _Person(answer))

    assert mapping.answer("glucose").unit == unit


@pytest.mark.parametrize(("answer", "source"), [("Enter", "AGE"), ("ward", "ward"), ("(leave it)", "")])
def test_a_column_can_be_another_one(answer: str, source: str) -> None:
    mapping = ask_all([_finding(COLUMN, "age")], _profile(), CONTRACT, START, _Person(answer))

    assert mapping.answer("age").source == source


def test_of_many_columns_the_likely_ones_come_first_and_the_others_on_demand() -> None:
    many = Proposal(Kind.COLUMN, "age", choices=tuple(f"c{at}" for at in range(30)))
    person = _Person("(another column)", "c27")
    mapping = ask_all([_finding(many, "age")], _profile(), CONTRACT, START, person)

    assert len(person.asked[0][1]) == 8
    assert mapping.answer("age").source == "c27"


def test_every_row_a_patient_is_offered_where_it_is_possible() -> None:
    rows = Proposal(Kind.COLUMN, "patient", choices=("AGE", "(row)"))
    mapping = ask_all(
        [_finding(rows, "patient")], _profile(), CONTRACT, START, _Person("(every row is another patient)")
    )

    assert mapping.answer("patient").source == "(row)"


@pytest.mark.parametrize(("answer", "decimal"), [("yes", ","), ("no", ".")])
def test_a_decimal_sign_is_agreed_to_or_not(answer: str, decimal: str) -> None:
    commas = Proposal(Kind.DECIMAL, "", decimal=",")

    assert ask_all([_finding(commas)], _profile(), CONTRACT, START, _Person(answer)).decimal == decimal


def test_a_code_for_missing_is_agreed_to() -> None:
    code = Proposal(Kind.SPELLINGS, "glucose", missing=("-9",))
    mapping = ask_all([_finding(code, "glucose")], _profile(), CONTRACT, START, _Person("yes"))

    assert mapping.answer("glucose").missing == ("-9",)


def test_proposals_are_told_in_words() -> None:
    assert told(UNIT) == "glucose is in mg/dL"
    assert told(COLUMN) == "age is the source's 'AGE' (not sure)"
    assert told(SPELLINGS) == "sex: '2' stands for 'female', 'fem' stands for 'female' (not sure), '?' is not known"
    assert told(Proposal(Kind.COLUMN, "age")) == ""


def test_a_mapping_is_written_whole_for_its_owner_and_the_old_one_kept(tmp_path: Path) -> None:
    path = tmp_path / "mapping.toml"

    assert save_mapping(path, START, CONTRACT) is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = path.read_bytes()
    assert save_mapping(path, START, CONTRACT) is None
    kept = save_mapping(path, apply(START, UNIT), CONTRACT)

    assert kept == tmp_path / "mapping.toml.bak"
    assert kept.read_bytes() == first
    assert load_mapping(path) == apply(START, UNIT)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mapping.toml", "mapping.toml.bak"]
