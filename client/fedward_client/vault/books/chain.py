r"""A table that only grows, each row chained to the one before.

``head(n) = SHA-256("fedward/" + name + "/v1\0" + head(n - 1) + body(n))``, with 32 zero bytes before the first row.
Each body holds 16 random bytes: heads travel to the coordinator (replies tell them, so that it can notice a
roll-back), and without the salt it could find out by trial what a row says, such as who approved a study.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from fedward_client.vault.books.store import Store
from fedward_shared.errors import LockedError

__all__ = ["GENESIS", "Chain", "Fields", "Row", "Tip", "head_of"]

GENESIS = bytes(32)
_SALT_BYTES = 16

Value = str | int | float | bool | None
Fields = Mapping[str, Value]
"""What a row says: flat, JSON's plain values; bytes are written as hex."""


@dataclass(frozen=True, slots=True)
class Tip:
    """How many rows a chain has, and the hash of the last."""

    sequence: int
    head: bytes


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its body as stored, its head, and its signature where the chain has signatures."""

    sequence: int
    body: str
    head: bytes
    signature: bytes

    @property
    def fields(self) -> dict[str, Value]:
        """What the row says, salt and all."""
        fields: dict[str, Value] = json.loads(self.body)
        return fields


def head_of(name: str, previous: bytes, body: str) -> bytes:
    """The head of a row that follows `previous`."""
    return hashlib.sha256(b"fedward/" + name.encode() + b"/v1\0" + previous + body.encode()).digest()


class Chain:
    """One chained table; `sign` (over the head) where rows are signed."""

    def __init__(
        self,
        store: Store,
        name: str,
        *,
        sign: Callable[[bytes], bytes] | None = None,
        salt: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._store = store
        self._name = name
        self._sign = sign
        self._salt = salt
        signature = ", signature" if sign else ""
        holder = ", ?" if sign else ""
        # The table's name is one of two constants of ours; SQLite takes no parameter there.
        self._insert = f"INSERT INTO {name} (sequence, body, head{signature}) VALUES (?, ?, ?{holder})"  # noqa: S608
        self._select = f"SELECT sequence, body, head{signature} FROM {name}"  # noqa: S608
        self._last = f"SELECT sequence, head FROM {name} ORDER BY sequence DESC LIMIT 1"  # noqa: S608

    def append(self, transaction: sqlite3.Connection, fields: Fields) -> Tip:
        """Adds a row within `transaction`; it is durable when that commits."""
        tip = self.tip()
        salted = {**fields, "salt": self._salt(_SALT_BYTES).hex()}
        body = json.dumps(salted, sort_keys=True, separators=(",", ":"), allow_nan=False)
        head = head_of(self._name, tip.head, body)
        signature = (self._sign(head),) if self._sign else ()
        transaction.execute(self._insert, (tip.sequence + 1, body, head, *signature))
        return Tip(tip.sequence + 1, head)

    def tip(self) -> Tip:
        """Where the chain stands."""
        for sequence, head in self._store.read(self._last):
            return Tip(sequence, head)
        return Tip(0, GENESIS)

    def holds(self, sequence: int, head: bytes) -> bool:
        """Whether (`sequence`, `head`) is on this chain: an ancestor of its tip, or the tip."""
        if sequence == 0:
            return head == GENESIS
        return any(row.head == head for row in self.rows("WHERE sequence = ?", (sequence,)))

    def rows(self, clause: str = "ORDER BY sequence", parameters: Sequence[object] = ()) -> Iterator[Row]:
        """The rows that `clause` (a constant of the caller's) selects."""
        for sequence, body, head, *signature in self._store.read(f"{self._select} {clause}", parameters):
            yield Row(sequence, body, head, signature[0] if signature else b"")

    def verify(self, check: Callable[[Row], None] | None = None) -> Tip:
        """Recomputes every head, and runs `check` on each row.

        Raises:
            LockedError: a row is missing, or does not follow from the one before.
        """
        tip = Tip(0, GENESIS)
        for row in self.rows():
            if row.sequence != tip.sequence + 1 or row.head != head_of(self._name, tip.head, row.body):
                raise LockedError(
                    f"entry {tip.sequence + 1} of the {self._name} was changed, removed or damaged",
                    hint="Stop here. Keep the folder as it is, and restore the newest backup beside it.",
                )
            if check:
                check(row)
            tip = Tip(row.sequence, row.head)
        return tip
