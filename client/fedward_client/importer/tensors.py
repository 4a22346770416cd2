"""Writes records of kind "tensor" as the vault reads them: in shards (`shards`), a few records at a time.

`x` goes to the disk as it comes; the header, whose size is known beforehand, is written last. The same records give the
same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from fedward_client.imported import SHARD_BYTES, ImportRecord, record_of, shard_name, write_record
from fedward_client.shards import HEADER_BYTES, header, record_bytes
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import SourceDataError

__all__ = ["ShardWriter", "write_tensor_set"]

_FLOAT, _WHOLE = np.dtype("<f4"), np.dtype("<i8")


class ShardWriter:
    """Writes shards into `folder`; memory does not grow with the records, only with the number of patients.

    Use it in a `with` block; after it, `files` are the names of the shards in order, and `rows` how many records they
    hold. Where the block ends with an error, the shards are of no use.

    Args:
        folder: an existing folder.
        contract: of kind "tensor".
        shard_bytes: the most bytes of `x` in one shard; a larger record is a shard of its own.
    """

    def __init__(self, folder: Path, contract: DataContract, *, shard_bytes: int = SHARD_BYTES) -> None:
        self._folder = folder
        self._shape = contract.input_shape
        self._labels_below = contract.label.numbers
        self._most = max(1, shard_bytes // record_bytes(self._shape))
        self._units: dict[str, int] = {}
        self._shard: _Shard | None = None
        self.files: tuple[str, ...] = ()
        self.rows = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shard is not None:
            self._shard.close(complete=error is None)
            self._shard = None

    def add(
        self, x: NDArray[np.float32], y: NDArray[np.int64], units: Sequence[str] | None, split: NDArray[np.uint8]
    ) -> None:
        """Appends n records.

        Args:
            x: (n, *shape).
            y: (n,) class indices; with a follow-up, as `contracts.survival.encode` makes them.
            units: whose each record is, n patients' names; None where each record is a unit of its own.
            split: (n,) 0 for training, 1 for test.

        Raises:
            SourceDataError: shapes, types, finite values, labels or split are not what the contract says.
        """
        _check(x, y, split, shape=self._shape, labels_below=self._labels_below)
        if units is not None and len(units) != len(y):
            raise _unfit("there must be a unit for each record")
        numbers = self._numbers(units, len(y))
        start = 0
        while start < len(y):
            if self._shard is None:
                self.files = (*self.files, shard_name(len(self.files)))
                self._shard = _Shard(self._folder / self.files[-1], self._shape)
            stop = min(len(y), start + self._most - self._shard.rows)
            part = slice(start, stop)
            self._shard.add(x[part], y[part], numbers[part], split[part])
            self.rows += stop - start
            start = stop
            if self._shard.rows == self._most:
                self._shard.close(complete=True)
                self._shard = None

    def _numbers(self, units: Sequence[str] | None, count: int) -> NDArray[np.int64]:
        if units is None:
            return np.arange(self.rows, self.rows + count, dtype=_WHOLE)
        known = self._units
        return np.array([known.setdefault(unit, len(known)) for unit in units], dtype=_WHOLE)


class _Shard:
    """One file while it is written."""

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._labels: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]] = []
        self.rows = 0
        self._file: BinaryIO = path.open("xb")
        self._file.write(bytes(HEADER_BYTES))

    def add(
        self, x: NDArray[np.float32], y: NDArray[np.int64], unit: NDArray[np.int64], split: NDArray[np.uint8]
    ) -> None:
        self._file.write(np.ascontiguousarray(x, dtype=_FLOAT).data)
        self._labels.append((y.copy(), unit.copy(), split.copy()))
        self.rows += len(y)

    def close(self, *, complete: bool) -> None:
        with self._file:
            if complete:
                y, unit, split = (np.concatenate(parts) for parts in zip(*self._labels, strict=True))
                for column in (y.astype(_WHOLE), unit.astype(_WHOLE), split):
                    self._file.write(column.data)
                self._file.seek(0)
                self._file.write(header(self.rows, self._shape))


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
    shard_bytes: int = SHARD_BYTES,
) -> ImportRecord:
    """Writes a whole import into `folder` (made where missing): for simulations, benchmarks and tests.

    `x` is (records, *contract.input_shape), `y` labels as in `ShardWriter.add`, `unit` the patient's number, `split` 0
    for training and 1 for test; each of the last three has one entry a record.

    Raises:
        SourceDataError: shapes, types, finite values, labels or split are not what the contract says.
    """
    _check(x, y, split, shape=contract.input_shape, labels_below=contract.label.numbers)
    if unit.dtype != np.int64 or unit.shape != y.shape:
        raise _unfit("unit must be int64 and have one entry a record")
    if not len(y):
        raise _unfit("there must be a record")
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("tensors-*.safetensors"):
        old.unlink()
    with ShardWriter(folder, contract, shard_bytes=shard_bytes) as writer:
        writer.add(x, y, [str(number) for number in unit.tolist()], split)
    record = record_of(
        folder, contract, writer.files, rows=(writer.rows, 0), data_set=data_set, imported_at=imported_at
    )
    write_record(folder, record)
    return record


def _check(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    split: NDArray[np.uint8],
    *,
    shape: tuple[int, ...],
    labels_below: int,
) -> None:
    """Whether arrays are what a contract says.

    Raises:
        SourceDataError: they are not; the message says what is wrong, and no value.
    """
    rows = len(y)
    rules = (
        (x.dtype == np.float32 and x.shape == (rows, *shape), f"x must be float32 {shape}"),
        (y.dtype == np.int64 and split.dtype == np.uint8, "y must be int64, split uint8"),
        (y.shape == split.shape == (rows,), "y and split must have one entry a record"),
        (bool(np.isfinite(x).all()), "x must be finite"),
        (bool(((y >= 0) & (y < labels_below)).all()), "y must be class indices, or labels of survival"),
        (bool((split <= 1).all()), "split must be 0 (train) or 1 (test)"),
    )
    for fine, rule in rules:
        if not fine:
            raise _unfit(rule)


def _unfit(rule: str) -> SourceDataError:
    return SourceDataError(f"the tensors do not fit the contract: {rule}")
