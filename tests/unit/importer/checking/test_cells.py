"""Each cell against the contract: what it becomes, or why its row is rejected."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import polars as pl
import pytest

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.checking.checked import Checked, Counts
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, DataKind, Label, NumberColumn, Outside
from fedward_shared.errors import SourceDataError
from tests.support.checks import batch_of, check_rows

AGE = NumberColumn("age", "years", 18.0, 110.0, 54.0, 9.0, missing=("", "NA", "-9"))
SEX = CategoryColumn("sex", ("1", "male", "2.50"), missing=("", "?"), synonyms=(("m", "male"), ("one", "1")))
CONTRACT = DataContract(
    kind=DataKind.TABLE,
    label=Label("disease", (("0", "no"), ("1", "2", "yes")), ("healthy", "ill")),
    columns=(AGE, SEX),
    patient="patient",
    split="split",
)
FINE = {"age": "50", "sex": "male", "disease": "0", "split": "train", "patient": "p1"}


def _check(contract: DataContract = CONTRACT, **cells: object) -> Checked:
    return check_rows(contract, {name: [cell] for name, cell in (FINE | cells).items()})


def test_a_row_that_fits_gets_the_contracts_names_and_types() -> None:
    checked = _check()

    assert checked.rejections == ()
    assert checked.table.schema == {
        ROW: pl.UInt64,
        "age": pl.Float64,
        "sex": pl.String,
        "disease": pl.Int64,
        "split": pl.String,
        "patient": pl.String,
    }
    assert checked.table.rows() == [(7, 50.0, "male", 0, "train", "p1")]


NUMBERS = [
    ("50", 50.0),
    (" 50 ", 50.0),
    ("\u00a050\u2003", 50.0),
    ("50.5", 50.5),
    ("+50", 50.0),
    ("5e1", 50.0),
    ("050", 50.0),
    ("18", 18.0),
    ("110", 110.0),
    ("50\n", 50.0),
    ("", None),
    (None, None),
    ("NA", None),
    (" NA ", None),
    ("-9", None),
    ("-9.0", None),
    (" -9.00 ", None),
    ("-.9e1", None),
    ("  ", None),
]


@pytest.mark.parametrize(("cell", "value"), NUMBERS)
def test_numbers_and_what_stands_for_missing(cell: str | None, value: float | None) -> None:
    assert _check(age=cell).table["age"].to_list() == [value]


def test_neighbours_do_not_change_what_a_number_is() -> None:
    cells = [cell for cell, _ in NUMBERS]
    columns = {name: [cell] * len(cells) for name, cell in FINE.items()} | {"age": cells}

    assert check_rows(CONTRACT, columns).table["age"].to_list() == [value for _, value in NUMBERS]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("17.999", Reason.OUT_OF_RANGE),
        ("110.001", Reason.OUT_OF_RANGE),
        ("-10", Reason.OUT_OF_RANGE),
        ("1e999", Reason.NOT_A_NUMBER),
        ("-1e999", Reason.NOT_A_NUMBER),
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
        ("5\n0", Reason.NOT_A_NUMBER),
        ("--5", Reason.NOT_A_NUMBER),
        (".", Reason.NOT_A_NUMBER),
        ("e5", Reason.NOT_A_NUMBER),
        ("na", Reason.NOT_A_NUMBER),
    ],
)
def test_what_is_no_number_in_range_rejects_the_row(cell: str, reason: Reason) -> None:
    checked = _check(age=cell)

    assert checked.rejections == (Rejection(7, "age", reason),)
    assert checked.table.height == 0
    assert checked.counts["age"] == Counts(wrong=1)


@pytest.mark.parametrize(("cell", "value"), [(50, 50.0), (50.5, 50.5), (None, None), (-9, None), (-9.0, None)])
def test_typed_numbers_are_what_their_texts_are(cell: float | None, value: float | None) -> None:
    assert _check(age=cell).table["age"].to_list() == [value]


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        (17, Reason.OUT_OF_RANGE),
        (float("inf"), Reason.NOT_A_NUMBER),
        (float("nan"), Reason.NOT_A_NUMBER),
        (True, Reason.NOT_A_NUMBER),
    ],
)
def test_typed_cells_that_are_no_number_in_range_reject_the_row(cell: float, reason: Reason) -> None:
    assert _check(age=cell).rejections == (Rejection(7, "age", reason),)


def test_a_typed_nan_is_missing_where_its_spelling_is() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, missing=("NaN",)), SEX))

    assert _check(contract, age=float("nan")).table["age"].to_list() == [None]
    assert _check(contract, age="NaN").table["age"].to_list() == [None]


def test_a_value_out_of_range_counts_as_missing_where_the_contract_says_so() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, outside=Outside.MISSING), SEX))

    checked = _check(contract, age="400")

    assert checked.table["age"].to_list() == [None]
    assert checked.counts["age"] == Counts(missing=1, beyond_range=1)
    assert _check(contract, age="x").rejections == (Rejection(7, "age", Reason.NOT_A_NUMBER),)
    required = replace(contract, columns=(replace(AGE, outside=Outside.MISSING, required=True), SEX))
    assert _check(required, age="400").rejections == (Rejection(7, "age", Reason.OUT_OF_RANGE),)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("1.", "1"),
        (" male ", "male"),
        ("2.50", "2.50"),
        ("", None),
        ("?", None),
        (None, None),
        ("m", "male"),
        ("one", "1"),
        (1, "1"),
        (1.0, "1"),
    ],
)
def test_categories_come_out_as_declared(cell: object, value: str | None) -> None:
    assert _check(sex=cell).table["sex"].to_list() == [value]


@pytest.mark.parametrize("cell", ["Male", "3", "01", "1.5", "2.5", "male\0", "=male", "NA", 2.5, True])
def test_any_other_category_rejects_the_row(cell: object) -> None:
    assert _check(sex=cell).rejections == (Rejection(7, "sex", Reason.NOT_ALLOWED),)


@pytest.mark.parametrize(("cell", "value"), [("0", 0), ("no", 0), ("1", 1), ("2.0", 1), (" yes ", 1), (2, 1), (0.0, 0)])
def test_a_label_becomes_its_class(cell: object, value: int) -> None:
    assert _check(disease=cell).table["disease"].to_list() == [value]


@pytest.mark.parametrize(
    ("column", "cell", "reason"),
    [
        ("disease", "", Reason.MISSING),
        ("disease", "3", Reason.NO_CLASS),
        ("disease", "YES", Reason.NO_CLASS),
        ("split", "", Reason.NO_SPLIT),
        ("split", "Train", Reason.NO_SPLIT),
        ("split", "validation", Reason.NO_SPLIT),
        ("patient", "", Reason.NO_PATIENT),
        ("patient", "  ", Reason.NO_PATIENT),
        ("patient", None, Reason.NO_PATIENT),
        ("patient", "p\0", Reason.NO_PATIENT),
        ("patient", "p\u202e1", Reason.NO_PATIENT),
        ("patient", "p" * 201, Reason.NO_PATIENT),
        ("stay", "", Reason.NO_ENCOUNTER),
        ("stay", "\0", Reason.NO_ENCOUNTER),
    ],
)
def test_a_row_needs_its_label_split_patient_and_encounter(column: str, cell: str | None, reason: Reason) -> None:
    contract = replace(CONTRACT, encounter="stay")

    assert _check(contract, **{"stay": "e1", column: cell}).rejections == (Rejection(7, column, reason),)


@pytest.mark.parametrize(
    ("cell", "name"),
    [
        (12, "12"),
        (12.0, "12"),
        ("12.0", "12"),
        (" 012 ", "012"),
        ("-3.00", "-3"),
        ("p" * 200, "p" * 200),
        ("12.50", "12.50"),
        ("1.0.0", "1.0.0"),
        ("Jose\u0301", "Jos\u00e9"),
        ("Jos\u00e9", "Jos\u00e9"),
        ("12.", "12."),
        (Decimal("12.00"), "12"),
        (Decimal(90071992547409930001), "90071992547409930001"),
    ],
)
def test_a_patients_name_is_the_same_from_a_typed_and_an_untyped_source(cell: object, name: str) -> None:
    assert _check(patient=cell).table["patient"].to_list() == [name]


@pytest.mark.parametrize("name", [2.0**53, -(2.0**53), 1e300, float("nan"), float("inf")])
def test_a_number_whose_neighbours_are_not_whole_names_nobody(name: float) -> None:
    contract = replace(CONTRACT, encounter="stay")

    for column, reason in (("patient", Reason.NO_PATIENT), ("stay", Reason.NO_ENCOUNTER)):
        assert _check(contract, **{"stay": 1.0, column: name}).rejections == (Rejection(7, column, reason),)
    assert _check(patient=2.0**53 - 1).table["patient"].to_list() == ["9007199254740991"]


def test_numbers_of_32_bits_and_decimals_are_what_they_are_as_text() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, minimum=18.1, missing=("99.9",)), SEX))
    rows: dict[str, list[object]] = {name: [cell] * 3 for name, cell in FINE.items()}
    batch = batch_of(rows | {"age": [99.9, 18.1, 50.3]})

    for kind in (pl.Float32(), pl.Float64(), pl.Decimal(38, 20)):
        table = batch.table.with_columns(pl.col("age").cast(pl.String).cast(kind))
        checked = Checker(contract, Mapping(), list(FINE)).check(Batch(table))
        assert checked.table["age"].to_list() == [None, 18.1, 50.3]


def test_a_float_of_32_bits_names_people_only_while_whole_numbers_differ() -> None:
    batch = batch_of({name: [cell] * 2 for name, cell in FINE.items()})
    people = pl.Series("patient", [2.0**24 - 1, 2.0**24], dtype=pl.Float32)

    checked = Checker(CONTRACT, Mapping(), list(FINE)).check(Batch(batch.table.with_columns(people)))

    assert checked.table["patient"].to_list() == ["16777215"]
    assert [rejection.reason for rejection in checked.rejections] == [Reason.NO_PATIENT]


@pytest.mark.parametrize("column", [AGE, SEX])
def test_a_required_value_must_not_be_missing(column: NumberColumn | CategoryColumn) -> None:
    contract = replace(CONTRACT, columns=tuple(replace(one, required=one is column) for one in CONTRACT.columns))

    assert _check(contract, **{column.name: ""}).rejections == (Rejection(7, column.name, Reason.MISSING),)
    assert _check(contract).rejections == ()


def test_an_empty_cell_is_only_missing_where_the_contract_says_so() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, missing=("NA",)), replace(SEX, missing=())))

    for empty in ("", None):
        reasons = [one.reason for one in _check(contract, age=empty, sex=empty).rejections]
        assert reasons == [Reason.NOT_A_NUMBER, Reason.NOT_ALLOWED]


def test_every_reason_of_a_row_is_told_and_the_other_rows_stay_in_order() -> None:
    batch = batch_of(
        {
            "age": ["50", "x", "60"],
            "sex": ["male", "male", "1"],
            "disease": ["0", "9", "1"],
            "split": ["train", "train", "test"],
            "patient": ["a", "b", "c"],
        },
        first=2,
    )
    batch = Batch(batch.table, (Rejection(1, "(row)", Reason.RAGGED), Rejection(4, "(row)", Reason.RAGGED)))

    checked = Checker(CONTRACT, Mapping(), batch.table.columns).check(batch)

    assert checked.rejections == (
        Rejection(1, "(row)", Reason.RAGGED),
        Rejection(3, "age", Reason.NOT_A_NUMBER),
        Rejection(3, "disease", Reason.NO_CLASS),
        Rejection(4, "(row)", Reason.RAGGED),
    )
    assert checked.table["patient"].to_list() == ["a", "c"]
    assert checked.counts == {
        "age": Counts(valid=2, wrong=1),
        "sex": Counts(valid=3),
        "disease": Counts(valid=2, wrong=1),
    }


def test_an_empty_batch_is_an_empty_table_of_the_right_types() -> None:
    empty = batch_of({name: [cell] for name, cell in FINE.items()}).table.head(0)

    checked = Checker(CONTRACT, Mapping(), list(FINE)).check(Batch(empty))

    assert checked.table.height == 0
    assert checked.table.schema == _check().table.schema
    assert checked.counts["age"] == Counts()


def test_negative_zero_is_zero() -> None:
    contract = replace(CONTRACT, columns=(replace(AGE, minimum=-1.0), SEX))

    for cell in ("-0.0", -0.0):
        assert str(_check(contract, age=cell).table["age"][0]) == "0.0"


def test_a_column_that_is_not_there_is_named_with_the_nearest() -> None:
    with pytest.raises(SourceDataError, match=r"no column 'age' \(is it 'Age'\?\)"):
        Checker(CONTRACT, Mapping(), ["Age", "sex", "disease", "split", "patient"])


def test_only_the_columns_that_are_needed_are_asked_for() -> None:
    checker = Checker(CONTRACT, Mapping(), [*FINE, "diary"])

    assert sorted(checker.columns) == sorted(FINE)


def test_a_hundred_thousand_wrong_cells_are_told_one_by_one() -> None:
    rows = 100_000
    columns = {name: [cell] * rows for name, cell in FINE.items()} | {"age": ["x"] * rows, "sex": ["9"] * rows}

    rejections = check_rows(CONTRACT, columns, first=1).rejections

    assert len(rejections) == 2 * rows
    assert rejections[:3] == (
        Rejection(1, "age", Reason.NOT_A_NUMBER),
        Rejection(1, "sex", Reason.NOT_ALLOWED),
        Rejection(2, "age", Reason.NOT_A_NUMBER),
    )
