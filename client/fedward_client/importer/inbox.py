"""Puts a checked data set into the inbox: whole or not at all.

``inbox/<data set>/<version>/`` is built under ``inbox/.importing/`` and renamed into place. Whoever holds the lock
there is the only importer, so whatever else lies there was left by one that was killed, and is removed.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import UsageError
from fedward_shared.files import FolderLock, sync_folder, write_atomic
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.schema import SITE_NAME

__all__ = ["ImportRecord", "Staging", "check_name", "version_of"]

_STAGING = ".importing"
_FOLDER_MODE = 0o700


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """import.json. `imported_at` is in seconds since 1970 (UTC); `contract_digest` and `version` are hex."""

    data_set: str
    version: str
    contract_digest: str
    imported_at: float
    rows_accepted: int
    rows_rejected: int
    source_name: str


def check_name(data_set: str) -> None:
    """Whether a text can name a data set.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(SITE_NAME, data_set):
        raise UsageError(
            f"{data_set!r} cannot name a data set",
            hint="Use small letters, digits and hyphens, at most 63, such as --data-set cardiology-2024",
        )


def version_of(content: bytes, contract: DataContract) -> str:
    """What names an import: SHA-256 (hex) of its data file followed by the contract's digest."""
    hasher = hashlib.sha256(content)
    hasher.update(contract_digest(contract))
    return hasher.hexdigest()


class Staging:
    """A place to build one import in; `publish` moves it into the inbox. Nothing stays behind otherwise."""

    def __init__(self, inbox: Path, clock: Callable[[], float]) -> None:
        self._inbox = inbox
        self._clock = clock
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        home = self._inbox / _STAGING
        home.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._stack.enter_context(FolderLock(home))
        for left in home.iterdir():
            if left.is_dir():
                shutil.rmtree(left, ignore_errors=True)
        self.folder = Path(tempfile.mkdtemp(dir=home))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def publish(
        self,
        contract: DataContract,
        *,
        data_set: str,
        data: str,
        rows: tuple[int, int],
        source_name: str,
        extra: Mapping[str, bytes],
    ) -> tuple[ImportRecord, Path]:
        """Completes the import whose data file is called `data` and gives its record and final folder.

        `rows` counts accepted and rejected ones; `extra` are further files. Where the same version was imported
        before, its record is renewed, so that it counts as the latest, and nothing else changes.
        """
        check_name(data_set)
        version = version_of((self.folder / data).read_bytes(), contract)
        record = ImportRecord(
            data_set=data_set,
            version=version,
            contract_digest=contract_digest(contract).hex(),
            imported_at=self._clock(),
            rows_accepted=rows[0],
            rows_rejected=rows[1],
            source_name=source_name,
        )
        files = {**extra, "import.json": json.dumps(asdict(record), indent=2).encode() + b"\n"}
        target = self._inbox / data_set / version
        folder = target if target.is_dir() else self.folder
        for name, content in files.items():
            write_atomic(folder / name, content)
        if folder is not target:
            target.parent.mkdir(mode=_FOLDER_MODE, exist_ok=True)
            self.folder.rename(target)
            sync_folder(target.parent)
            sync_folder(self._inbox)
        return record, target
