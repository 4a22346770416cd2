"""Writes a set of tensors (images, series) as the vault reads them; for simulations and tests of kind "tensor"."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.inbox import ImportRecord, version_of
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import SourceDataError
from fedward_shared.files import write_atomic
from fedward_shared.manifest.contract import contract_digest

__all__ = ["write_tensor_set"]


def write_tensor_set(
    folder: Path,
    contract: DataContract,
    *,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    unit: NDArray[np.int64],
    split: NDArray[np.uint8],
    data_set: str = "tensors",
    imported_at: float = 0.0,
) -> ImportRecord:
    """Writes ``tensors.safetensors`` and ``import.json`` into `folder` (made where missing).

    `x` is (records, *contract.shape), `y` class indices, `unit` the patient's number, `split` 0 for training and 1
    for test; each of the last three has one entry a record.

    Raises:
        SourceDataError: shapes, types, finite values, class indices or split are not what the contract says.
    """
    from safetensors.numpy import save

    _check(contract, x, y, unit, split)
    content = save({"x": np.ascontiguousarray(x), "y": y, "unit": unit, "split": split})
    record = ImportRecord(
        data_set=data_set,
        version=version_of(content, contract),
        contract_digest=contract_digest(contract).hex(),
        imported_at=imported_at,
        rows_accepted=len(y),
        rows_rejected=0,
        source_name="",
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "tensors.safetensors", content)
    write_atomic(folder / "import.json", json.dumps(asdict(record), indent=2).encode() + b"\n")
    return record


def _check(
    contract: DataContract,
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    unit: NDArray[np.int64],
    split: NDArray[np.uint8],
) -> None:
    rows = len(y)
    rules = (
        (x.dtype == np.float32 and x.shape == (rows, *contract.input_shape), f"x must be float32 {contract.shape}"),
        (y.dtype == np.int64 and unit.dtype == np.int64 and split.dtype == np.uint8, "y, unit: int64; split: uint8"),
        (y.shape == unit.shape == split.shape == (rows,), "y, unit and split must have one entry a record"),
        (rows > 0, "there must be a record"),
        (bool(np.isfinite(x).all()), "x must be finite"),
        (bool(((y >= 0) & (y < len(contract.label.classes))).all()), "y must be class indices"),
        (bool((split <= 1).all()), "split must be 0 (train) or 1 (test)"),
    )
    for fine, rule in rules:
        if not fine:
            raise SourceDataError(f"the tensors do not fit the contract: {rule}")
