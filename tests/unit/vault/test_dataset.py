"""What the importer wrote, as the training step reads it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.encoding import encode_table
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, NumberColumn
from fedward_shared.errors import UsageError
from fedward_shared.manifest.contract import contract_digest
from tests.support.cohorts import contract_of, write_table

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
    _record(tmp_path / "in", contract)
    data = open_data_set(tmp_path / "in", contract)
    assert (data.train.count, data.test.count, len(data.test.labels)) == (10, 0, 0)


def test_tensors_are_read_with_their_units_and_split(tmp_path: Path) -> None:
    _tensors(tmp_path, 6)
    data = open_data_set(tmp_path, IMAGE)
    assert data.train.records.shape == (4, 1, 8, 8)
    assert data.train.units.tolist() == [0, 0, 1, 1]
    assert data.test.rows.tolist() == [4, 5]


@pytest.mark.parametrize(
    "change",
    [
        {"x": np.zeros((6, 1, 8, 9), np.float32)},
        {"x": np.zeros((6, 1, 8, 8), np.float64)},
        {"y": np.array([0, 1, 2, 0, 1, 0])},
        {"y": np.array([0, -1, 0, 0, 1, 0])},
        {"unit": np.zeros(5, np.int64)},
        {"split": None},
    ],
)
def test_tensors_that_do_not_fit_are_refused(tmp_path: Path, change: dict[str, np.ndarray | None]) -> None:
    _tensors(tmp_path, 6, change)
    with pytest.raises(UsageError):
        open_data_set(tmp_path, IMAGE)


@pytest.mark.parametrize("damage", ["record", "contract", "missing", "table", "label", "split"])
def test_a_damaged_import_is_refused(tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "in"
    write_table(folder, TABLE)
    table = folder / "table.parquet"
    match damage:
        case "record":
            (folder / "import.json").write_text("[]")
        case "contract":
            _record(folder, replace(TABLE, records_per_patient=9))
        case "missing":
            table.unlink()
        case "table":
            table.write_bytes(b"PAR1 not really")
        case "label":
            pl.read_parquet(table).drop("disease").write_parquet(table)
        case "split":
            pl.read_parquet(table).with_columns(split=pl.lit("other")).write_parquet(table)
    with pytest.raises(UsageError):
        open_data_set(folder, TABLE)


def _record(folder: Path, contract: DataContract) -> None:
    (folder / "import.json").write_text(json.dumps({"contract_digest": contract_digest(contract).hex()}))


def _tensors(folder: Path, rows: int, change: dict[str, np.ndarray | None] | None = None) -> None:
    arrays: dict[str, np.ndarray] = {
        "x": np.ones((rows, 1, 8, 8), np.float32),
        "y": np.arange(rows) % 2,
        "unit": np.arange(rows) // 2,
        "split": (np.arange(rows) >= rows - 2).astype(np.uint8),
    }
    for key, array in (change or {}).items():
        if array is None:
            del arrays[key]
        else:
            arrays[key] = array
    save_file(arrays, folder / "tensors.safetensors")
    _record(folder, IMAGE)
