"""What a site's mapping changes: names, units, spellings, codes; and answers that mean nothing to the contract."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.mapping import Answer, Mapping
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn, Timing
from fedward_shared.errors import SourceDataError, UsageError
from tests.support.checks import check_rows

GLUCOSE = NumberColumn("glucose", "mg/dL", 20.0, 600.0, 100.0, 30.0, missing=("", "-1"), substance="glucose")
TEMPERATURE = NumberColumn("temperature", "degC", 25.0, 45.0, 37.0, 1.0, missing=("",))
SEX = CategoryColumn("sex", ("Female", "Male"), missing=("", "unknown"), synonyms=(("F", "Female"),))
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("disease", (("0", "no"), ("1", "yes")), ("healthy", "ill")),
    columns=(GLUCOSE, TEMPERATURE, SEX),
    patient="patient",
    split="split",
)
FINE = {"glucose": "90", "temperature": "37", "sex": "Male", "disease": "0", "split": "train", "patient": "p"}


def _check(mapping: Mapping, **cells: object) -> Checked:
    return check_rows(CONTRACT, {name: [cell] for name, cell in (FINE | cells).items()}, mapping)


def _answer(name: str, answer: Answer, decimal: str = ".") -> Mapping:
    return Mapping(columns={name: answer}, decimal=decimal)


def test_a_column_is_read_under_the_sites_name() -> None:
    mapping = _answer("glucose", Answer(source="GLUC_SER"))

    checked = _check(mapping, GLUC_SER="91", glucose="999")

    assert checked.table["glucose"].to_list() == [91.0]
    assert _check(mapping, GLUC_SER="x").rejections == (Rejection(7, "glucose", Reason.NOT_A_NUMBER),)


@pytest.mark.parametrize(("cell", "value"), [("5", 90.078), (5, 90.078), ("33.3", 599.919), ("", None)])
def test_a_number_is_converted_into_the_contracts_unit(cell: object, value: float | None) -> None:
    checked = _check(_answer("glucose", Answer(unit="mmol/L")), glucose=cell)

    assert checked.table["glucose"].to_list() == [pytest.approx(value, rel=1e-4) if value else None]
    assert checked.counts["glucose"] == (Counts(valid=1, converted=1) if value else Counts(missing=1))
    assert checked.counts["temperature"].converted == 0


def test_the_range_is_that_of_the_converted_value() -> None:
    mapping = _answer("glucose", Answer(unit="mmol/L"))

    assert _check(mapping, glucose="90").rejections == (Rejection(7, "glucose", Reason.OUT_OF_RANGE),)
    assert _check(mapping, glucose="1.2").rejections == ()


def test_a_unit_may_have_another_zero() -> None:
    table = _check(_answer("temperature", Answer(unit="degF")), temperature="98.6").table

    assert table["temperature"].to_list() == [pytest.approx(37.0)]


@pytest.mark.parametrize("unit", ["", "mg/dL", " mg/dL "])
def test_the_same_unit_changes_no_bit(unit: str) -> None:
    for cell in ("90.1", "33.333333333333336", "20.000000000000004"):
        checked = _check(_answer("glucose", Answer(unit=unit)), glucose=cell)
        assert checked.table["glucose"].to_list() == [float(cell)]
        assert checked.counts["glucose"].converted == 0


@pytest.mark.parametrize("unit", ["mmHg", "furlongs"])
def test_a_unit_that_cannot_be_converted_is_told_at_once(unit: str) -> None:
    with pytest.raises(UsageError):
        Checker(CONTRACT, _answer("glucose", Answer(unit=unit)), list(FINE))


@pytest.mark.parametrize(
    ("cell", "value"),
    [("5,5", 5.5), ("5", 5.0), (",5e1", 5.0), (" 5,5 ", 5.5), ("-1", None), ("-1,0", None), (5.5, 5.5), ("NA,x", None)],
)
def test_a_decimal_comma(cell: object, value: float | None) -> None:
    contract = replace(CONTRACT, columns=(replace(GLUCOSE, minimum=0.0), TEMPERATURE, SEX))
    mapping = _answer("glucose", Answer(missing=("NA,x",)), decimal=",")
    columns = {name: [cell] for name, cell in (FINE | {"glucose": cell}).items()}

    assert check_rows(contract, columns, mapping).table["glucose"].to_list() == [value]


@pytest.mark.parametrize("cell", ["1.234,5", "123.4", "1,2,3", "1.234", ",", "1,5.", "12 345"])
def test_with_a_decimal_comma_a_point_makes_no_number(cell: str) -> None:
    checked = _check(Mapping(decimal=","), glucose=cell)

    assert checked.rejections == (Rejection(7, "glucose", Reason.NOT_A_NUMBER),)


def test_further_spellings_of_missing() -> None:
    mapping = Mapping(columns={"glucose": Answer(missing=("999", "n.d.")), "sex": Answer(missing=("9",))})

    for cell in ("999", "999.0", " n.d. ", "-1", ""):
        assert _check(mapping, glucose=cell).table["glucose"].to_list() == [None]
    for cell in ("9", "9.0", "unknown", ""):
        assert _check(mapping, sex=cell).table["sex"].to_list() == [None]


def test_codes_for_missing_are_compared_before_conversion() -> None:
    mapping = _answer("glucose", Answer(unit="mmol/L", missing=("9.9",)))

    assert _check(mapping, glucose="9.9").table["glucose"].to_list() == [None]
    assert _check(mapping, glucose="9.8").table["glucose"].null_count() == 0


@pytest.mark.parametrize(
    ("unit", "glucose"),
    [("mg/dL", [98.0, None, 100.0]), ("mmol/L", [pytest.approx(v * 18.0156, 1e-3) for v in (98, 99, 100)])],
)
@pytest.mark.parametrize("typed", [True, False])
def test_the_contracts_codes_that_are_numbers_are_in_the_contracts_unit(
    unit: str, glucose: list[float | None], *, typed: bool
) -> None:
    column = replace(GLUCOSE, maximum=6000.0, missing=("", "99", "NA"))
    contract = replace(CONTRACT, columns=(column, TEMPERATURE, SEX))
    cells: list[object] = [98, 99, 100] if typed else ["98", "99", "100"]
    columns = {name: [cell] * 3 for name, cell in FINE.items()} | {"glucose": cells}

    assert check_rows(contract, columns, _answer("glucose", Answer(unit=unit))).table["glucose"].to_list() == glucose
    both = Answer(unit=unit, missing=("99",))
    assert check_rows(contract, columns, _answer("glucose", both)).table["glucose"].to_list()[1] is None


def test_a_text_for_missing_is_one_in_every_unit() -> None:
    column = replace(GLUCOSE, missing=("", "NA"))
    contract = replace(CONTRACT, columns=(column, TEMPERATURE, SEX))
    columns = {name: [cell] * 2 for name, cell in FINE.items()} | {"glucose": ["NA", ""]}

    checked = check_rows(contract, columns, _answer("glucose", Answer(unit="mmol/L")))

    assert checked.table["glucose"].to_list() == [None, None]


@pytest.mark.parametrize("cells", [["99,9", "-9,0", "-9", "8,8", "7"], [99.9, -9.0, -9, 8.8, 7.0]])
def test_codes_are_written_with_a_point_or_in_a_mapping_with_the_sites_sign(cells: list[object]) -> None:
    column = replace(GLUCOSE, minimum=1.0, missing=("99.9", "-9.0"))
    contract = replace(CONTRACT, columns=(column, TEMPERATURE, SEX))
    columns = {name: [cell] * 5 for name, cell in FINE.items()} | {"glucose": cells}

    for code in ("8,8", "8.8"):
        mapping = _answer("glucose", Answer(missing=(code,)), decimal=",")
        assert check_rows(contract, columns, mapping).table["glucose"].to_list() == [None, None, None, None, 7.0]


@pytest.mark.parametrize("key", ["30", "30.0", "3e1"])
@pytest.mark.parametrize("cell", ["30", "30.0", " 30.00", 30, 30.0])
def test_a_number_that_the_mapping_replaces_is_known_however_it_is_written(key: str, cell: object) -> None:
    assert _check(_answer("glucose", Answer(values={key: "25"})), glucose=cell).table["glucose"].to_list() == [25.0]
    assert _check(_answer("glucose", Answer(values={key: "-1"})), glucose=cell).table["glucose"].to_list() == [None]


@pytest.mark.parametrize(
    ("cell", "value"), [("1", "Male"), ("2.0", "Female"), ("x", None), ("3", "Female"), ("F", "Female")]
)
def test_the_sites_spellings_of_values(cell: str, value: str | None) -> None:
    mapping = _answer("sex", Answer(values={"1": "Male", "2": "Female", "x": "unknown", "3": "F"}))

    assert _check(mapping, sex=cell).table["sex"].to_list() == [value]


def test_the_sites_answer_goes_before_the_contracts_word() -> None:
    mapping = _answer("sex", Answer(values={"F": "Male"}))

    assert _check(mapping, sex="F").table["sex"].to_list() == ["Male"]


def test_texts_that_stand_for_a_number_are_in_the_contracts_unit() -> None:
    mapping = _answer("glucose", Answer(unit="mmol/L", values={"<1.1": "20", "low": "-1", "HI": "600"}))

    assert _check(mapping, glucose="<1.1").table["glucose"].to_list() == [20.0]
    assert _check(mapping, glucose=" HI ").table["glucose"].to_list() == [600.0]
    assert _check(mapping, glucose="low").table["glucose"].to_list() == [None]
    assert _check(mapping, glucose="5").table["glucose"].to_list() == [pytest.approx(90.078, rel=1e-4)]
    assert _check(mapping, glucose="<2").rejections == (Rejection(7, "glucose", Reason.NOT_A_NUMBER),)


def test_the_sites_spellings_of_classes_and_sides() -> None:
    mapping = Mapping(
        columns={
            "disease": Answer(values={"J": "yes", "N": "0"}, missing=("?",)),
            "split": Answer(source="part", values={"A": "train", "B": "test"}),
        }
    )

    assert _check(mapping, disease="J", part="B").table.select("disease", "split").row(0) == (1, "test")
    assert _check(mapping, disease="N", part="train").table.select("disease", "split").row(0) == (0, "train")
    assert _check(mapping, disease="?", part="A").rejections == (Rejection(7, "disease", Reason.MISSING),)


@pytest.mark.parametrize(
    ("name", "answer", "message"),
    [
        ("glucoze", Answer(), "'glucoze', which the contract does not have"),
        ("sex", Answer(unit="mg"), "gives 'sex' a unit"),
        ("patient", Answer(values={"a": "b"}), "replaces values of 'patient'"),
        ("sex", Answer(source="(row)"), "only the patient"),
        ("sex", Answer(values={"1": "Man"}), "into 'Man'"),
        ("disease", Answer(values={"1": "maybe"}), "into 'maybe'"),
        ("split", Answer(values={"1": "validation"}), "into 'validation'"),
        ("glucose", Answer(values={"<5": "low"}), "'low', which is no number"),
        ("glucose", Answer(values={"<5": "1e999"}), "which is no number"),
    ],
)
def test_an_answer_that_means_nothing_is_told(name: str, answer: Answer, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)):
        Checker(CONTRACT, _answer(name, answer), [*FINE, "glucoze"])


def test_a_typing_error_is_told_with_what_was_meant() -> None:
    with pytest.raises(UsageError) as failure:
        Checker(CONTRACT, _answer("glucos", Answer()), list(FINE))
    assert failure.value.hint == "Did you mean 'glucose'?"

    with pytest.raises(UsageError) as failure:
        Checker(CONTRACT, _answer("sex", Answer(values={"1": "male"})), list(FINE))
    assert failure.value.hint == "Did you mean 'Male'?"

    with pytest.raises(SourceDataError, match="says that 'sex' is 'SEXX', and the source has no such column") as wrong:
        Checker(CONTRACT, _answer("sex", Answer(source="SEXX")), [*FINE, "SEX"])
    assert wrong.value.hint == "Is it 'SEX'?"


def test_what_is_made_of_events_is_in_the_contracts_words_already() -> None:
    made = replace(GLUCOSE, timing=Timing((-24.0, 0.0), codes=("2345-7",)), missing=())
    contract = replace(CONTRACT, columns=(made, TEMPERATURE, SEX), time_zero="zero")
    mapping = _answer("glucose", Answer(source="lab", unit="mmol/L", missing=("90",)))
    columns: dict[str, list[object]] = {name: [cell] * 2 for name, cell in FINE.items()}
    columns |= {"zero": ["2026-01-01"] * 2, "glucose": [90.0, None]}

    checked = check_rows(contract, columns, mapping)

    assert checked.table["glucose"].to_list() == [90.0, None]
    assert checked.counts["glucose"] == Counts(valid=1, missing=1)
