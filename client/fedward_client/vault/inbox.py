"""Where the vault finds imported data: ``inbox/<data set>/<version>/import.json``, written by the importer.

Only the name, the version and the contract's digest are read here; records are the training worker's to read.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["DataSets", "Imported", "Inbox"]

_RECORD = "import.json"
_MAX_RECORD_BYTES = 1 << 20
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


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
        """The newest import under this name; None where there is none."""
        if not _NAME.fullmatch(data_set):
            return None
        records = [path for path in (self._root / data_set).glob(f"*/{_RECORD}") if _NAME.fullmatch(path.parent.name)]
        for path in sorted(records, key=lambda path: (path.stat().st_mtime_ns, path.parent.name), reverse=True):
            contract = _contract(path)
            if contract is not None:
                return Imported(data_set, path.parent.name, contract, path.parent)
        return None


def _contract(path: Path) -> bytes | None:
    try:
        return bytes.fromhex(json.loads(read_limited(path, _MAX_RECORD_BYTES))["contract_digest"])
    except (ValueError, KeyError, TypeError, UsageError):
        return None
