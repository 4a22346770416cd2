"""Stored replies: what was sent, or was about to be, so that the same question gets the same bytes.

The index is a table, in the transaction that settles the ledger; the payloads are files (`replies`).
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault.books.replies import hash_of
from fedward_client.vault.books.store import Store
from fedward_shared.contracts.round import Heads, ReplyHead
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.wire.codec import encode_reply
from fedward_shared.wire.parcel import Parcel

__all__ = ["Answers", "sealed_reply"]

_DIGEST_BYTES = 32


class Answers:
    """The table `replies` of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def keep(
        self, transaction: sqlite3.Connection, instruction: bytes, study: bytes, round_number: int, reply: Parcel
    ) -> None:
        """Indexes a reply whose payload is already kept."""
        transaction.execute(
            "INSERT INTO replies (instruction, study, round, head, seal, signature, payload_bytes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (instruction, study, round_number, reply.head, reply.seal, reply.signature, reply.payload_bytes),
        )

    def has(self, instruction: bytes) -> bool:
        """Whether a reply to this instruction is kept."""
        return bool(self._store.read("SELECT 1 FROM replies WHERE instruction = ?", (instruction,)))

    def find(self, instruction: bytes) -> Parcel | None:
        """The reply to this instruction; None where there is none, or where its payload was lost or damaged."""
        rows = self._store.read(
            "SELECT head, seal, signature, payload_bytes FROM replies WHERE instruction = ?", (instruction,)
        )
        if not rows:
            return None
        head, seal, signature, size = rows[0]
        payload = self._store.replies.read(instruction) if size else memoryview(b"")
        if payload is None or payload.nbytes != size or hash_of([payload]) != seal[_DIGEST_BYTES:]:
            return None
        return Parcel(head, (payload,), size, seal, signature)

    def drop(self, transaction: sqlite3.Connection, study: bytes, through: int) -> tuple[bytes, ...]:
        """Forgets the replies of a study's rounds up to `through`; the digests whose payloads may now be removed."""
        dropped = self._store.read("SELECT instruction FROM replies WHERE study = ? AND round <= ?", (study, through))
        transaction.execute("DELETE FROM replies WHERE study = ? AND round <= ?", (study, through))
        return tuple(instruction for (instruction,) in dropped)

    def all(self) -> tuple[bytes, ...]:
        """The digests of every instruction whose reply is kept."""
        return tuple(instruction for (instruction,) in self._store.read("SELECT instruction FROM replies"))


def sealed_reply(
    key: Ed25519PrivateKey, instruction: bytes, heads: Heads, parts: Sequence[memoryview], payload: bytes
) -> Parcel:
    """The signed reply to an instruction: `wire.parcel.seal`, with the payload's SHA-256 as it is already known."""
    size = sum(part.nbytes for part in parts)
    head = encode_reply(ReplyHead(instruction, size, heads))
    body = hashlib.sha256(head).digest() + payload
    return Parcel(head, tuple(parts), size, body, sign(key, Purpose.REPLY, body))
