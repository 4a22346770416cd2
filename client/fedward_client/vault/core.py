"""The vault, as the door sees it: how much may come in (`limit`), and the answer to what came (`handle`).

Every answer is a signed reply, a signed refusal with a code of the closed list, or silence. `orders` says what happens
between a TRAIN instruction and its reply, `admission` what is checked before that.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_client.vault import admission, offers
from fedward_client.vault.admission import NotAdmitted, NotVerified
from fedward_client.vault.books.answers import sealed_reply
from fedward_client.vault.books.books import Books
from fedward_client.vault.books.chain import Fields
from fedward_client.vault.books.replies import hash_of
from fedward_client.vault.books.studies import Dossier, StudyState
from fedward_client.vault.inbox import DataSets
from fedward_client.vault.orders import Orders
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import Accountant, pld
from fedward_client.vault.training.trainer import Trainer
from fedward_client.vault.turn import Turn
from fedward_shared.contracts.round import InstructionHead, RefusalCode, Task
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import FedwardError, WireError
from fedward_shared.version import VERSION
from fedward_shared.wire.codec import decode_instruction, refusal_body
from fedward_shared.wire.parcel import INLINE_BYTES, Parcel, Refused

__all__ = ["Identity", "Vault"]

_LOG = logging.getLogger("fedward.vault")


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this vault is: the site's name, its own key, and the public study key that was pinned when joining."""

    site: str
    key: Ed25519PrivateKey
    study_key: bytes


class Vault:
    """Answers parcels. As a context manager it notes its start and stop in the journal, and ends the trainer.

    `clock` gives seconds since 1970; `reports` is the site's own folder for exact results,
    `backbones` the one with weights of frozen backbones.
    """

    def __init__(
        self,
        identity: Identity,
        *,
        books: Books,
        policy: Policy,
        trainer: Trainer,
        data_sets: DataSets,
        reports: Path,
        backbones: Path | None = None,
        clock: Callable[[], float] = time.time,
        accountant: Accountant = pld,
    ) -> None:
        self._identity = identity
        self._books = books
        self._trainer = trainer
        self._clock = clock
        self._turn = Turn()
        self._orders = Orders(
            site=identity.site,
            key=identity.key,
            books=books,
            policy=policy,
            trainer=trainer,
            data_sets=data_sets,
            reports=reports,
            backbones=backbones,
            clock=self._now,
            accountant=accountant,
        )

    def __enter__(self) -> Self:
        self._books.journal.note("start", self._now(), {"version": VERSION})
        self._books.anchor()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._trainer.close()
        self._books.journal.note("stop", self._now(), {"version": VERSION})
        self._books.anchor()

    @property
    def busy(self) -> bool:
        """Whether an order is being worked on."""
        return self._turn.taken

    def limit(self, head: bytes) -> int | Refused:
        """The largest payload that may come with this head; asked before memory is set aside for it.

        Nothing is verified yet, because a signature ends a message. What needs no more memory than an inline payload
        is let through to `handle`, whose refusals are signed over the instruction's digest. That digest is not known
        here: the few refusals made here are signed over the head's SHA-256 in its place.
        """
        name = hashlib.sha256(head).digest()
        try:
            instruction = decode_instruction(head)
        except WireError:
            return self._refused(name, RefusalCode.CODE_VERSION)
        size = instruction.payload_bytes
        if instruction.task is Task.STUDY or size <= INLINE_BYTES:
            return size
        try:
            dossier = self._books.studies.find(instruction.study)
        except FedwardError:
            return self._refused(name, RefusalCode.LEDGER_LOCKED)
        if dossier is None:
            return self._refused(name, RefusalCode.UNKNOWN_STUDY)
        return size if size <= dossier.plan.payload_bytes else self._refused(name, RefusalCode.TOO_LARGE)

    def handle(self, parcel: Parcel, cancelled: Callable[[], bool]) -> Parcel | Refused | None:
        """The signed answer to an instruction; None is silence, which looks like a site that is too slow."""
        now = self._now()
        try:
            return self._answer(parcel, now, cancelled)
        except (FedwardError, OSError, sqlite3.Error) as error:
            # Nothing has left, and what was reserved stays reserved. None of these messages holds a patient's value.
            _LOG.error("an instruction stays without an answer: %s", error)
            return None

    def _answer(self, parcel: Parcel, now: int, cancelled: Callable[[], bool]) -> Parcel | Refused | None:
        try:
            head = decode_instruction(parcel.head)
        except WireError:
            return self._refuse(parcel, None, RefusalCode.CODE_VERSION, now)
        try:
            if head.task is Task.STUDY:
                return self._consider(head, parcel, now)
            dossier = self._check_asker(head, parcel, now)
            with self._turn.take(parcel.digest, cancelled):
                return self._orders.obey(head, parcel, self._books.studies.find(head.study) or dossier, cancelled)
        except NotVerified as refusal:
            return self._refuse(parcel, None, refusal.code, now)
        except NotAdmitted as refusal:
            return self._refuse(parcel, head, refusal.code, now)

    def _check_asker(self, head: InstructionHead, parcel: Parcel, now: int) -> Dossier:
        return admission.check_asker(
            head,
            parcel,
            site=self._identity.site,
            study_key=self._identity.study_key,
            dossier=self._books.studies.find(head.study),
            now=now,
        )

    def _consider(self, head: InstructionHead, parcel: Parcel, now: int) -> Parcel:
        """Keeps a new study for a person to decide; the empty reply once somebody approved it."""
        books, identity = self._books, self._identity
        offer = admission.check_offer(head, parcel, site=identity.site, study_key=identity.study_key, now=now)
        dossier = offers.propose(books, offer, site=identity.site, came="the door", now=now)
        seen_holds = books.accept_seen(head.study, head.seen, now)
        if dossier.state in {StudyState.REJECTED, StudyState.WITHDRAWN}:
            raise NotAdmitted(RefusalCode.WITHDRAWN)
        if dossier.state is not StudyState.APPROVED:
            raise NotAdmitted(RefusalCode.NOT_APPROVED)
        if not seen_holds or books.ledger.locked() is not None:
            raise NotAdmitted(RefusalCode.LEDGER_LOCKED)
        nothing = hash_of(())
        fields: Fields = {"instruction": parcel.digest.hex(), "payload": nothing.hex(), "bytes": 0}
        books.journal.note_once(("approved", head.study.hex()), "reply", now, fields)
        return sealed_reply(identity.key, parcel.digest, books.anchor(), (), nothing)

    def _refuse(self, parcel: Parcel, head: InstructionHead | None, code: RefusalCode, now: int) -> Refused:
        """Notes and signs a refusal; `head` is None where anybody could have caused it.

        Refusals are noted once an hour, study, task and code, not once a message: neither a hostile gateway nor a
        hostile coordinator, which has billions of rounds and attempts to ask for, must fill the disk.
        """
        digest = parcel.digest
        study, task = (head.study.hex(), int(head.task)) if head else ("", 0)
        fields: Fields = {"instruction": digest.hex(), "study": study, "task": task, "code": int(code)}
        self._books.journal.note_once(("refused", int(code), study, task), "refused", now, fields)
        return self._refused(digest, code)

    def _refused(self, digest: bytes, code: RefusalCode) -> Refused:
        return Refused(code, sign(self._identity.key, Purpose.REFUSAL, refusal_body(digest, code)))

    def _now(self) -> int:
        return int(self._clock())
