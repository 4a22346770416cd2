"""The ledger: what every data set has spent, as a hash chain of reservations and what became of them.

1. `reserve` is durable before any patient's record is read, and counts as spent from then on.
2. A reservation is keyed by (study, round, attempt) and bound to the digest of one instruction. SQLite's unique
   index keeps the key unique even against a mistake above.
3. `settle` notes the hash of the one reply that was made; it belongs into the transaction that stores the reply.
   A reservation that is settled is never trained again, whether or not its reply is still stored.
4. What a data set has spent are the events of *all* studies and *all* versions under its name; nothing lowers it.
5. A lock is a row like any other. Only an explicit unlock, with a name and a reason, ends it.
6. A reservation from before a lock is never trained again: its reply may have left, and its row been lost.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from fedward_client.vault.books.chain import Chain, Row, Tip
from fedward_client.vault.books.store import Store
from fedward_shared.privacy.events import Event, from_json, to_json

__all__ = ["Ledger", "Reservation"]


@dataclass(frozen=True, slots=True)
class Reservation:
    """What one instruction to train may spend. `study` and `instruction` are digests; `at` is in seconds, UTC.

    `settled` is the SHA-256 of the reply's payload once there was one. `doubtful`: the ledger was locked after it, so
    that its reply may have left in the time that a roll-back took away.
    """

    study: bytes
    round: int
    attempt: int
    instruction: bytes
    data_set: str
    dataset_version: str
    event: Event
    at: int
    settled: bytes | None = None
    doubtful: bool = False


class Ledger:
    """The chain `ledger` of a store."""

    def __init__(self, store: Store, *, salt: Callable[[int], bytes] = os.urandom) -> None:
        self._store = store
        self._chain = Chain(store, "ledger", salt=salt)

    def reserve(self, transaction: sqlite3.Connection, reservation: Reservation) -> Tip:
        """Spends; binding when the transaction commits.

        Raises:
            sqlite3.IntegrityError: (study, round, attempt) was reserved before.
        """
        return self._chain.append(
            transaction,
            {
                "kind": "reserve",
                "study": reservation.study.hex(),
                "round": reservation.round,
                "attempt": reservation.attempt,
                "instruction": reservation.instruction.hex(),
                "data_set": reservation.data_set,
                "dataset_version": reservation.dataset_version,
                "event": json.dumps(to_json(reservation.event), sort_keys=True),
                "at": reservation.at,
            },
        )

    def settle(
        self, transaction: sqlite3.Connection, reservation: Reservation, payload: bytes, version: str, at: int
    ) -> Tip:
        """Notes the one reply: the SHA-256 of its payload, and the version of the data that it was trained on.

        Raises:
            sqlite3.IntegrityError: it was settled before.
        """
        return self._chain.append(
            transaction,
            {
                "kind": "settle",
                "study": reservation.study.hex(),
                "round": reservation.round,
                "attempt": reservation.attempt,
                "instruction": reservation.instruction.hex(),
                "data_set": reservation.data_set,
                "dataset_version": version,
                "payload": payload.hex(),
                "at": at,
            },
        )

    def find(self, study: bytes, round_number: int, attempt: int) -> Reservation | None:
        """The reservation under this key, if there is one."""
        key = (study.hex(), round_number, attempt)
        where = "AND study = ? AND round = ? AND attempt = ?"
        reserved = next(self._chain.rows(f"WHERE kind = 'reserve' {where}", key), None)
        if reserved is None:
            return None
        settled = next(self._chain.rows(f"WHERE kind = 'settle' {where}", key), None)
        payload = bytes.fromhex(str(settled.fields["payload"])) if settled else None
        lock = self._last_lock()
        doubtful = lock is not None and lock.sequence > reserved.sequence
        return replace(_reservation(reserved), settled=payload, doubtful=doubtful)

    def count(self, study: bytes) -> int:
        """How many reservations the study has made, in all rounds and attempts."""
        rows = self._store.read("SELECT count(*) FROM ledger WHERE kind = 'reserve' AND study = ?", (study.hex(),))
        return int(rows[0][0])

    def events(self, data_set: str, *, without: Collection[bytes] = (), only: bytes | None = None) -> tuple[Event, ...]:
        """Everything spent under the name `data_set`, equal events merged; perhaps without some studies, or of one."""
        left_out = json.dumps([study.hex() for study in without])
        rows = self._store.read(
            "SELECT event, count(*) FROM ledger WHERE kind = 'reserve' AND data_set = ?1"
            " AND study NOT IN (SELECT value FROM json_each(?2)) AND (?3 IS NULL OR study = ?3)"
            " GROUP BY event ORDER BY event",
            (data_set, left_out, only.hex() if only else None),
        )
        merged = []
        for text, times in rows:
            event = from_json(json.loads(text))
            merged.append(replace(event, steps=event.steps * times))
        return tuple(merged)

    def data_sets(self) -> tuple[str, ...]:
        """Every name that ever spent."""
        rows = self._store.read("SELECT DISTINCT data_set FROM ledger WHERE kind = 'reserve' ORDER BY data_set")
        return tuple(name for (name,) in rows)

    def reservations(self, data_set: str | None = None) -> tuple[Reservation, ...]:
        """All reservations in order, of one data set or of all."""
        clause, parameters = ("AND data_set = ?", (data_set,)) if data_set else ("", ())
        settled = {
            (row.fields["study"], row.fields["round"], row.fields["attempt"]): bytes.fromhex(str(row.fields["payload"]))
            for row in self._chain.rows(f"WHERE kind = 'settle' {clause} ORDER BY sequence", parameters)
        }
        found = map(_reservation, self._chain.rows(f"WHERE kind = 'reserve' {clause} ORDER BY sequence", parameters))
        return tuple(replace(one, settled=settled.get((one.study.hex(), one.round, one.attempt))) for one in found)

    def lock(self, transaction: sqlite3.Connection, reason: str, at: int) -> Tip:
        """Forbids all training until somebody unlocks."""
        return self._chain.append(transaction, {"kind": "lock", "reason": reason, "at": at})

    def unsafe_unlock(self, transaction: sqlite3.Connection, by: str, reason: str, at: int) -> Tip:
        """Ends a lock although spends may have been lost; `by` answers for it."""
        return self._chain.append(transaction, {"kind": "unlock", "by": by, "reason": reason, "at": at})

    def locked(self) -> str | None:
        """Why the ledger is locked; None where it is not."""
        row = self._last_lock()
        return str(row.fields["reason"]) if row and row.fields["kind"] == "lock" else None

    def forgives(self, study: bytes) -> bool:
        """Whether heads that this chain does not know are to be expected from the study's coordinator.

        They are, from an unlock until the study's next reply tells the coordinator the new heads.
        """
        row = self._last_lock()
        if row is None or row.fields["kind"] != "unlock":
            return False
        return not self._store.read(
            "SELECT 1 FROM ledger WHERE kind = 'settle' AND study = ? AND sequence > ? LIMIT 1",
            (study.hex(), row.sequence),
        )

    def tip(self) -> Tip:
        """Where the ledger stands."""
        return self._chain.tip()

    def holds(self, sequence: int, head: bytes) -> bool:
        """Whether this head is on the chain."""
        return self._chain.holds(sequence, head)

    def rows(self) -> tuple[Row, ...]:
        """All rows, oldest first."""
        return tuple(self._chain.rows())

    def verify(self) -> Tip:
        """Recomputes the whole chain.

        Raises:
            LockedError: it does not hold.
        """
        return self._chain.verify()

    def _last_lock(self) -> Row | None:
        return next(self._chain.rows("WHERE kind IN ('lock', 'unlock') ORDER BY sequence DESC LIMIT 1"), None)


def _reservation(row: Row) -> Reservation:
    fields = row.fields
    return Reservation(
        study=bytes.fromhex(str(fields["study"])),
        round=int(str(fields["round"])),
        attempt=int(str(fields["attempt"])),
        instruction=bytes.fromhex(str(fields["instruction"])),
        data_set=str(fields["data_set"]),
        dataset_version=str(fields["dataset_version"]),
        event=from_json(json.loads(str(fields["event"]))),
        at=int(str(fields["at"])),
    )
