"""The studies that reached this site, and what a person decided about each.

A study is read from its manifest, whose study-key signature is checked again whenever it is loaded; an approval
counts only with this vault's own signature over it, so that a doctored row approves nothing.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault.books.store import Store
from fedward_shared.contracts.study import Study
from fedward_shared.crypto.keys import public_bytes
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import LockedError, SignatureError
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.wire.codec import StudyOffer
from fedward_shared.wire.tensors import Layout, layout

__all__ = ["Decision", "Dossier", "Studies", "StudyState"]


class StudyState(StrEnum):
    """What a person at the site decided."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Decision:
    """Who decided what, when (seconds, UTC), and for an approval on which data set."""

    state: StudyState
    study: str
    site: str
    by: str
    at: int
    data_set: str = ""

    def body(self) -> bytes:
        """The canonical bytes that are signed and kept."""
        fields = {
            "at": self.at,
            "by": self.by,
            "data_set": self.data_set,
            "decision": str(self.state),
            "site": self.site,
            "study": self.study,
        }
        return json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Dossier:
    """A study as this site knows it. Rounds up to `durable_through` are over, by the coordinator's own word.

    `plan` and `contract` (a digest) follow from the study, and are computed once.
    """

    hash: bytes
    manifest: bytes
    study: Study
    plan: Layout
    contract: bytes
    state: StudyState
    decision: Decision | None
    round_key_body: bytes
    round_key_signature: bytes
    offered_at: int
    durable_through: int
    concluded_at: int | None

    @property
    def data_set(self) -> str:
        """The data set that the approval names; empty without one."""
        return self.decision.data_set if self.decision and self.state is StudyState.APPROVED else ""


class Studies:
    """The table `studies`; `study_key` is the pinned public key (32 raw bytes)."""

    def __init__(self, store: Store, *, site: str, study_key: bytes, key: Ed25519PrivateKey) -> None:
        self._store = store
        self._site = site
        self._study_key = study_key
        self._key = key
        self._public = public_bytes(key)
        self._read: dict[bytes, tuple[Study, Layout, bytes]] = {}
        self._signed: set[tuple[bytes, bytes]] = set()

    def find(self, digest: bytes) -> Dossier | None:
        """The study with this hash; None where it was never offered.

        Raises:
            LockedError: the stored manifest is not what the study key signed.
        """
        rows = self._store.read(f"{_SELECT} WHERE hash = ?", (digest,))
        return self._dossier(rows[0]) if rows else None

    def all(self) -> tuple[Dossier, ...]:
        """Every study, in the order in which they came."""
        return tuple(self._dossier(row) for row in self._store.read(f"{_SELECT} ORDER BY offered_at, hash"))

    def pending(self) -> int:
        """How many wait for a person."""
        return int(self._store.read("SELECT count(*) FROM studies WHERE state = 'proposed'")[0][0])

    def propose(self, transaction: sqlite3.Connection, offer: StudyOffer, at: int) -> None:
        """Keeps a checked offer for a person to decide."""
        transaction.execute(
            "INSERT INTO studies (hash, manifest, signature, round_key_body, round_key_signature, offered_at, state)"
            " VALUES (?, ?, ?, ?, ?, ?, 'proposed')",
            (
                study_hash(offer.manifest),
                offer.manifest,
                offer.signature,
                offer.round_key_body,
                offer.round_key_signature,
                at,
            ),
        )

    def renew_round_key(self, transaction: sqlite3.Connection, digest: bytes, body: bytes, signature: bytes) -> None:
        """Replaces the round key's certificate by a newer one (checked by the caller)."""
        transaction.execute(
            "UPDATE studies SET round_key_body = ?, round_key_signature = ? WHERE hash = ?", (body, signature, digest)
        )

    def decide(
        self, transaction: sqlite3.Connection, digest: bytes, *, state: StudyState, by: str, at: int, data_set: str = ""
    ) -> Decision:
        """Records and signs what a person decided."""
        decision = Decision(state, digest.hex(), self._site, by, at, data_set)
        body = decision.body()
        transaction.execute(
            "UPDATE studies SET state = ?, decision = ?, decision_signature = ? WHERE hash = ?",
            (str(state), body, sign(self._key, Purpose.APPROVAL, body), digest),
        )
        return decision

    def advance(self, transaction: sqlite3.Connection, digest: bytes, durable_through: int) -> None:
        """Believes the coordinator that rounds up to this one are durable; never goes back."""
        transaction.execute(
            "UPDATE studies SET durable_through = max(durable_through, ?) WHERE hash = ?", (durable_through, digest)
        )

    def conclude(self, transaction: sqlite3.Connection, digest: bytes, at: int) -> None:
        """Notes that the study came to its end."""
        transaction.execute("UPDATE studies SET concluded_at = ? WHERE hash = ? AND concluded_at IS NULL", (at, digest))

    def _dossier(self, row: tuple[Any, ...]) -> Dossier:
        digest, manifest, signature, key_body, key_signature, offered_at, state, body, signed, durable, concluded = row
        study, plan, contract = self._study(digest, manifest, signature)
        decision = self._decision(digest, body, signed)
        believed = StudyState(state) if decision and str(decision.state) == state else StudyState.PROPOSED
        return Dossier(
            hash=digest,
            manifest=manifest,
            study=study,
            plan=plan,
            contract=contract,
            state=believed,
            decision=decision,
            round_key_body=key_body,
            round_key_signature=key_signature,
            offered_at=offered_at,
            durable_through=durable,
            concluded_at=concluded,
        )

    def _study(self, digest: bytes, manifest: bytes, signature: bytes) -> tuple[Study, Layout, bytes]:
        known = self._read.get(digest)
        if known is None:
            try:
                verify(self._study_key, Purpose.STUDY, manifest, signature)
            except SignatureError as error:
                raise LockedError("a stored study is not signed by the consortium's study key") from error
            study = load(manifest)
            if study_hash(manifest) != digest or study.resolved is None:
                raise LockedError("a stored study is not the one that its name says")
            known = self._read[digest] = (study, layout(study.resolved.tensors), contract_digest(study.data))
        return known

    def _decision(self, digest: bytes, body: bytes | None, signature: bytes | None) -> Decision | None:
        if body is None or signature is None:
            return None
        if (body, signature) not in self._signed:
            try:
                verify(self._public, Purpose.APPROVAL, body, signature)
            except SignatureError:
                return None
            self._signed.add((body, signature))
        fields = json.loads(body)
        if fields["study"] != digest.hex() or fields["site"] != self._site:
            return None
        state = StudyState(fields["decision"])
        return Decision(state, fields["study"], fields["site"], fields["by"], fields["at"], fields["data_set"])


_SELECT = (
    "SELECT hash, manifest, signature, round_key_body, round_key_signature, offered_at, state, decision,"
    " decision_signature, durable_through, concluded_at FROM studies"
)
