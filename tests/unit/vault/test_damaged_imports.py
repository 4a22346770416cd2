"""An import that is damaged, not the one that is listed, or not what the contract allows is refused as a whole."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import save_file

from fedward_client.imported import RECORD, record_of, shard_name, table_name, version_of, write_record
from fedward_client.importer.tensors import write_tensor_set
from fedward_client.shards import header
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import UsageError
from tests.support.cohorts import contract_of, put_table, small_tensors, write_table

TABLE, IMAGE = contract_of("logistic"), contract_of("cnn")


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
    arrays = small_tensors() | change
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
    arrays = small_tensors() | {name: np.array(values).astype(small_tensors()[name].dtype)}
    content = header(6, (1, 8, 8)) + b"".join(arrays[key].tobytes() for key in ("x", "y", "unit", "split"))
    (tmp_path / shard_name(0)).write_bytes(content)
    _list(tmp_path, IMAGE, 6)
    with pytest.raises(UsageError, match="the imported"):
        open_data_set(tmp_path, IMAGE)


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
    "more rows than memory": lambda folder: _edit(folder, rows_accepted=10**15),
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


@pytest.mark.parametrize("rows", [5, 7, 10**15])
def test_shards_that_hold_another_number_of_records_are_refused(tmp_path: Path, rows: int) -> None:
    _tensors(tmp_path)
    _edit(tmp_path, rows_accepted=rows)
    with pytest.raises(UsageError, match="another number of rows"):
        open_data_set(tmp_path, IMAGE)


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


def _tensors(folder: Path) -> None:
    write_tensor_set(folder, IMAGE, **small_tensors())
