"""Orders: what becomes of an admitted TRAIN or CONCLUDE. What design invariants 5 and 6 promise is made true here.

A TRAIN instruction takes these steps; the process may be killed between any two of them, and start again:

1. `admission` checks it. A refusal is a code, decided before any patient's record is read.
2. One transaction: spend in the ledger, note the instruction in the journal, believe the receipt that it carries.
3. The trainer runs. Whatever goes wrong in it is silence: the coordinator's deadline passes, the spend stays.
4. The reply's payload becomes a durable file.
5. One transaction: the ledger's row is settled with the payload's hash, the journal notes the reply, and the
   signed reply is indexed. Its head tells ledger and journal as they stand with these very rows.
6. The anchor is written.
7. The reply leaves.

Killed after 2, the same instruction trains again under its reservation, uncharged, because nothing left. Killed
after 5, it gets the stored reply. Another instruction for the same round and attempt is refused at all times.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault import admission
from fedward_client.vault.admission import NotAdmitted, Standing, Verdict
from fedward_client.vault.backbones import has_weights
from fedward_client.vault.books.answers import sealed_reply
from fedward_client.vault.books.books import Books
from fedward_client.vault.books.chain import Fields
from fedward_client.vault.books.ledger import Reservation
from fedward_client.vault.books.replies import hash_of
from fedward_client.vault.books.studies import Dossier, StudyState
from fedward_client.vault.inbox import DataSets, Imported
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import Accountant, round_event
from fedward_client.vault.training.trainer import Order, Trainer
from fedward_shared.contracts.round import InstructionHead, RefusalCode, Task
from fedward_shared.wire.parcel import Parcel

__all__ = ["Admitted", "Orders"]

_LOG = logging.getLogger("fedward.vault")
_DIGEST_BYTES = 32


@dataclass(frozen=True, slots=True)
class Admitted:
    """An instruction that passed every check, with what it works on."""

    head: InstructionHead
    digest: bytes
    payload: memoryview
    standing: Standing
    data: Imported


class Orders:
    """Carries out orders whose asker was verified, one at a time (the caller holds the turn)."""

    def __init__(
        self,
        *,
        site: str,
        key: Ed25519PrivateKey,
        books: Books,
        policy: Policy,
        trainer: Trainer,
        data_sets: DataSets,
        reports: Path,
        backbones: Path | None,
        clock: Callable[[], int],
        accountant: Accountant,
    ) -> None:
        self._site = site
        self._key = key
        self._books = books
        self._policy = policy
        self._trainer = trainer
        self._data_sets = data_sets
        self._reports = reports
        self._backbones = backbones
        self._now = clock
        self._accountant = accountant

    def obey(
        self, head: InstructionHead, parcel: Parcel, dossier: Dossier, cancelled: Callable[[], bool]
    ) -> Parcel | None:
        """The signed reply, or None (silence).

        Raises:
            NotAdmitted: refused, with a code.
        """
        now = self._now()
        standing = self._standing(head, parcel.digest, dossier, now)
        verdict = admission.check_place(head, parcel, standing)
        if verdict is Verdict.SERVE:
            return self._serve(parcel.digest, now)
        data = admission.check_means(verdict, head, standing, now=now, accountant=self._accountant)
        study = standing.dossier.study
        admission.check_weights(parcel.payload, standing.dossier.plan, study.limits.max_weight)
        admitted = Admitted(head, parcel.digest, parcel.payload, standing, data)
        return self._conclude(admitted, cancelled) if verdict is Verdict.CONCLUDE else self._train(admitted, cancelled)

    def _standing(self, head: InstructionHead, digest: bytes, dossier: Dossier, now: int) -> Standing:
        """Everything that the checks need to know, read once."""
        books, data_set = self._books, dossier.data_set
        return Standing(
            site=self._site,
            dossier=dossier,
            policy=self._policy,
            seen_holds=books.accept_seen(head.study, head.seen, now),
            locked=books.ledger.locked() is not None,
            stored=books.answers.has(digest),
            reservation=books.ledger.find(head.study, head.round, head.attempt) if head.task is Task.TRAIN else None,
            reserved=books.ledger.count(head.study),
            data=self._data_sets.newest(data_set) if data_set else None,
            others=books.ledger.events(data_set, without=(head.study,)),
            mine=books.ledger.events(data_set, only=head.study),
            weights=has_weights(dossier.study, self._backbones),
        )

    def _serve(self, digest: bytes, now: int) -> Parcel:
        """The stored reply, byte for byte. One whose payload was lost is over: it must never be trained again."""
        reply = self._books.answers.find(digest)
        if reply is None:
            raise NotAdmitted(RefusalCode.PRUNED)
        fields: Fields = {
            "instruction": digest.hex(),
            "payload": reply.seal[_DIGEST_BYTES:].hex(),
            "bytes": reply.payload_bytes,
        }
        self._books.journal.note_once(("again", digest.hex()), "reply", now, fields)
        self._books.anchor()
        return reply

    def _train(self, admitted: Admitted, cancelled: Callable[[], bool]) -> Parcel | None:
        reservation = self._reserve(admitted)  # 2
        parts = self._run(admitted, cancelled)  # 3
        if parts is None or sum(part.nbytes for part in parts) != admitted.standing.dossier.plan.payload_bytes:
            self._note_silence(admitted)
            return None
        return self._settle(reservation, parts, admitted.data)  # 4 to 6

    def _reserve(self, admitted: Admitted) -> Reservation:
        """Spends, durably; from here on the round and attempt belong to this instruction."""
        books, head, data, now = self._books, admitted.head, admitted.data, self._now()
        reservation = admitted.standing.reservation
        with books.store.transaction() as transaction:
            self._note_instruction(transaction, admitted, now)
            if reservation is None:
                reservation = Reservation(
                    study=head.study,
                    round=head.round,
                    attempt=head.attempt,
                    instruction=admitted.digest,
                    data_set=data.data_set,
                    dataset_version=data.version,
                    event=round_event(admitted.standing.dossier.study, self._site),
                    at=now,
                )
                books.ledger.reserve(transaction, reservation)
            books.studies.advance(transaction, head.study, head.durable_through)
            dropped = books.answers.drop(transaction, head.study, head.durable_through)
        books.store.replies.remove(dropped)
        return reservation

    def _run(self, admitted: Admitted, cancelled: Callable[[], bool]) -> list[memoryview] | None:
        order = Order(
            manifest=admitted.standing.dossier.manifest,
            site=self._site,
            data_folder=admitted.data.folder,
            task=admitted.head.task,
            round=admitted.head.round,
            attempt=admitted.head.attempt,
            digest=admitted.digest,
            payload=admitted.payload,
            reports=self._reports,
            backbones=self._backbones,
        )
        try:
            return self._trainer.run(order, cancelled)
        except Exception as error:  # noqa: BLE001 - whatever it is, it happened after data were read: silence
            _LOG.error("training gave no reply (%s)", type(error).__name__)  # its message could hold a value
            return None

    def _settle(self, reservation: Reservation, parts: list[memoryview], data: Imported) -> Parcel | None:
        """Stores the one reply to a reservation; None where a person withdrew meanwhile."""
        books, digest, now, payload = self._books, reservation.instruction, self._now(), hash_of(parts)
        books.store.replies.write(digest, parts)  # 4
        with books.store.transaction() as transaction:  # 5
            reply = None
            if self._still_wanted(reservation.study, reservation.data_set):
                books.ledger.settle(transaction, reservation, payload, data.version, now)
                reply = self._note_reply(transaction, digest, parts, payload, now)
                books.answers.keep(transaction, digest, reservation.study, reservation.round, reply)
        if reply is None:
            books.store.replies.remove([digest])
        books.anchor()  # 6
        return reply

    def _conclude(self, admitted: Admitted, cancelled: Callable[[], bool]) -> Parcel | None:
        """Evaluates on the site's own disk; the reply is empty whatever came out."""
        books, head, digest, now = self._books, admitted.head, admitted.digest, self._now()
        with books.store.transaction() as transaction:
            self._note_instruction(transaction, admitted, now)
        if self._run(admitted, cancelled) is None:
            self._note_silence(admitted)
            return None
        with books.store.transaction() as transaction:
            if not self._still_wanted(head.study, admitted.data.data_set):
                return None
            books.studies.conclude(transaction, head.study, now)
            books.studies.advance(transaction, head.study, head.durable_through)
            dropped = books.answers.drop(transaction, head.study, head.durable_through)
            reply = self._note_reply(transaction, digest, [], hash_of(()), now)
            books.answers.keep(transaction, digest, head.study, head.round, reply)
        books.store.replies.remove(dropped)
        books.anchor()
        return reply

    def _still_wanted(self, study: bytes, data_set: str) -> bool:
        """Whether the study is approved on this very data set, and nothing was locked, by now."""
        dossier = self._books.studies.find(study)
        approved = dossier is not None and dossier.state is StudyState.APPROVED and dossier.data_set == data_set
        return approved and self._books.ledger.locked() is None

    def _note_silence(self, admitted: Admitted) -> None:
        self._books.journal.note("failed", self._now(), {"instruction": admitted.digest.hex()})

    def _note_instruction(self, transaction: sqlite3.Connection, admitted: Admitted, now: int) -> None:
        journal, head, data = self._books.journal, admitted.head, admitted.data
        if not journal.mentions_import(data.data_set, data.version):
            journal.append(transaction, "import", now, {"data_set": data.data_set, "version": data.version})
        fields: Fields = {
            "instruction": admitted.digest.hex(),
            "study": head.study.hex(),
            "task": int(head.task),
            "round": head.round,
            "attempt": head.attempt,
        }
        journal.append(transaction, "instruction", now, fields)

    def _note_reply(
        self, transaction: sqlite3.Connection, digest: bytes, parts: list[memoryview], payload: bytes, now: int
    ) -> Parcel:
        """The journal's entry, then the reply whose head tells where ledger and journal stand with it."""
        size = sum(part.nbytes for part in parts)
        fields: Fields = {"instruction": digest.hex(), "payload": payload.hex(), "bytes": size}
        self._books.journal.append(transaction, "reply", now, fields)
        return sealed_reply(self._key, digest, self._books.heads(), parts, payload)
