"""The second place that remembers where ledger and journal stand.

Written before a reply leaves the vault. A database that is restored from a backup, or rolled back by losing
writes, is then behind its anchor, and the vault starts locked. (The coordinator is the third place: it returns the
heads that it saw in every instruction, which also covers a folder restored as a whole.)
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Protocol

from fedward_shared.contracts.round import Heads
from fedward_shared.errors import FedwardError, LockedError
from fedward_shared.files import read_limited, write_atomic

__all__ = ["Anchor", "FileAnchor", "MemoryAnchor"]

_MAX_BYTES = 1024
_HEAD_BYTES = 32


class Anchor(Protocol):
    """Remembers heads."""

    def read(self) -> Heads | None:
        """The heads last written; None where there never were any."""

    def write(self, heads: Heads) -> None:
        """Remembers `heads`; durable when this returns."""


class FileAnchor:
    """The heads in a small file of their own."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Heads | None:
        """The heads last written; None where there is no file.

        Raises:
            LockedError: the file is damaged.
        """
        if not self._path.exists():
            return None
        try:
            found = json.loads(read_limited(self._path, _MAX_BYTES))
            heads = Heads(
                int(found["ledger_sequence"]),
                bytes.fromhex(found["ledger"]),
                int(found["journal_sequence"]),
                bytes.fromhex(found["journal"]),
            )
        except (ValueError, KeyError, TypeError, FedwardError) as error:
            raise LockedError(f"{self._path} is damaged", hint="Restore it from the newest backup.") from error
        if len(heads.ledger) != _HEAD_BYTES or len(heads.journal) != _HEAD_BYTES:
            raise LockedError(f"{self._path} is damaged", hint="Restore it from the newest backup.")
        return heads

    def write(self, heads: Heads) -> None:
        """Remembers `heads`; durable when this returns."""
        text = json.dumps(
            {
                "ledger_sequence": heads.ledger_sequence,
                "ledger": heads.ledger.hex(),
                "journal_sequence": heads.journal_sequence,
                "journal": heads.journal.hex(),
            }
        )
        write_atomic(self._path, text.encode() + b"\n")


class MemoryAnchor:
    """The same in memory, for simulations."""

    def __init__(self) -> None:
        self._heads: Heads | None = None

    def read(self) -> Heads | None:
        """The heads last written; None where there never were any."""
        return self._heads

    def write(self, heads: Heads) -> None:
        """Remembers `heads` as long as the process lives."""
        self._heads = heads
