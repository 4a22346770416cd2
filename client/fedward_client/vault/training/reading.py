"""Reads the files of an import, each whole, and hashed as it is read: only the ones that import.json lists will do.

Sizes are checked before memory is set aside. A file that is a link or no regular file is refused.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.imported import SHARD_BYTES, TABLE_ROWS, open_regular
from fedward_client.shards import HEADER_BYTES, header, record_bytes, rows_in
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["HINT", "Shard", "read_shard", "read_table"]

HINT = "Run fedward-site import again."
_LARGEST_TABLE = 1 << 32
_PIECE = 1 << 22


@dataclass(frozen=True, slots=True)
class Shard:
    """The arrays of one shard; see `shards` for their shapes."""

    x: NDArray[np.float32]
    y: NDArray[np.int64]
    unit: NDArray[np.int64]
    split: NDArray[np.uint8]


def read_table(path: Path, digest: str) -> pl.DataFrame:
    """One Parquet file.

    Raises:
        UsageError: it is missing, is not the one whose SHA-256 (hex) is `digest`, or is no such table.
    """
    import polars as pl

    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > _LARGEST_TABLE:
            raise UsageError(f"{path} is larger than an imported table can be", hint=HINT)
        content = io.BufferedReader(file).read(size + 1)
    if hashlib.sha256(content).hexdigest() != digest:
        raise _another(path)
    try:
        scan = pl.scan_parquet(io.BytesIO(content), use_statistics=False)
        if scan.select(pl.len()).collect().item() > TABLE_ROWS:
            raise UsageError(f"{path} has more rows than one file of an import", hint=HINT)
        return scan.collect()
    except pl.exceptions.PolarsError as error:
        raise UsageError(f"{path} is no table", hint=HINT) from error


def read_shard(path: Path, digest: str, shape: tuple[int, ...]) -> Shard:
    """One shard of records of this shape.

    Raises:
        UsageError: it is missing, is not the one whose SHA-256 (hex) is `digest`, or holds other records.
    """
    with open_regular(path) as file:
        rows = rows_in(os.fstat(file.fileno()).st_size, shape)
        if rows is None or (rows > 1 and rows * record_bytes(shape) > SHARD_BYTES):
            raise _misshaped(path)
        hasher = hashlib.sha256()
        first = np.empty(HEADER_BYTES, dtype=np.uint8)
        _fill(file, first, hasher, path)
        if first.tobytes() != header(rows, shape):
            raise _misshaped(path)
        shard = Shard(
            np.empty((rows, *shape), dtype="<f4"),
            np.empty(rows, dtype="<i8"),
            np.empty(rows, dtype="<i8"),
            np.empty(rows, dtype=np.uint8),
        )
        for array in (shard.x, shard.y, shard.unit, shard.split):
            _fill(file, array.reshape(-1).view(np.uint8), hasher, path)
        _check_end(file, hasher, digest, path)
    return shard


def _fill(file: io.FileIO, target: NDArray[np.uint8], hasher: hashlib._Hash, path: Path) -> None:
    view, at = target.data, 0
    while at < len(view):
        count = file.readinto(view[at : at + _PIECE])
        if not count:
            raise UsageError(f"{path} ends early", hint=HINT)
        hasher.update(view[at : at + count])
        at += count


def _check_end(file: io.FileIO, hasher: hashlib._Hash, digest: str, path: Path) -> None:
    if file.read(1) or hasher.hexdigest() != digest:
        raise _another(path)


def _another(path: Path) -> UsageError:
    return UsageError(f"{path} is not the file that was imported", hint=HINT)


def _misshaped(path: Path) -> UsageError:
    return UsageError(f"{path} does not hold records of the shape that the contract declares", hint=HINT)
