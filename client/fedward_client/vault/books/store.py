"""The vault's durable store: one SQLite file, reply payloads beside it, and the anchor.

Why these settings:

- Write-ahead log with `synchronous=FULL`: a commit is one append and one fsync (a rollback journal needs at least
  three), and a commit that returned survives the loss of power. Closing merges the log into the file.
- `locking_mode=EXCLUSIVE` and one connection: nobody else can write, the log needs no shared memory, and SQLite's
  known weakness of several connections resetting one log does not apply. The folder's lock, taken by the caller
  beforehand (`files.FolderLock`), says the same to a second vault in words that people understand.
- The schema in the file is compared with ours, text by text: a doctored one could drop the unique index, or add a
  trigger. (`trusted_schema=OFF` would also forbid the columns that SQLite computes, in versions before 3.41.)
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from fedward_client.vault.books.anchor import Anchor, FileAnchor, MemoryAnchor
from fedward_client.vault.books.replies import FolderReplies, MemoryReplies, Replies
from fedward_client.vault.books.schema import APPLICATION_ID, SCHEMA, SCHEMA_VERSION
from fedward_shared.errors import LockedError, UsageError
from fedward_shared.files import sync_folder

__all__ = ["Store"]

_SETTINGS = (
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA fullfsync = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cell_size_check = ON",
)


class Store:
    """One connection, used by several threads one after the other. Make one with `open` or `in_memory`."""

    def __init__(self, connection: sqlite3.Connection, replies: Replies, anchor: Anchor) -> None:
        self._connection = connection
        self._mutex = threading.RLock()
        self.replies = replies
        self.anchor = anchor

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The store in `folder` (the vault's, locked by the caller), made if it is new.

        Raises:
            LockedError: another process has the database open, or it is damaged.
            UsageError: a newer Fedward wrote it.
        """
        path = folder / "ledger.db"
        new = not path.exists()
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
        try:
            if new:
                path.chmod(0o600)
            _prepare(connection, path)
        except sqlite3.DatabaseError as error:
            connection.close()
            raise LockedError(
                f"{path} cannot be opened: {error}",
                hint="If no other process uses it, it is damaged: keep it, and restore the newest backup.",
            ) from error
        if new:
            sync_folder(folder)
        return cls(connection, FolderReplies(folder / "replies"), FileAnchor(folder / "anchor"))

    @classmethod
    def in_memory(cls) -> Store:
        """A store without a disk, for simulations: the same code, and gone when it is closed."""
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        _prepare(connection, Path(":memory:"))
        return cls(connection, MemoryReplies(), MemoryAnchor())

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, and durable when it ends without an error. Transactions do not nest."""
        with self._mutex:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def read(self, query: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query; inside a transaction of the same thread it sees what that has written."""
        with self._mutex:
            return self._connection.execute(query, tuple(parameters)).fetchall()

    def close(self) -> None:
        """Merges the log into the file and closes it."""
        with self._mutex:
            self._connection.close()


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    for setting in _SETTINGS:
        connection.execute(setting)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    if version == 0 and application == 0:
        # One transaction: a crash leaves an empty file or a whole schema.
        connection.executescript(
            f"BEGIN EXCLUSIVE; {SCHEMA} PRAGMA application_id = {APPLICATION_ID};"
            f" PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
        )
        return
    if application != APPLICATION_ID or version != SCHEMA_VERSION:
        connection.close()
        raise UsageError(
            f"{path} is not a ledger of this version of Fedward (schema {version}, here {SCHEMA_VERSION})",
            hint="Install the version that wrote it, or a newer one.",
        )
    if _tables(connection) != _expected_tables():
        connection.close()
        raise LockedError(
            f"the tables in {path} are not those that Fedward makes",
            hint="Somebody changed the file. Keep it, and restore the newest backup beside it.",
        )


def _tables(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Every table, index and trigger with the text that made it."""
    return connection.execute("SELECT name, coalesce(sql, '') FROM sqlite_master ORDER BY name").fetchall()


@cache
def _expected_tables() -> list[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(SCHEMA)
        return _tables(connection)
