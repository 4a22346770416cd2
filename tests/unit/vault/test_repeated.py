"""A patient's records with the same inputs and label count once, whatever the importer let through."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fedward_client.importer.tensors import write_tensor_set
from fedward_client.vault.training import repeated
from fedward_client.vault.training.dataset import open_data_set
from fedward_client.vault.training.repeated import first_ones
from tests.support.cohorts import contract_of, put_table, small_tensors, write_table

TABLE, IMAGE = contract_of("logistic"), contract_of("cnn")


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
    alike = small_tensors() | {"x": np.ones((6, 1, 8, 8), np.float32), "y": np.zeros(6, np.int64)}
    for contract, rows in ((replace(IMAGE, patient=None), 4), (IMAGE, 2)):
        write_tensor_set(tmp_path, contract, **alike)
        assert len(open_data_set(tmp_path, contract).train.labels) == rows
