"""The vault's books on one store: ledger, journal, studies, stored answers, and the anchor that guards them.

What opening them does, in this order:

1. The ledger's and the journal's chains are recomputed; a chain that does not hold is an error, not a lock.
2. The anchor is compared: books that are behind it, or beside it, were rolled back, and the ledger is locked.
3. Payloads that no stored answer refers to (left by a crash) are removed; not from a locked ledger, where they
   are evidence.
4. The anchor is written, unless the ledger is locked.
"""

from __future__ import annotations

import threading

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault.books.answers import Answers
from fedward_client.vault.books.journal import Journal
from fedward_client.vault.books.ledger import Ledger
from fedward_client.vault.books.store import Store
from fedward_client.vault.books.studies import Studies, StudyState
from fedward_shared.contracts.round import Heads

__all__ = ["Books"]

_BEHIND = "the ledger is older than its anchor: it was restored from a backup, or writes were lost"
_NO_ANCHOR = "the anchor beside the ledger is missing"
_SEEN_AHEAD = "the coordinator has seen entries of this site's ledger or journal that are not there now"


class Books:
    """Everything that the vault keeps. `study_key` is the pinned public key; `now` is in seconds, UTC."""

    def __init__(self, store: Store, *, site: str, study_key: bytes, key: Ed25519PrivateKey, now: int) -> None:
        self.store = store
        self.ledger = Ledger(store)
        self.journal = Journal(store, key)
        self.studies = Studies(store, site=site, study_key=study_key, key=key)
        self.answers = Answers(store)
        self._mutex = threading.Lock()
        self._anchored: Heads | None = None
        self._check(now)

    def heads(self) -> Heads:
        """Where ledger and journal stand."""
        ledger, journal = self.ledger.tip(), self.journal.tip()
        return Heads(ledger.sequence, ledger.head, journal.sequence, journal.head)

    def anchor(self) -> Heads:
        """Writes the heads beside the ledger, durably, where they changed and the ledger is not locked."""
        with self._mutex:
            heads = self.heads()
            if heads != self._anchored and self.ledger.locked() is None:
                self.store.anchor.write(heads)
                self._anchored = heads
            return heads

    def hold(self, heads: Heads) -> bool:
        """Whether both heads are on our chains."""
        return self.ledger.holds(heads.ledger_sequence, heads.ledger) and self.journal.holds(
            heads.journal_sequence, heads.journal
        )

    def accept_seen(self, study: bytes, seen: Heads, now: int) -> bool:
        """Whether what the coordinator saw is on our chains; locks the ledger where it is not.

        After an unsafe unlock a study's coordinator is expected to remember lost entries until it gets a reply.
        """
        if self.hold(seen) or self.ledger.forgives(study):
            return True
        self.lock(_SEEN_AHEAD, now)
        return False

    def lock(self, reason: str, now: int) -> None:
        """Locks the ledger, unless it is locked already."""
        with self.store.transaction() as transaction:
            if self.ledger.locked() is None:
                self.ledger.lock(transaction, reason, now)
                self.journal.append(transaction, "lock", now, {"reason": reason})

    def unsafe_unlock(self, by: str, reason: str, now: int) -> None:
        """Ends the lock, in the name of `by`, and makes the present state the one that is anchored."""
        with self.store.transaction() as transaction:
            self.ledger.unsafe_unlock(transaction, by, reason, now)
            self.journal.append(transaction, "unlock", now, {"by": by, "reason": reason})
        self.anchor()

    def withdraw(self, study: bytes, state: StudyState, by: str, now: int) -> None:
        """Records that a person said no; stored replies that were not yet fetched are forgotten."""
        with self.store.transaction() as transaction:
            self.studies.decide(transaction, study, state=state, by=by, at=now)
            self.journal.append(transaction, str(state), now, {"study": study.hex(), "by": by})
            dropped = self.answers.drop(transaction, study, _EVERY_ROUND)
        self.store.replies.remove(dropped)
        self.anchor()

    def close(self) -> None:
        """Anchors and closes the store."""
        self.anchor()
        self.store.close()

    def _check(self, now: int) -> None:
        self.ledger.verify()  # 1
        self.journal.verify_chain()
        anchored = self.store.anchor.read()
        if anchored is not None and not self.hold(anchored):  # 2
            self.lock(_BEHIND, now)
        elif anchored is None and self.heads() != Heads():
            self.lock(_NO_ANCHOR, now)
        if self.ledger.locked() is None:  # 3, 4
            self.store.replies.keep_only(self.answers.all())
            self.anchor()


_EVERY_ROUND = (1 << 63) - 1
