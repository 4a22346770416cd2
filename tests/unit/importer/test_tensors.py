"""Tensor sets as the vault reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedward_client.importer.tensors import write_tensor_set
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.errors import SourceDataError
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.template import template

CONTRACT = load(template("series").encode()).data


def _arrays(rows: int = 6) -> dict[str, Any]:
    return {
        "x": np.random.default_rng(0).normal(size=(rows, 48, 12)).astype(np.float32),
        "y": np.arange(rows, dtype=np.int64) % 2,
        "unit": np.arange(rows, dtype=np.int64) // 2,
        "split": (np.arange(rows) >= 4).astype(np.uint8),
    }


def test_what_is_written_is_what_the_vault_opens(tmp_path: Path) -> None:
    arrays = _arrays()

    record = write_tensor_set(tmp_path / "set", CONTRACT, **arrays)

    assert json.loads((tmp_path / "set" / "import.json").read_text())["version"] == record.version
    assert record.contract_digest == contract_digest(CONTRACT).hex()
    written = load_file(tmp_path / "set" / "tensors-00000.safetensors")
    assert all(np.array_equal(written[name], array) for name, array in arrays.items())
    data = open_data_set(tmp_path / "set", CONTRACT)
    assert np.array_equal(data.train.records, arrays["x"][:4])
    assert (data.train.count, data.test.count) == (2, 1)


def test_the_same_arrays_are_the_same_version(tmp_path: Path) -> None:
    first = write_tensor_set(tmp_path / "one", CONTRACT, **_arrays())
    second = write_tensor_set(tmp_path / "two", CONTRACT, **_arrays())

    assert first.version == second.version


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("x", np.zeros((6, 12, 48), dtype=np.float32)),
        ("x", np.zeros((6, 48, 12))),
        ("x", np.full((6, 48, 12), np.nan, dtype=np.float32)),
        ("y", np.full(6, 2, dtype=np.int64)),
        ("y", np.full(6, -1, dtype=np.int64)),
        ("y", np.zeros(6)),
        ("unit", np.zeros(5, dtype=np.int64)),
        ("split", np.full(6, 2, dtype=np.uint8)),
    ],
)
def test_what_the_contract_does_not_allow_is_refused(tmp_path: Path, name: str, array: Any) -> None:
    with pytest.raises(SourceDataError, match="do not fit the contract"):
        write_tensor_set(tmp_path / "set", CONTRACT, **(_arrays() | {name: array}))

    assert not (tmp_path / "set").exists()


def test_an_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceDataError, match="there must be a record"):
        write_tensor_set(tmp_path / "set", CONTRACT, **_arrays(0))
