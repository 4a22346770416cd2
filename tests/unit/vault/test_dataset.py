"""What the importer wrote, as the training step reads it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from fedward_client.imported import read_record, record_of, write_record
from fedward_client.importer.tensors import write_tensor_set
from fedward_client.vault.training.dataset import Dataset, open_data_set
from fedward_client.vault.training.encoding import encode_table, encode_tokens
from fedward_shared.contracts.arrays import Text, TextForm
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, Holdout, NumberColumn
from fedward_shared.errors import UsageError
from tests.support.cohorts import contract_of, put_table, small_tensors, write_table

TABLE, IMAGE = contract_of("logistic"), contract_of("cnn")


def test_rows_are_encoded_as_the_contract_says() -> None:
    contract = replace(
        TABLE,
        columns=(
            NumberColumn("age", "years", 0, 120, 50, 10),
            NumberColumn("bmi", "kg/m2", 10, 80, 25, 5, missing_indicator=True),
            CategoryColumn("pain", ("1", "2"), missing_indicator=True),
        ),
    )
    table = pl.DataFrame({"pain": ["2", None, "1"], "age": [60.0, None, 45.0], "bmi": [None, 30.0, 25.0]})
    expected = [
        [1.0, 0.0, 1.0, 0.0, 1.0, 0.0],
        [0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        [-0.5, 0.0, 0.0, 1.0, 0.0, 0.0],
    ]
    inputs = encode_table(table, contract)
    assert inputs.dtype == np.float32
    np.testing.assert_array_equal(inputs, np.array(expected, dtype=np.float32))


def test_a_row_is_encoded_the_same_whoever_else_is_in_the_table(tmp_path: Path) -> None:
    columns = write_table(tmp_path / "in", TABLE)
    table = pl.DataFrame(columns)
    whole = encode_table(table, TABLE)
    np.testing.assert_array_equal(encode_table(table[7:8], TABLE), whole[7:8])


@pytest.mark.parametrize(
    ("column", "values"),
    [("age", [17.9]), ("age", [float("nan")]), ("age", ["old"]), ("pain", ["9"]), ("pain", [""])],
)
def test_a_value_outside_the_contract_is_refused_without_telling_it(column: str, values: list[object]) -> None:
    table = pl.DataFrame({"age": [50.0], "pain": ["1"]}).with_columns(pl.Series(column, values))
    with pytest.raises(UsageError, match=f"'{column}'") as raised:
        encode_table(table, TABLE)
    assert "17.9" not in raised.value.diagnostics()


def test_a_table_splits_into_parts_with_patients_of_their_own(tmp_path: Path) -> None:
    columns = write_table(tmp_path / "in", TABLE)
    data = open_data_set(tmp_path / "in", TABLE)
    test_rows = np.flatnonzero(columns["split"] == "test")
    np.testing.assert_array_equal(data.test.rows, test_rows)
    np.testing.assert_array_equal(data.train.rows, np.flatnonzero(columns["split"] == "train"))
    np.testing.assert_array_equal(data.test.labels, columns["disease"][test_rows])
    assert (data.train.count, data.test.count) == (22, 8)
    for part in (data.train, data.test):
        names = columns["patient_id"][part.rows]
        assert len({(str(name), int(unit)) for name, unit in zip(names, part.units, strict=True)}) == part.count
        assert set(part.units.tolist()) == set(range(part.count))


def test_without_patient_and_split_each_row_is_a_unit_and_trains(tmp_path: Path) -> None:
    write_table(tmp_path / "in", TABLE, rows=10)
    contract = replace(TABLE, patient=None, split=None)
    names = [name for name, _ in read_record(tmp_path / "in").files]
    write_record(tmp_path / "in", record_of(tmp_path / "in", contract, names, rows=(10, 0)))
    data = open_data_set(tmp_path / "in", contract)
    assert (data.train.count, data.test.count, len(data.test.labels)) == (10, 0, 0)


def test_tensors_are_read_with_their_units_and_split(tmp_path: Path) -> None:
    _tensors(tmp_path)
    data = open_data_set(tmp_path, IMAGE)
    assert data.train.records.shape == (4, 1, 8, 8)
    assert data.train.units.tolist() == [0, 0, 1, 1]
    assert data.test.rows.tolist() == [4, 5]


@pytest.mark.parametrize("rows", [1, 2, 3, 5])
def test_many_files_are_read_as_one(tmp_path: Path, rows: int) -> None:
    """Shards of any size, and tables in any number of parts, give the same data set as one file."""
    _tensors(tmp_path / "one")
    _tensors(tmp_path / "many", shard_bytes=rows * 256)
    assert len(read_record(tmp_path / "many").files) == -(-6 // rows)
    _same(open_data_set(tmp_path / "one", IMAGE), open_data_set(tmp_path / "many", IMAGE))
    whole = pl.DataFrame(write_table(tmp_path / "table", TABLE, rows=10))
    (tmp_path / "parts").mkdir()
    put_table(tmp_path / "parts", TABLE, *(whole[start : start + rows] for start in range(0, 10, rows)))
    _same(open_data_set(tmp_path / "table", TABLE), open_data_set(tmp_path / "parts", TABLE))


def _same(first: Dataset, second: Dataset) -> None:
    for one, other in ((first.train, second.train), (first.test, second.test)):
        assert one.count == other.count
        for field in ("records", "labels", "units", "rows"):
            np.testing.assert_array_equal(getattr(one, field), getattr(other, field))


def test_tokens_are_whole_numbers(tmp_path: Path) -> None:
    contract = replace(IMAGE, shape=(), form=Text("note", TextForm.TOKENS, buckets=50, length=4))
    tokens = np.random.default_rng(0).integers(0, 50, (6, 4))
    _tensors(tmp_path, contract=contract, x=tokens.astype(np.float32))
    data = open_data_set(tmp_path, contract)
    assert data.train.records.dtype == np.int64
    np.testing.assert_array_equal(data.train.records, tokens[:4])
    np.testing.assert_array_equal(data.test.records, tokens[4:])


@pytest.mark.parametrize("value", [50.0, -1.0, 0.5, float("nan"), float("inf"), 1e30])
def test_what_is_no_token_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match="no token"):
        encode_tokens(np.array([[3.0, value]], np.float32), 50)


def test_a_column_made_by_the_importer_splits_as_well(tmp_path: Path) -> None:
    contract = replace(TABLE, split=None, holdout=Holdout(0.25, "key"))
    table = pl.DataFrame(write_table(tmp_path / "in", TABLE)).rename({"split": "fedward_split"})
    put_table(tmp_path / "in", contract, table)
    _same(open_data_set(tmp_path / "in", contract), _opened(tmp_path / "other"))


def test_a_declared_filling_stands_for_what_is_missing() -> None:
    contract = replace(
        TABLE,
        columns=(
            NumberColumn("age", "years", 0, 120, 50, 10, missing_indicator=True, fill=70.0),
            CategoryColumn("pain", ("1", "2"), missing_indicator=True, fill="2"),
        ),
    )
    table = pl.DataFrame({"age": [60.0, None], "pain": [None, "1"]})
    np.testing.assert_array_equal(encode_table(table, contract), [[1, 0, 0, 1, 1], [2, 1, 1, 0, 0]])


def _opened(folder: Path) -> Dataset:
    write_table(folder, TABLE)
    return open_data_set(folder, TABLE)


def _tensors(folder: Path, contract: DataContract = IMAGE, shard_bytes: int = 1 << 20, **arrays: Any) -> None:
    write_tensor_set(folder, contract, **(small_tensors() | arrays), shard_bytes=shard_bytes)
