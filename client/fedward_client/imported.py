"""What an import is on disk: written by the importer, read by the vault. Neither knows the other; both know this.

A folder holds ``import.json`` and the files that it lists, each with its digest: ``table-00000.parquet``, … or
``tensors-00000.safetensors``, … . Whatever else lies there is not part of the import.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from pathlib import Path

from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited, write_atomic
from fedward_shared.manifest.contract import contract_digest

__all__ = [
    "RECORD",
    "SHARD_BYTES",
    "TABLE_ROWS",
    "ImportRecord",
    "data_file",
    "file_digest",
    "open_regular",
    "read_record",
    "record_of",
    "shard_name",
    "table_name",
    "version_of",
    "write_record",
]

RECORD = "import.json"
TABLE_ROWS = 1 << 18
"""The most rows of one Parquet file."""
SHARD_BYTES = 1 << 28
"""The most bytes of arrays in one shard; a single larger record is a shard of its own."""
_LARGEST_RECORD = 1 << 20
"""Some nine thousand files, which are two terabytes."""
_DIGEST = "[0-9a-f]{64}"
_BROKEN = "Run fedward-site import again."


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """import.json. `imported_at` is in seconds since 1970 (UTC); `contract_digest` and `version` are hex.

    `files` are the data files in the order of their rows: name and SHA-256 (hex).
    """

    data_set: str
    version: str
    contract_digest: str
    imported_at: float
    rows_accepted: int
    rows_rejected: int
    source_name: str
    files: tuple[tuple[str, str], ...]


def table_name(number: int) -> str:
    """The name of the Parquet file with this number, from 0."""
    return f"table-{number:05}.parquet"


def shard_name(number: int) -> str:
    """The name of the tensor shard with this number, from 0."""
    return f"tensors-{number:05}.safetensors"


def data_file(name: str) -> bool:
    """Whether a data file of an import can have this name."""
    return re.fullmatch(r"table-[0-9]{5}\.parquet|tensors-[0-9]{5}\.safetensors", name) is not None


def open_regular(path: Path) -> io.FileIO:
    """Opens a file for reading, unbuffered, but no link, pipe or device.

    Raises:
        UsageError: it is missing, cannot be read, or is no regular file.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint=_BROKEN) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UsageError(f"{path} is no regular file", hint=_BROKEN)
    return io.FileIO(handle)


def file_digest(path: Path) -> str:
    """SHA-256 (hex) of a file, read piece by piece.

    Raises:
        UsageError: it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def version_of(digests: Sequence[str], contract: str) -> str:
    """What names an import: SHA-256 (hex) over its files' digests, in order, and then the contract's (all in hex)."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, (*digests, contract)))).hexdigest()


def record_of(
    folder: Path,
    contract: DataContract,
    files: Sequence[str],
    *,
    rows: tuple[int, int],
    data_set: str = "",
    imported_at: float = 0.0,
    source_name: str = "",
) -> ImportRecord:
    """The record of the data files `files` that lie in `folder`; `rows` counts accepted and rejected ones."""
    digests = [file_digest(folder / name) for name in files]
    agreed = contract_digest(contract).hex()
    return ImportRecord(
        data_set=data_set,
        version=version_of(digests, agreed),
        contract_digest=agreed,
        imported_at=imported_at,
        rows_accepted=rows[0],
        rows_rejected=rows[1],
        source_name=source_name,
        files=tuple(zip(files, digests, strict=True)),
    )


def write_record(folder: Path, record: ImportRecord) -> None:
    """Writes import.json into `folder`, durably, whole or not at all."""
    write_atomic(folder / RECORD, json.dumps(asdict(record), indent=2).encode() + b"\n")


def read_record(folder: Path) -> ImportRecord:
    """The record in `folder`; that its files are what it says is for their reader to check.

    Raises:
        UsageError: it is missing, or is not what the importer writes.
    """
    try:
        told = json.loads(read_limited(folder / RECORD, _LARGEST_RECORD))
        record = ImportRecord(**{**told, "files": tuple((name, digest) for name, digest in told["files"])})
        fine = _consistent(record)
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder) from error
    if not fine:
        raise _unreadable(folder)
    return record


def _consistent(record: ImportRecord) -> bool:
    digests = [digest for _, digest in record.files]
    return (
        all(data_file(name) for name, _ in record.files)
        and len({name for name, _ in record.files}) == len(digests)
        and all(re.fullmatch(_DIGEST, digest) for digest in (record.contract_digest, *digests))
        and record.version == version_of(digests, record.contract_digest)
        and isinstance(record.imported_at, int | float)
        and isfinite(record.imported_at)
        and type(record.rows_accepted) is int
        and record.rows_accepted >= 0
    )


def _unreadable(folder: Path) -> UsageError:
    return UsageError(f"{folder / RECORD} is not what the importer writes", hint=_BROKEN)
