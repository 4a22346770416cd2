"""A site's imported data as the training step reads them. The importer wrote them; here they are only read, as data.

A folder holds ``import.json`` and either ``table.parquet`` (under the contract's names: its columns, the label as
class index, and where the contract has them patient and split) or ``tensors.safetensors`` (`x`, `y`, `unit`, `split`
with 0 for training and 1 for test). Without a split every row is for training.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.vault.training.encoding import encode_table
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited
from fedward_shared.manifest.contract import contract_digest

__all__ = ["Dataset", "Part", "open_data_set"]

_LARGEST_RECORD = 1 << 20
_HINT = "Run fedward-site import again."


@dataclass(frozen=True, slots=True)
class Part:
    """Training or test rows.

    `records` (rows, *input shape) float32, `labels` (rows,) class index, `units` (rows,) index of the patient from 0 to
    `count` - 1 within this part, `rows` (rows,) position in the imported file.
    """

    records: NDArray[np.float32]
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    count: int
    rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Both parts of a site's data."""

    train: Part
    test: Part


def open_data_set(folder: Path, contract: DataContract) -> Dataset:
    """Reads the import in `folder` and checks that it is what `contract` says.

    Raises:
        UsageError: a file is missing or unreadable, or the import was made under another contract.
    """
    _check_record(folder, contract)
    if contract.kind is DataKind.TABLE:
        records, labels, units, test = _table(folder / "table.parquet", contract)
    else:
        records, labels, units, test = _tensors(folder / "tensors.safetensors", contract)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(contract.label.classes):
        raise UsageError("the imported labels are not class numbers of the contract", hint=_HINT)
    return Dataset(_part(records, labels, units, ~test), _part(records, labels, units, test))


def _check_record(folder: Path, contract: DataContract) -> None:
    try:
        record = json.loads(read_limited(folder / "import.json", _LARGEST_RECORD))
        digest = record["contract_digest"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{folder / 'import.json'} is not what the importer writes", hint=_HINT) from error
    if digest != contract_digest(contract).hex():
        raise UsageError(
            "the data were imported under another data contract than the study's",
            hint="Run fedward-site import with this study's contract.",
        )


def _table(
    path: Path, contract: DataContract
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.generic], NDArray[np.bool_]]:
    import polars as pl

    try:
        table = pl.read_parquet(path, use_statistics=False)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"cannot read {path}", hint=_HINT) from error
    for name in filter(None, (contract.label.column, contract.patient, contract.split)):
        if name not in table.columns or table[name].null_count():
            raise UsageError(f"the imported table has no complete column {name!r}", hint=_HINT)
    labels = table[contract.label.column].cast(pl.Int64).to_numpy().astype(np.int64)
    units: NDArray[np.generic] = (
        table[contract.patient].cast(pl.String).rank("dense").to_numpy()
        if contract.patient
        else np.arange(table.height)
    )
    test = np.zeros(table.height, dtype=np.bool_)
    if contract.split:
        if not table[contract.split].is_in(["train", "test"]).all():
            raise UsageError(
                f"the imported column {contract.split!r} holds something else than train and test", hint=_HINT
            )
        test = (table[contract.split] == "test").to_numpy().astype(np.bool_)
    return encode_table(table, contract), labels, units, test


def _tensors(
    path: Path, contract: DataContract
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.generic], NDArray[np.bool_]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        arrays = load_file(path)
        records, labels, split = arrays["x"], arrays["y"].astype(np.int64), arrays["split"]
        units = arrays["unit"] if contract.patient else np.arange(len(labels))
    except (OSError, KeyError, SafetensorError) as error:
        raise UsageError(f"cannot read {path}", hint=_HINT) from error
    rows = len(labels)
    fits = records.dtype == np.float32 and records.shape == (rows, *contract.input_shape)
    if not fits or any(array.shape != (rows,) for array in (labels, units, split)):
        raise UsageError("the imported tensors do not have the shape that the contract declares", hint=_HINT)
    return records, labels, units, split.astype(np.bool_)


def _part(
    records: NDArray[np.float32], labels: NDArray[np.int64], units: NDArray[np.generic], chosen: NDArray[np.bool_]
) -> Part:
    names, index = np.unique(units[chosen], return_inverse=True)
    return Part(
        records=records[chosen],
        labels=labels[chosen],
        units=index.reshape(-1).astype(np.int64),
        count=len(names),
        rows=np.flatnonzero(chosen).astype(np.int64),
    )
