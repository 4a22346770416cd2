"""Who belongs to the cohort, and who is held out: rules leave rows out, and are no error."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import polars as pl
import pytest

from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.checking.people import held_out
from fedward_client.importer.mapping import ROW_NUMBER, Answer, Mapping
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_shared.contracts.arrays import Image, Text
from fedward_shared.contracts.cohort import (
    HELD_OUT,
    CategoryColumn,
    DataContract,
    DataKind,
    Holdout,
    Label,
    NumberColumn,
    Rule,
)
from tests.support.checks import check_rows

AGE = NumberColumn("age", "years", 0.0, 110.0, 54.0, 9.0, missing=("",))
SEX = CategoryColumn("sex", ("m", "f"), missing=("",), synonyms=(("male", "m"),))
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("disease", (("0",), ("1",)), ("healthy", "ill")),
    columns=(AGE, SEX),
    patient="patient",
)
FINE = {"age": "50", "sex": "m", "disease": "0", "patient": "p1", "ward": "icu", "bmi": "25"}
ADULTS = Rule("age", 18.0, 110.0)
MEN = Rule("sex", values=("m",))
WARDS = Rule("ward", values=("icu", "2"))
HEAVY = Rule("bmi", 20.0, 40.0)


def _check(*rules: Rule, **cells: object) -> Checked:
    return _mapped(Mapping(), *rules, **cells)


def _mapped(mapping: Mapping, /, *rules: Rule, **cells: object) -> Checked:
    columns = {name: [cell] for name, cell in (FINE | cells).items()}
    return check_rows(replace(CONTRACT, include=rules), columns, mapping)


@pytest.mark.parametrize(
    ("rule", "cell", "excluded"),
    [
        (ADULTS, "18", False),
        (ADULTS, "17.9", True),
        (ADULTS, "", True),
        (ADULTS, "400", True),
        (MEN, "m", False),
        (MEN, "male", False),
        (MEN, "f", True),
        (MEN, "", True),
        (WARDS, "icu", False),
        (WARDS, " icu ", False),
        (WARDS, "2.0", False),
        (WARDS, "ICU", True),
        (WARDS, "", True),
        (WARDS, None, True),
        (HEAVY, "20", False),
        (HEAVY, "40", False),
        (HEAVY, "40.01", True),
        (HEAVY, "", True),
        (HEAVY, None, True),
        (HEAVY, 25, False),
        (HEAVY, 50.0, True),
    ],
)
def test_a_rule_leaves_out_what_it_does_not_name(rule: Rule, cell: object, excluded: bool) -> None:
    checked = _check(rule, **{rule.column: cell})

    assert (checked.excluded, checked.table.height, checked.rejections) == (int(excluded), int(not excluded), ())


@pytest.mark.parametrize(
    ("rule", "cell", "reason"),
    [
        (ADULTS, "fifty", Reason.NOT_A_NUMBER),
        (MEN, "man", Reason.NOT_ALLOWED),
        (HEAVY, "stout", Reason.NOT_A_NUMBER),
    ],
)
def test_what_nobody_can_read_is_told_and_not_left_out(rule: Rule, cell: str, reason: Reason) -> None:
    checked = _check(rule, **{rule.column: cell})

    assert checked.excluded == 0
    assert checked.rejections == (Rejection(7, rule.column, reason),)


def test_a_rule_may_be_open_at_one_end() -> None:
    assert _check(Rule("bmi", minimum=20.0), bmi="1000").excluded == 0
    assert _check(Rule("bmi", maximum=40.0), bmi="-1000").excluded == 0
    assert _check(Rule("bmi", minimum=20.0), bmi="19").excluded == 1


def test_all_rules_must_hold() -> None:
    assert _check(ADULTS, MEN, WARDS, HEAVY).excluded == 0
    assert _check(ADULTS, MEN, WARDS, HEAVY, bmi="10").excluded == 1


def test_who_is_left_out_is_neither_counted_nor_found_fault_with() -> None:
    columns = {name: [cell] * 3 for name, cell in FINE.items()}
    columns |= {"age": ["50", "7", "x"], "disease": ["0", "9", "0"], "sex": ["m", "m", "f"]}

    checked = check_rows(replace(CONTRACT, include=(ADULTS,)), columns)

    assert checked.excluded == 1
    assert checked.rejections == (Rejection(9, "age", Reason.NOT_A_NUMBER),)
    assert checked.counts["age"] == Counts(valid=1, wrong=1)
    assert checked.counts["disease"] == Counts(valid=2)


def test_rules_see_the_contracts_units_and_words() -> None:
    mapping = Mapping(
        columns={
            "age": Answer(unit="months"),
            "sex": Answer(values={"1": "m"}),
            "ward": Answer(source="WARD", values={"7": "icu"}, missing=("?",)),
            "bmi": Answer(missing=("30",)),
        }
    )
    fine = {"age": "216", "sex": "1", "WARD": "7"}

    def excluded(**cells: str) -> int:
        return _mapped(mapping, ADULTS, MEN, WARDS, HEAVY, **(fine | cells)).excluded

    assert excluded() == 0
    assert excluded(age="215") == 1
    assert excluded(WARD="?") == 1
    assert excluded(WARD="8") == 1
    assert excluded(bmi="30") == 1


def test_the_held_out_are_those_whose_hash_is_small() -> None:
    holdout = Holdout(share=0.3, key="heart")
    contract = replace(CONTRACT, holdout=holdout)
    names = [f"p{number % 400}é" for number in range(1000)]
    columns = {name: [cell] * 1000 for name, cell in FINE.items()} | {"patient": names}

    sides = check_rows(contract, columns).table[HELD_OUT].to_list()

    def side(name: str) -> str:
        number = int.from_bytes(hashlib.sha256(f"heart:{name}".encode()).digest()[:8], "big")
        return "test" if number < 0.3 * 2**64 else "train"

    assert sides == [side(name) for name in names]
    assert 0.2 < sides.count("test") / 1000 < 0.4


def test_nobody_and_everybody_can_be_held_out() -> None:
    patients = pl.Series(["a", "b"])

    assert held_out(patients, Holdout(share=1e-300, key="k")).to_list() == ["train", "train"]
    assert held_out(patients, Holdout(share=1 - 2**-53, key="k")).to_list() == ["test", "test"]
    assert held_out(patients.head(0), Holdout(share=0.5, key="k")).to_list() == []


def test_each_row_may_be_a_patient_of_its_own() -> None:
    mapping = Mapping(columns={"patient": Answer(source=ROW_NUMBER)})
    columns = {name: [cell] * 2 for name, cell in FINE.items() if name != "patient"}

    assert check_rows(CONTRACT, columns, mapping, first=41).table["patient"].to_list() == ["41", "42"]


@pytest.mark.parametrize(
    ("form", "column"),
    [(Image("scan", 1, 8, 8), "scan"), (Text("letter"), "letter"), (None, "file")],
)
def test_a_record_of_arrays_names_its_file_or_holds_its_text(form: Image | Text | None, column: str) -> None:
    contract = DataContract(
        kind=DataKind.TENSOR, label=CONTRACT.label, patient="patient", form=form, shape=() if form else (2,)
    )
    columns = {"disease": ["0", "1"], "patient": ["a", "b"], column: [" x.png ", ""]}

    checked = check_rows(contract, columns)

    assert checked.table[column].to_list() == ["x.png"]
    assert checked.rejections == (Rejection(8, column, Reason.MISSING),)
