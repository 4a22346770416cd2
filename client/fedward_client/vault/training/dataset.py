"""A site's imported data as the training step reads them. The importer wrote them; here they are only read, as data.

A folder (`imported`) holds ``import.json`` and the files that it lists: Parquet under the contract's names (its
columns, the label as class index, and where the contract has them patient and split), or tensor shards (`shards`).
Without a split every row is for training. Records are written once, into memory that was set aside once. A patient's
records with the same inputs and label count once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.imported import TABLE_ROWS, ImportRecord, read_record, shard_name, table_name
from fedward_client.shards import record_bytes
from fedward_client.vault.training.encoding import encode_table, encode_tokens
from fedward_client.vault.training.reading import HINT, read_shard, read_table
from fedward_client.vault.training.repeated import first_ones
from fedward_client.vault.training.subgroups import members
from fedward_shared.contracts.arrays import Text, TextForm
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.contracts.study import Subgroup
from fedward_shared.errors import UsageError
from fedward_shared.manifest.contract import contract_digest

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Dataset", "Part", "Records", "open_data_set"]

_ROWS = 1 << 12
_NO_GROUPS: Mapping[str, NDArray[np.bool_]] = MappingProxyType({})

Records = NDArray[np.float32] | NDArray[np.int64]
"""(rows, *input shape): float32, or int64 for the tokens of a text."""


@dataclass(frozen=True, slots=True)
class Part:
    """Training or test rows.

    `records` (rows, *input shape), `labels` (rows,) class index, `units` (rows,) index of the patient from 0 to
    `count` - 1 within this part, `rows` (rows,) position in the whole import. `groups` (name to a mask (rows,)) are the
    declared subgroups.
    """

    records: Records
    labels: NDArray[np.int64]
    units: NDArray[np.int64]
    count: int
    rows: NDArray[np.int64]
    groups: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Both parts of a site's data."""

    train: Part
    test: Part


def open_data_set(folder: Path, contract: DataContract, subgroups: Sequence[Subgroup] = ()) -> Dataset:
    """Reads the import in `folder` and checks that it is what its record and `contract` say.

    Who belongs to `subgroups` is read from the columns of tables; records of another kind have none.

    Raises:
        UsageError: a file is missing, unreadable or another than was imported, or the import was made under another
            contract.
    """
    record = read_record(folder)
    table = contract.kind is DataKind.TABLE
    _check_record(record, contract, table_name if table else shard_name)
    if record.rows_accepted > (TABLE_ROWS * len(record.files) if table else _most_records(folder, record, contract)):
        raise _miscounted()
    parts = _Parts(record.rows_accepted, contract)
    if table:
        units = _read_tables(folder, record, contract, parts, subgroups)
    else:
        units = _read_shards(folder, record, contract, parts)
    return parts.complete(units)


def _check_record(record: ImportRecord, contract: DataContract, name: Callable[[int], str]) -> None:
    if record.contract_digest != contract_digest(contract).hex():
        raise UsageError(
            "the data were imported under another data contract than the study's",
            hint="Run fedward-site import with this study's contract.",
        )
    if not record.files or [listed for listed, _ in record.files] != [*map(name, range(len(record.files)))]:
        raise UsageError("the import does not list the files that the contract needs, in their order", hint=HINT)


def _most_records(folder: Path, record: ImportRecord, contract: DataContract) -> int:
    """How many records the shards can hold by their size: checked before memory is set aside."""
    paths = [folder / name for name, _ in record.files]
    return sum(path.stat().st_size for path in paths if path.is_file()) // max(1, record_bytes(contract.input_shape))


class _Parts:
    """Collects rows, which are written once: both parts are set aside as if they got all rows.

    Memory that is never written to is never taken from the system, so together they take what all rows take.
    """

    def __init__(self, rows: int, contract: DataContract) -> None:
        kind = np.int64 if _tokens(contract) else np.float32
        self._rows = rows
        self._patients = contract.patient is not None
        self._labels_below = contract.label.numbers
        self._records = [np.empty((rows, *contract.input_shape), dtype=kind) for _ in range(2)]
        self._filled = [0, 0]
        self._labels: list[NDArray[np.int64]] = []
        self._test: list[NDArray[np.bool_]] = []
        self._groups: list[Mapping[str, NDArray[np.bool_]]] = []

    def add(
        self,
        records: Records,
        labels: NDArray[np.int64],
        test: NDArray[np.bool_],
        groups: Mapping[str, NDArray[np.bool_]] = _NO_GROUPS,
    ) -> None:
        if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < self._labels_below:
            raise UsageError("the imported labels are not class numbers of the contract", hint=HINT)
        if sum(self._filled) + len(labels) > self._rows:
            raise _miscounted()
        for part, chosen in enumerate((~test, test)):
            where = np.flatnonzero(chosen)
            start, self._filled[part] = self._filled[part], self._filled[part] + len(where)
            np.take(records, where, axis=0, out=self._records[part][start : self._filled[part]], mode="clip")
        self._labels.append(labels)
        self._test.append(test)
        self._groups.append(groups)

    def complete(self, units: NDArray[np.int64]) -> Dataset:
        if sum(self._filled) != self._rows:
            raise _miscounted()
        labels = np.concatenate(self._labels)
        test = np.concatenate(self._test)
        return Dataset(*(self._part(part, labels, units, chosen) for part, chosen in enumerate((~test, test))))

    def _part(self, part: int, labels: NDArray[np.int64], units: NDArray[np.int64], chosen: NDArray[np.bool_]) -> Part:
        names, index = np.unique(units[chosen], return_inverse=True)
        whole = Part(
            records=self._records[part][: self._filled[part]],
            labels=labels[chosen],
            units=index.reshape(-1).astype(np.int64),
            count=len(names),
            rows=np.flatnonzero(chosen).astype(np.int64),
            groups={
                name: np.concatenate([groups[name] for groups in self._groups])[chosen] for name in self._groups[0]
            },
        )
        return _once(whole) if self._patients else whole


def _once(part: Part) -> Part:
    """The part without records that repeat one of the same patient; those that stay move up, in place."""
    first = first_ones(part.records, part.labels, part.units, part.count)
    if first.all():
        return part
    kept = np.flatnonzero(first)
    for start in range(0, len(kept), _ROWS):
        rows = kept[start : start + _ROWS]
        part.records[start : start + len(rows)] = part.records[rows]
    return Part(
        part.records[: len(kept)],
        part.labels[kept],
        part.units[kept],
        part.count,
        part.rows[kept],
        {name: inside[kept] for name, inside in part.groups.items()},
    )


def _read_tables(
    folder: Path, record: ImportRecord, contract: DataContract, parts: _Parts, subgroups: Sequence[Subgroup]
) -> NDArray[np.int64]:
    """Adds all rows to `parts`; gives each row's unit."""
    import polars as pl

    names: list[pl.Series] = []
    for file, digest in record.files:
        table = read_table(folder / file, digest)
        for column in filter(None, (contract.label.column, contract.patient, contract.split_column)):
            if column not in table.columns or table[column].null_count():
                raise UsageError(f"the imported table has no complete column {column!r}", hint=HINT)
        label = table[contract.label.column]
        if not label.dtype.is_integer():
            raise UsageError(f"the imported column {label.name!r} holds no class numbers", hint=HINT)
        records, labels = encode_table(table, contract), label.cast(pl.Int64).to_numpy()
        parts.add(records, labels, _held_out(table, contract), members(table, subgroups))
        if contract.patient:
            names.append(table[contract.patient].cast(pl.String))
    if not contract.patient:
        return np.arange(record.rows_accepted)
    return pl.concat(names).rank("dense").to_numpy().astype(np.int64)


def _held_out(table: pl.DataFrame, contract: DataContract) -> NDArray[np.bool_]:
    if contract.split_column is None:
        return np.zeros(table.height, dtype=np.bool_)
    split = table[contract.split_column]
    if not split.is_in(["train", "test"]).all():
        raise UsageError(f"the imported column {split.name!r} holds something else than train and test", hint=HINT)
    return (split == "test").to_numpy().astype(np.bool_)


def _read_shards(folder: Path, record: ImportRecord, contract: DataContract, parts: _Parts) -> NDArray[np.int64]:
    """Adds all records to `parts`; gives each record's unit."""
    units, tokens = [], _tokens(contract)
    for file, digest in record.files:
        shard = read_shard(folder / file, digest, contract.input_shape)
        if int(shard.split.max()) > 1:
            raise UsageError("the imported tensors are neither for training nor for testing", hint=HINT)
        parts.add(encode_tokens(shard.x, tokens.buckets) if tokens else shard.x, shard.y, shard.split.astype(np.bool_))
        units.append(shard.unit)
    return np.concatenate(units) if contract.patient else np.arange(record.rows_accepted)


def _tokens(contract: DataContract) -> Text | None:
    """The form of records that are tokens; None for all others."""
    form = contract.form
    return form if isinstance(form, Text) and form.form is TextForm.TOKENS else None


def _miscounted() -> UsageError:
    return UsageError("the import holds another number of rows than its record says", hint=HINT)
