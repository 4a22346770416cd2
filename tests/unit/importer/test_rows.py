"""Each cell against the contract: what it becomes, or why its row is rejected."""

from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from fedward_client.importer.rows import Checked, Reason, Rejection, check_rows, source_columns
from fedward_client.importer.source import Batch
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn

AGE = NumberColumn("age", "years", 18.0, 110.0, 54.0, 9.0, missing=("", "NA", "-9"))
SEX = CategoryColumn("sex", ("1", "male", "2.50"), missing=("", "?"))
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("disease", (("0", "no"), ("1", "2", "yes")), ("healthy", "ill")),
    columns=(AGE, SEX),
    patient="patient",
    split="split",
)
FINE = {"age": "50", "sex": "male", "disease": "0", "split": "train", "patient": "p1"}


def _check(contract: DataContract = CONTRACT, **cells: str) -> Checked:
    return _check_row(FINE | cells, contract)


def _check_row(row: dict[str, str], contract: DataContract = CONTRACT) -> Checked:
    return check_rows(Batch([7], [[row[name]] for name in source_columns(contract)], [], 0), contract)


def test_a_row_that_fits_gets_the_contracts_names_and_types() -> None:
    checked = _check()

    assert checked.rejections == []
    assert checked.table.schema == {
        "age": pl.Float64,
        "sex": pl.String,
        "disease": pl.Int64,
        "split": pl.String,
        "patient": pl.String,
    }
    assert checked.table.rows() == [(50.0, "male", 0, "train", "p1")]


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("50", 50.0),
        (" 50 ", 50.0),
        ("50.5", 50.5),
        ("+50", 50.0),
        ("5e1", 50.0),
        ("050", 50.0),
        ("18", 18.0),
        ("110", 110.0),
        ("", None),
        ("NA", None),
        ("-9", None),
        ("-9.0", None),
        ("  ", None),
    ],
)
def test_numbers_and_what_stands_for_missing(cell: str, value: float | None) -> None:
    assert _check(age=cell).table["age"].to_list() == [value]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("17.999", Reason.OUT_OF_RANGE),
        ("110.001", Reason.OUT_OF_RANGE),
        ("1e999", Reason.OUT_OF_RANGE),
        ("-1e999", Reason.OUT_OF_RANGE),
        ("-10", Reason.OUT_OF_RANGE),
        ("fifty", Reason.NOT_A_NUMBER),
        ("nan", Reason.NOT_A_NUMBER),
        ("NaN", Reason.NOT_A_NUMBER),
        ("inf", Reason.NOT_A_NUMBER),
        ("5,0", Reason.NOT_A_NUMBER),
        ("1_0", Reason.NOT_A_NUMBER),
        ("0x32", Reason.NOT_A_NUMBER),
        ("50 years", Reason.NOT_A_NUMBER),
        ("=50", Reason.NOT_A_NUMBER),
        ("٥٠", Reason.NOT_A_NUMBER),
        ("50\0", Reason.NOT_A_NUMBER),
        ("50\n", None),
        ("5\n0", Reason.NOT_A_NUMBER),
        ("--5", Reason.NOT_A_NUMBER),
        (".", Reason.NOT_A_NUMBER),
        ("e5", Reason.NOT_A_NUMBER),
        ("na", Reason.NOT_A_NUMBER),
    ],
)
def test_what_is_no_number_in_range_rejects_the_row(cell: str, reason: Reason | None) -> None:
    assert _check(age=cell).rejections == ([Rejection(7, "age", reason)] if reason else [])


@pytest.mark.parametrize(
    ("cell", "value"),
    [("1", "1"), ("1.0", "1"), ("1.", "1"), (" male ", "male"), ("2.50", "2.50"), ("", None), ("?", None)],
)
def test_categories_come_out_as_declared(cell: str, value: str | None) -> None:
    assert _check(sex=cell).table["sex"].to_list() == [value]


@pytest.mark.parametrize("cell", ["Male", "3", "01", "1.5", "2.5", "male\0", "=male", "NA"])
def test_any_other_category_rejects_the_row(cell: str) -> None:
    assert _check(sex=cell).rejections == [Rejection(7, "sex", Reason.NOT_ALLOWED)]


@pytest.mark.parametrize(("cell", "value"), [("0", 0), ("no", 0), ("1", 1), ("2.0", 1), (" yes ", 1)])
def test_a_label_becomes_its_class(cell: str, value: int) -> None:
    assert _check(disease=cell).table["disease"].to_list() == [value]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("disease", "", Reason.NO_CLASS),
        ("disease", "3", Reason.NO_CLASS),
        ("disease", "YES", Reason.NO_CLASS),
        ("split", "", Reason.NO_SPLIT),
        ("split", "Train", Reason.NO_SPLIT),
        ("split", "validation", Reason.NO_SPLIT),
        ("patient", "", Reason.NO_PATIENT),
        ("patient", "  ", Reason.NO_PATIENT),
        ("patient", "p\0", Reason.NO_PATIENT),
        ("patient", "p\u202e1", Reason.NO_PATIENT),
        ("patient", "p" * 201, Reason.NO_PATIENT),
    ],
)
def test_a_row_needs_its_label_split_and_patient(column: str, cell: str, reason: Reason) -> None:
    assert _check_row(FINE | {column: cell}).rejections == [Rejection(7, column, reason)]


@pytest.mark.parametrize("column", [AGE, SEX])
def test_a_required_value_must_not_be_missing(column: NumberColumn | CategoryColumn) -> None:
    contract = replace(CONTRACT, columns=tuple(replace(one, required=one is column) for one in CONTRACT.columns))

    assert _check_row(FINE | {column.name: ""}, contract).rejections == [Rejection(7, column.name, Reason.MISSING)]
    assert _check(contract).rejections == []


def test_an_empty_cell_is_only_missing_where_the_contract_says_so() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, missing=("NA",)), replace(SEX, missing=())))

    assert [one.reason for one in _check(contract, age="", sex="").rejections] == [
        Reason.NOT_A_NUMBER,
        Reason.NOT_ALLOWED,
    ]


def test_every_reason_of_a_row_is_told_and_the_other_rows_stay_in_order() -> None:
    cells = [["50", "x", "60"], ["male", "male", "1"], ["0", "9", "1"], ["train", "train", "test"], ["a", "b", "c"]]

    checked = check_rows(Batch([2, 3, 5], cells, [4], 0), CONTRACT)

    assert checked.rejections == [
        Rejection(3, "age", Reason.NOT_A_NUMBER),
        Rejection(3, "disease", Reason.NO_CLASS),
        Rejection(4, "(row)", Reason.RAGGED),
    ]
    assert checked.table["patient"].to_list() == ["a", "c"]


def test_an_empty_batch_is_an_empty_table_of_the_right_types() -> None:
    checked = check_rows(Batch([], [[] for _ in source_columns(CONTRACT)], [], 0), CONTRACT)

    assert checked.table.height == 0
    assert checked.table.schema == _check().table.schema


def test_negative_zero_is_zero() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, minimum=-1.0), SEX))

    assert str(_check(contract, age="-0.0").table["age"][0]) == "0.0"
