"""What the importer wrote, as the training step reads it."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from fedward_client.imported import RECORD, read_record, record_of, shard_name, table_name, version_of, write_record
from fedward_client.importer.tensors import write_tensor_set
from fedward_client.shards import header
from fedward_client.vault.training import repeated
from fedward_client.vault.training.dataset import Dataset, open_data_set
from fedward_client.vault.training.encoding import encode_table, encode_tokens
from fedward_client.vault.training.repeated import first_ones
from fedward_shared.contracts.arrays import Text, TextForm
from fedward_shared.contracts.cohort import CategoryColumn, DataContract, Holdout, NumberColumn
from fedward_shared.errors import UsageError
from tests.support.cohorts import contract_of, put_table, write_table

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


@pytest.mark.parametrize(
    "change",
    [
        {"x": np.zeros((6, 1, 8, 9), np.float32)},
        {"x": np.zeros((6, 1, 8, 8), np.float64)},
        {"y": np.arange(6, dtype=np.int32) % 2},
        {"unit": np.zeros(5, np.int64)},
        {"split": None},
        {"more": np.zeros(1)},
    ],
)
def test_tensors_in_another_layout_are_refused(tmp_path: Path, change: dict[str, np.ndarray | None]) -> None:
    arrays = _arrays() | change
    save_file({name: array for name, array in arrays.items() if array is not None}, tmp_path / shard_name(0))
    _list(tmp_path, IMAGE, 6)
    with pytest.raises(UsageError, match="does not hold records of the shape"):
        open_data_set(tmp_path, IMAGE)


@pytest.mark.parametrize(
    ("name", "values"),
    [("y", [0, 1, 2, 0, 1, 0]), ("y", [0, -1, 0, 0, 1, 0]), ("split", [0, 0, 2, 0, 0, 0])],
)
def test_tensors_that_the_contract_does_not_allow_are_refused(tmp_path: Path, name: str, values: list[int]) -> None:
    _tensors(tmp_path)
    arrays = _arrays() | {name: np.array(values).astype(_arrays()[name].dtype)}
    content = header(6, (1, 8, 8)) + b"".join(arrays[key].tobytes() for key in ("x", "y", "unit", "split"))
    (tmp_path / shard_name(0)).write_bytes(content)
    _list(tmp_path, IMAGE, 6)
    with pytest.raises(UsageError, match="the imported"):
        open_data_set(tmp_path, IMAGE)


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


DAMAGES = {
    "no record": lambda folder: (folder / RECORD).unlink(),
    "no object": lambda folder: (folder / RECORD).write_text("[]"),
    "an older importer's": lambda folder: _edit(folder, files=None),
    "no files": lambda folder: _edit(folder, files=[]),
    "another name": lambda folder: _edit(folder, files=[["../table-00000.parquet", "0" * 64]]),
    "another kind": lambda folder: _edit(folder, files=[["tensors-00000.safetensors", "0" * 64]]),
    "twice the same": lambda folder: _edit(folder, files=[["table-00000.parquet", "0" * 64]] * 2),
    "no digest": lambda folder: _edit(folder, files=[["table-00000.parquet", "0" * 63]]),
    "a version of other files": lambda folder: _edit(folder, version="0" * 64),
    "fewer rows": lambda folder: _edit(folder, rows_accepted=59),
    "more rows": lambda folder: _edit(folder, rows_accepted=61),
    "rows below zero": lambda folder: _edit(folder, rows_accepted=-1),
    "a missing file": lambda folder: (folder / "table-00000.parquet").unlink(),
    "a changed bit": lambda folder: _flip(folder / "table-00000.parquet"),
    "a byte more": lambda folder: (folder / "table-00000.parquet").open("ab").write(b"0"),
    "an end cut off": lambda folder: os.truncate(folder / "table-00000.parquet", 99),
    "nothing": lambda folder: os.truncate(folder / "table-00000.parquet", 0),
    "a link": lambda folder: _link(folder / "table-00000.parquet"),
    "a pipe": lambda folder: _pipe(folder / "table-00000.parquet"),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_import_is_refused(tmp_path: Path, damage: Callable[[Path], object]) -> None:
    write_table(tmp_path / "in", TABLE)
    damage(tmp_path / "in")
    with pytest.raises(UsageError):
        open_data_set(tmp_path / "in", TABLE)


@pytest.mark.parametrize("place", [0, 500, 1024, 1024 + 6 * 256, -1])
def test_a_changed_bit_of_a_shard_is_noticed(tmp_path: Path, place: int) -> None:
    _tensors(tmp_path)
    _flip(tmp_path / shard_name(0), place)
    with pytest.raises(UsageError, match="tensors-00000"):
        open_data_set(tmp_path, IMAGE)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop("disease"),
        lambda table: table.with_columns(disease=pl.lit(2)),
        lambda table: table.with_columns(disease=pl.lit(0.0)),
        lambda table: table.with_columns(disease=pl.lit(None, pl.Int64)),
        lambda table: table.with_columns(split=pl.lit("other")),
        lambda table: table.with_columns(patient_id=pl.lit(None, pl.String)),
    ],
)
def test_a_table_that_the_contract_does_not_allow_is_refused(
    tmp_path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> None:
    table = pl.DataFrame(write_table(tmp_path / "in", TABLE))
    put_table(tmp_path / "in", TABLE, change(table))
    with pytest.raises(UsageError, match="the imported"):
        open_data_set(tmp_path / "in", TABLE)


def test_what_is_listed_but_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / table_name(0)).write_bytes(b"PAR1 not really")
    _list(tmp_path, TABLE, 60)
    with pytest.raises(UsageError, match="no table"):
        open_data_set(tmp_path, TABLE)


def test_data_of_another_contract_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "in", TABLE)
    with pytest.raises(UsageError, match="another data contract"):
        open_data_set(tmp_path / "in", replace(TABLE, records_per_patient=9))


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


def test_records_of_one_patient_with_the_same_inputs_and_label_count_once(tmp_path: Path) -> None:
    table = pl.DataFrame(write_table(tmp_path / "in", TABLE))
    again = [table[3:4], table[10:30], table[3:4]]
    differ = [
        table[5:6].with_columns(patient_id=pl.lit("somebody else"), split=pl.lit("train")),
        table[5:6].with_columns(disease=1 - pl.col("disease")),
        table[5:6].with_columns(age=pl.col("age") / 2 + 20),
    ]
    (tmp_path / "more").mkdir()
    put_table(tmp_path / "more", TABLE, table, *again, *differ)
    (tmp_path / "once").mkdir()
    put_table(tmp_path / "once", TABLE, table, *differ)
    more, once = (open_data_set(tmp_path / name, TABLE) for name in ("more", "once"))
    for one, other in ((more.train, once.train), (more.test, once.test)):
        np.testing.assert_array_equal(one.records, other.records)
        np.testing.assert_array_equal(one.labels, other.labels)
        np.testing.assert_array_equal(one.units, other.units)
        assert one.count == other.count
    assert more.train.rows.max() == 60 + 22 + 2, "rows are those of the import"


@pytest.mark.parametrize("side", [3, 40])
def test_arrays_of_one_patient_count_once_and_without_patients_all_count(side: int) -> None:
    """Small records and large ones are compared in ways of their own."""
    records = np.random.default_rng(0).normal(size=(6, side, side)).astype(np.float32)
    records[[2, 5]] = records[[0, 0]]
    records[4] = records[1]
    records[4, -1, -1] = np.nextafter(records[1, -1, -1], np.float32(9))
    units = np.array([0, 1, 0, 2, 1, 1])
    assert first_ones(records, np.zeros(6, np.int64), units, 3).tolist() == [True, True, False, True, True, True]
    assert first_ones(records, np.array([0, 0, 1, 0, 0, 0]), units, 3).all()
    assert first_ones(records, np.zeros(6, np.int64), np.arange(6), 6).all()


def test_what_only_looks_equal_is_compared_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """All records get the same bits."""
    monkeypatch.setattr(repeated, "_digests", lambda _, rows: np.zeros(len(rows), np.uint64))
    monkeypatch.setattr(repeated, "_VALUES", 3)
    records = np.array([[1, 2], [1, 2], [1, 3], [1, 2]], np.float32)
    assert first_ones(records, np.zeros(4, np.int64), np.array([0, 0, 0, 0]), 1).tolist() == [True, False, True, False]


def test_rows_without_a_patient_all_count(tmp_path: Path) -> None:
    contract = replace(IMAGE, patient=None)
    _tensors(tmp_path, contract, x=np.ones((6, 1, 8, 8), np.float32), y=np.zeros(6, np.int64))
    assert len(open_data_set(tmp_path, contract).train.labels) == 4
    _tensors(tmp_path, IMAGE, x=np.ones((6, 1, 8, 8), np.float32), y=np.zeros(6, np.int64))
    assert len(open_data_set(tmp_path, IMAGE).train.labels) == 2


def _opened(folder: Path) -> Dataset:
    write_table(folder, TABLE)
    return open_data_set(folder, TABLE)


def _edit(folder: Path, **changes: object) -> None:
    record = json.loads((folder / RECORD).read_text()) | changes
    if "files" in changes and "version" not in changes:
        with suppress(TypeError, ValueError):
            record["version"] = version_of([digest for _, digest in record["files"]], record["contract_digest"])
    (folder / RECORD).write_text(json.dumps({key: value for key, value in record.items() if value is not None}))


def _flip(path: Path, place: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def _link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _list(folder: Path, contract: DataContract, rows: int) -> None:
    names = sorted(path.name for path in folder.glob("t*-*"))
    write_record(folder, record_of(folder, contract, names, rows=(rows, 0)))


def _arrays() -> dict[str, Any]:
    return {
        "x": np.random.default_rng(0).normal(size=(6, 1, 8, 8)).astype(np.float32),
        "y": np.arange(6) % 2,
        "unit": np.arange(6) // 2,
        "split": (np.arange(6) >= 4).astype(np.uint8),
    }


def _tensors(folder: Path, contract: DataContract = IMAGE, shard_bytes: int = 1 << 20, **arrays: Any) -> None:
    write_tensor_set(folder, contract, **(_arrays() | arrays), shard_bytes=shard_bytes)
