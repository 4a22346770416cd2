"""The journal: everything that crossed the door and everything that people decided, chained and signed.

Each entry's head (see `chain`) is signed by the vault's key. No entry ever holds a patient's value, a number of
rows, or anything that training computed. Kinds and what they say beside `kind` and `at`:

| kind | fields |
|---|---|
| start, stop | version |
| networked | ways (out, found at a start with --unsafe-networked-vault) |
| offered | study, name |
| approved, rejected, withdrawn | study, by, and for an approval data_set |
| import | data_set, version |
| instruction | instruction, study, task, round, attempt |
| reply | instruction, payload (SHA-256), bytes |
| refused | instruction, study, task, code |
| failed | instruction (training gave no reply; nothing left) |
| lock, unlock | reason, by |

A coordinator asks again every few seconds, and a hostile gateway can ask for ever: `note_once` leaves out what was
noted within the hour, so that neither can fill the disk.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault.books.chain import Chain, Fields, Row, Tip
from fedward_client.vault.books.store import Store
from fedward_shared.crypto.keys import public_bytes
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import LockedError, SignatureError

__all__ = ["Journal"]

_QUIET_SECONDS = 3600
_REMEMBERED = 1024


class Journal:
    """The chain `journal` of a store, signed with the vault's key."""

    def __init__(self, store: Store, key: Ed25519PrivateKey, *, salt: Callable[[int], bytes] = os.urandom) -> None:
        self._store = store
        self._public = public_bytes(key)
        self._chain = Chain(store, "journal", sign=lambda head: sign(key, Purpose.JOURNAL, head), salt=salt)
        self._noted: OrderedDict[tuple[str | int, ...], int] = OrderedDict()
        self._mutex = threading.Lock()

    def append(self, transaction: sqlite3.Connection, kind: str, at: int, fields: Fields) -> Tip:
        """Adds an entry within a transaction."""
        return self._chain.append(transaction, {"kind": kind, "at": at, **fields})

    def note(self, kind: str, at: int, fields: Fields) -> None:
        """Adds an entry in a transaction of its own."""
        with self._store.transaction() as transaction:
            self.append(transaction, kind, at, fields)

    def note_once(self, topic: tuple[str | int, ...], kind: str, at: int, fields: Fields) -> None:
        """Adds an entry, unless one on the same topic was added within the hour."""
        with self._mutex:
            if at - self._noted.get(topic, at - _QUIET_SECONDS) < _QUIET_SECONDS:
                return
            self._noted[topic] = at
            self._noted.move_to_end(topic)
            if len(self._noted) > _REMEMBERED:
                self._noted.popitem(last=False)
        self.note(kind, at, fields)

    def mentions_import(self, data_set: str, version: str) -> bool:
        """Whether this import was seen before."""
        entries = self._chain.rows("WHERE kind = 'import' ORDER BY sequence DESC")
        return any(
            entry["data_set"] == data_set and entry["version"] == version for entry in (row.fields for row in entries)
        )

    def entries(self, newest: int | None = None) -> tuple[Row, ...]:
        """The newest entries, or all, oldest first."""
        if newest is None:
            return tuple(self._chain.rows())
        return tuple(reversed(list(self._chain.rows("ORDER BY sequence DESC LIMIT ?", (newest,)))))

    def tip(self) -> Tip:
        """Where the journal stands."""
        return self._chain.tip()

    def holds(self, sequence: int, head: bytes) -> bool:
        """Whether this head is on the chain."""
        return self._chain.holds(sequence, head)

    def verify_chain(self) -> Tip:
        """Recomputes every head.

        Raises:
            LockedError: the chain does not hold.
        """
        return self._chain.verify()

    def verify(self) -> Tip:
        """Recomputes every head and checks every signature.

        Raises:
            LockedError: an entry was changed, or is not signed by this vault's key.
        """
        return self._chain.verify(self._check_signature)

    def _check_signature(self, row: Row) -> None:
        try:
            verify(self._public, Purpose.JOURNAL, row.head, row.signature)
        except SignatureError as error:
            raise LockedError(
                f"entry {row.sequence} of the journal is not signed by this vault",
                hint="Stop here. Keep the folder as it is, and restore the newest backup beside it.",
            ) from error
