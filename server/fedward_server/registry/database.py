"""The registry's SQLite file: its tables, and transactions that are durable when they return.

Several processes share it (`run`, `invite`, `sites revoke`): write-ahead log, `synchronous=FULL`, and every change in
one immediate transaction. A connection is shared by the threads of one process behind a lock.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fedward_shared.errors import FedwardError, UsageError

__all__ = ["Database"]

_BUSY_SECONDS = 30.0
_VERSION = 1
_OWNER_ONLY = 0o600
_TABLES = """
CREATE TABLE IF NOT EXISTS invites (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    token_digest BLOB NOT NULL UNIQUE,
    site TEXT NOT NULL,
    kind TEXT NOT NULL,
    made INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    used INTEGER,
    csr_digest BLOB,
    vault_key BLOB,
    serial TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS invites_of_site ON invites (site);
CREATE TABLE IF NOT EXISTS sites (
    name TEXT PRIMARY KEY,
    vault_key BLOB NOT NULL,
    certificate BLOB NOT NULL,
    serial TEXT NOT NULL UNIQUE,
    expires INTEGER NOT NULL,
    joined INTEGER NOT NULL,
    revoked INTEGER
) STRICT;
CREATE TABLE IF NOT EXISTS revocations (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    site TEXT NOT NULL,
    serial TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS heads (
    study BLOB NOT NULL,
    site TEXT NOT NULL,
    ledger_sequence INTEGER NOT NULL,
    ledger BLOB NOT NULL,
    journal_sequence INTEGER NOT NULL,
    journal BLOB NOT NULL,
    PRIMARY KEY (study, site)
) STRICT;
"""


class Database:
    """A connection to the file, made with its tables where it does not exist yet.

    Raises:
        UsageError: the file was written by a newer version, or is no registry.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        path.touch(mode=_OWNER_ONLY, exist_ok=True)
        try:
            self._connection = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            self._connection.row_factory = sqlite3.Row
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            self._prepare()
        except sqlite3.DatabaseError as error:
            raise UsageError(f"{path} cannot be read as a registry: {error}") from error

    @contextmanager
    def change(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is durable when this ends, or none of it happened."""
        with self._lock:
            self._begin("IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextmanager
    def look(self) -> Iterator[sqlite3.Connection]:
        """One consistent view, for reading."""
        with self._lock:
            self._begin("DEFERRED")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Closes the connection."""
        with self._lock:
            self._connection.close()

    def _begin(self, kind: str) -> None:
        try:
            self._connection.execute(f"BEGIN {kind}")
        except sqlite3.OperationalError as error:
            raise FedwardError(
                f"the registry cannot be used at the moment: {error}",
                hint="Is the disk full or read-only, or another command stuck?",
            ) from error

    def _prepare(self) -> None:
        version = int(self._connection.execute("PRAGMA user_version").fetchone()[0])
        if version > _VERSION:
            raise UsageError("the registry was written by a newer version of Fedward", hint="Install that version.")
        if version < _VERSION:
            self._connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={_VERSION}; COMMIT;")
