"""Where the vault finds imported data: ``inbox/<data set>/<version>/import.json``, written by the importer.

Only the name, the version and the contract's digest are read here; records are the training worker's to read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedward_client.imported import RECORD, read_record
from fedward_shared.errors import UsageError
from fedward_shared.manifest.schema import SITE_NAME

__all__ = ["DataSets", "Imported", "Inbox"]


@dataclass(frozen=True, slots=True)
class Imported:
    """One import: the data set's name, its version (a digest), the contract it was checked against, and where it is."""

    data_set: str
    version: str
    contract: bytes
    folder: Path


class DataSets(Protocol):
    """Finds imported data."""

    def names(self) -> tuple[str, ...]:
        """Every data set that has an import."""

    def newest(self, data_set: str) -> Imported | None:
        """The newest import under this name; None where there is none."""


class Inbox:
    """The folder `inbox` of a site."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self) -> tuple[str, ...]:
        """Every data set that has an import."""
        if not self._root.is_dir():
            return ()
        folders = (path.name for path in self._root.iterdir() if path.is_dir())
        return tuple(name for name in sorted(folders) if self.newest(name))

    def newest(self, data_set: str) -> Imported | None:
        """The newest import under this name, by the importer's own clock; None where there is none."""
        if not re.fullmatch(SITE_NAME, data_set):
            return None
        found = [_read(data_set, path.parent) for path in sorted((self._root / data_set).glob(f"*/{RECORD}"))]
        dated = [each for each in found if each is not None]
        return max(dated, key=lambda each: each[0])[1] if dated else None


def _read(data_set: str, folder: Path) -> tuple[float, Imported] | None:
    """One import and its time; None where its record is not what the importer writes, or another folder's."""
    try:
        record = read_record(folder)
    except UsageError:
        return None
    if (record.data_set, record.version) != (data_set, folder.name):
        return None
    return record.imported_at, Imported(data_set, record.version, bytes.fromhex(record.contract_digest), folder)
