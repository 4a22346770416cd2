"""Admission: every check between an instruction's arrival and a patient's record. No I/O; time is an argument.

Who asks (`check_asker`; what fails here could come from anybody):
 1. the message speaks our protocol                                                   CODE_VERSION
 2. it is for this site                                                               WRONG_SITE
 3. the study is known; it is stored only with the study key's signature              UNKNOWN_STUDY
 4. the study key, pinned when joining, certifies the round key, which is valid now   BAD_SIGNATURE
 5. the seal is that of the head, and the round key signed it                         BAD_SIGNATURE

What is asked (`check_place`; from here on it is the coordinator, and refusals tell it nothing but codes):
 6. the payload has the size that the head declares, and that the study declares      TOO_LARGE
 7. the ledger is not locked, and the heads that the coordinator saw are on our
    chains (equal to our tips, or ancestors: several instructions may be under way)   LEDGER_LOCKED
 8. a person here neither rejected the study nor withdrew from it                     WITHDRAWN
 9. a person here approved it, by the hash of its manifest                            NOT_APPROVED
10. it declares the code that runs here                                               CODE_VERSION
11. round and attempt are among those that it declares                                WRONG_ROUND
12. the round is not over by the coordinator's own signed receipt                     PRUNED
13. (study, round, attempt) was not reserved by another instruction, nor in another
    data set than the approval names by now                                           CONFLICT
    · the same instruction, answered before: its stored reply is served, at no charge, whatever comes below
    · answered, and the reply was pruned or lost: never trained again                 PRUNED
    · reserved before the ledger was locked: its reply may have left                  PRUNED

Whether it may be done now (`check_means`):
14. the instruction has not expired, and does not expire absurdly late                EXPIRED
15. a new reservation is within the study's `charged_rounds`, and the study has not
    been concluded: what it will cost is counted as what it has cost                  WRONG_ROUND
16. δ is the policy's, and a study without noise is allowed                           POLICY
17. data were imported under the study's contract, in the data set of the approval,
    and the weights of the study's backbone, if it needs a file, are here             NO_DATA
18. the declared noise, accounted here, gives no more ε than the manifest claims      POLICY
19. the budget of the data set covers it, with everything that was ever spent there   BUDGET

What it carries (`check_weights`):
20. the header is, byte for byte, the one that follows from the study                 BAD_PAYLOAD
21. every weight is finite and at most `limits.max_weight` in magnitude: a hostile
    coordinator could otherwise choose weights under which one patient overflows      BAD_PAYLOAD

The order is that of cost, after that of trust: whoever has no key learns only that this site exists and does not
know a study; signatures come before anything is looked up about rounds; the budget (a computation) and the
weights (a pass over megabytes) come last. Nothing here depends on a patient's record, so neither does any refusal.

Checks that are absent, and why:
 · No nonce, and no order of rounds. A repeated instruction gets the same bytes again and costs nothing; every other
   one is charged, whatever its number. Order matters to the result, which is the coordinator's to guard.
 · The payload is not hashed again. Whoever assembled it hashed it while it came in (`wire.transfer`).
 · Expiry does not apply to a stored reply. It was trained in time and is already paid for; refusing it would make
   the coordinator ask for a new attempt, which would cost the patients more.
 · CONCLUDE is neither charged nor held to the budget: nothing that follows from the data leaves in its reply.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from fedward_client.vault.books.ledger import Reservation
from fedward_client.vault.books.studies import Dossier, StudyState
from fedward_client.vault.inbox import Imported
from fedward_client.vault.policy import Policy
from fedward_client.vault.spending import Accountant, check_claims, covers, pld, round_event, study_event
from fedward_shared.contracts.round import InstructionHead, RefusalCode, Task
from fedward_shared.contracts.study import Study
from fedward_shared.crypto import round_key
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import PolicyError, RefusedError, SignatureError, StudyFileError, WireError
from fedward_shared.manifest.parse import load
from fedward_shared.privacy.events import Event
from fedward_shared.version import PROTOCOL, VERSION
from fedward_shared.wire.codec import StudyOffer, decode_offer
from fedward_shared.wire.parcel import Parcel
from fedward_shared.wire.tensors import Layout, decode

__all__ = [
    "NotAdmitted",
    "NotVerified",
    "Standing",
    "Verdict",
    "check_asker",
    "check_manifest",
    "check_means",
    "check_offer",
    "check_place",
    "check_weights",
]

_LATEST_SECONDS = 7 * 24 * 3600
"""How far beyond the study's deadline an instruction may expire: restarts, repetitions, and clocks that differ."""


class NotAdmitted(RefusedError):  # noqa: N818 - it reads as what it is
    """Refused, with a code of the closed list."""

    def __init__(self, code: RefusalCode) -> None:
        super().__init__(code.explanation)
        self.code = code


class NotVerified(NotAdmitted):
    """Refused before anything showed that the coordinator asks: anybody could have caused it."""


class Verdict(Enum):
    """What is to be done with an admitted instruction."""

    SERVE = "send the stored reply again"
    RESERVE = "reserve, then train"
    RESUME = "train again under the reservation that a crash left open"
    CONCLUDE = "evaluate on the site's own disk"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the vault's books say about an instruction: read before the checks, so that the checks read nothing.

    `seen_holds`: the heads in the instruction are on our chains. `stored`: a reply to this very instruction is kept.
    `reserved`: reservations of the study so far. `others`, `mine`: events spent in the data set by other studies,
    and by this one. `weights`: the file of the study's backbone, if it needs one, is here.
    """

    site: str
    dossier: Dossier
    policy: Policy
    locked: bool
    seen_holds: bool
    stored: bool
    reservation: Reservation | None
    reserved: int
    data: Imported | None
    others: Sequence[Event]
    mine: Sequence[Event]
    weights: bool = True


def check_asker(
    head: InstructionHead, parcel: Parcel, *, site: str, study_key: bytes, dossier: Dossier | None, now: int
) -> Dossier:
    """Checks 1 to 5; `study_key` is the pinned public key.

    Raises:
        NotAdmitted: with the code of the first check that fails.
    """
    _check_address(head, site)  # 1, 2
    if dossier is None:  # 3
        raise NotVerified(RefusalCode.UNKNOWN_STUDY)
    _check_signature(parcel, study_key, dossier.round_key_body, dossier.round_key_signature, now)  # 4, 5
    return dossier


def check_place(head: InstructionHead, parcel: Parcel, standing: Standing) -> Verdict:
    """Checks 6 to 13, and so whether an answer is stored already.

    Raises:
        NotAdmitted: with the code of the first check that fails.
    """
    dossier = standing.dossier
    if not parcel.payload_bytes == head.payload_bytes == dossier.plan.payload_bytes:  # 6
        raise NotAdmitted(RefusalCode.TOO_LARGE)
    if standing.locked or not standing.seen_holds:  # 7
        raise NotAdmitted(RefusalCode.LEDGER_LOCKED)
    if dossier.state in {StudyState.REJECTED, StudyState.WITHDRAWN}:  # 8
        raise NotAdmitted(RefusalCode.WITHDRAWN)
    if dossier.state is not StudyState.APPROVED:  # 9
        raise NotAdmitted(RefusalCode.NOT_APPROVED)
    if dossier.study.code_version != VERSION or dossier.study.protocol != PROTOCOL:  # 10
        raise NotAdmitted(RefusalCode.CODE_VERSION)
    _check_round(head, dossier.study)  # 11
    if head.task is Task.CONCLUDE:
        return Verdict.SERVE if standing.stored else Verdict.CONCLUDE
    if head.round <= max(dossier.durable_through, head.durable_through):  # 12
        raise NotAdmitted(RefusalCode.PRUNED)
    return _check_reservation(parcel.digest, standing)  # 13


def check_means(
    verdict: Verdict, head: InstructionHead, standing: Standing, *, now: int, accountant: Accountant = pld
) -> Imported:
    """Checks 14 to 19; the data to work on.

    Raises:
        NotAdmitted: with the code of the first check that fails.
    """
    study, site, policy = standing.dossier.study, standing.site, standing.policy
    if not now <= head.expires <= now + study.strategy.deadline_seconds + _LATEST_SECONDS:  # 14
        raise NotAdmitted(RefusalCode.EXPIRED)
    over = standing.reserved >= study.strategy.charged_rounds or standing.dossier.concluded_at is not None
    if verdict is Verdict.RESERVE and over:  # 15
        raise NotAdmitted(RefusalCode.WRONG_ROUND)
    _check_policy(study, policy)  # 16
    if standing.data is None or standing.data.contract != standing.dossier.contract or not standing.weights:  # 17
        raise NotAdmitted(RefusalCode.NO_DATA)
    if verdict is Verdict.CONCLUDE:
        return standing.data
    try:
        check_claims(study, site, accountant)  # 18
    except PolicyError as error:
        raise NotAdmitted(RefusalCode.POLICY) from error
    spent = (*standing.others, *standing.mine)
    more = (round_event(study, site),) if verdict is Verdict.RESERVE else ()
    most = (*standing.others, study_event(study, site))
    if not covers(policy, spent, more, most, accountant):  # 19
        raise NotAdmitted(RefusalCode.BUDGET)
    return standing.data


def check_weights(payload: memoryview, plan: Layout, max_weight: float) -> None:
    """Checks 20 and 21.

    Raises:
        NotAdmitted: BAD_PAYLOAD.
    """
    try:
        tensors = decode(plan, payload)  # 20
    except WireError as error:
        raise NotAdmitted(RefusalCode.BAD_PAYLOAD) from error
    for tensor in tensors.values():
        with np.errstate(invalid="ignore"):
            low, high = float(tensor.min()), float(tensor.max())
        # 21: a NaN anywhere is the minimum and the maximum, and no comparison with it holds.
        if not (-max_weight <= low and high <= max_weight):
            raise NotAdmitted(RefusalCode.BAD_PAYLOAD)


def check_offer(head: InstructionHead, parcel: Parcel, *, site: str, study_key: bytes, now: int) -> StudyOffer:
    """Whether an offered study may be shown to a person.

    These are checks 1, 2, 4, 5 and 14 as above, and

    a. the payload is an offer, of the size that the head declares                       BAD_PAYLOAD
    b. its manifest has the hash that the head names, and the study key signed it        BAD_SIGNATURE

    and then, by `check_manifest`, once for each manifest:

    c. it is a complete, published study for code that runs here                         BAD_PAYLOAD, CODE_VERSION
    d. this site is one of its sites                                                     WRONG_SITE

    Raises:
        NotAdmitted: with the code of the first check that fails.
    """
    _check_address(head, site)  # 1, 2
    try:  # a
        offer = decode_offer(bytes(parcel.payload))
    except WireError as error:
        raise NotVerified(RefusalCode.BAD_PAYLOAD) from error
    _check_signature(parcel, study_key, offer.round_key_body, offer.round_key_signature, now)  # 4, 5
    if parcel.payload_bytes != head.payload_bytes:  # a
        raise NotAdmitted(RefusalCode.BAD_PAYLOAD)
    try:  # b
        verify(study_key, Purpose.STUDY, offer.manifest, offer.signature)
    except SignatureError as error:
        raise NotAdmitted(RefusalCode.BAD_SIGNATURE) from error
    if hashlib.sha256(offer.manifest).digest() != head.study:
        raise NotAdmitted(RefusalCode.BAD_SIGNATURE)
    if not now <= head.expires <= now + _LATEST_SECONDS:  # 14
        raise NotAdmitted(RefusalCode.EXPIRED)
    return offer


def check_manifest(manifest: bytes, site: str) -> Study:
    """Checks c and d of a manifest that has not been here before.

    Raises:
        NotAdmitted: with the code of the first check that fails.
    """
    try:
        study = load(manifest)
    except StudyFileError as error:
        raise NotAdmitted(RefusalCode.BAD_PAYLOAD) from error
    if study.resolved is None:
        raise NotAdmitted(RefusalCode.BAD_PAYLOAD)
    if study.code_version != VERSION or study.protocol != PROTOCOL:
        raise NotAdmitted(RefusalCode.CODE_VERSION)
    if site not in study.sites or site not in study.resolved.sites:
        raise NotAdmitted(RefusalCode.WRONG_SITE)
    return study


def _check_address(head: InstructionHead, site: str) -> None:
    if head.protocol != PROTOCOL:
        raise NotVerified(RefusalCode.CODE_VERSION)
    if head.site != site:
        raise NotVerified(RefusalCode.WRONG_SITE)


def _check_signature(parcel: Parcel, study_key: bytes, body: bytes, signature: bytes, now: int) -> None:
    try:
        public = round_key.check(study_key, body, signature, now)
        parcel.verify(public, Purpose.INSTRUCTION)
    except SignatureError as error:
        raise NotVerified(RefusalCode.BAD_SIGNATURE) from error


def _check_round(head: InstructionHead, study: Study) -> None:
    terms = study.strategy
    attempts = 1 + (terms.spare_attempts if head.task is Task.TRAIN else 0)
    first = 1 if head.task is Task.TRAIN else terms.rounds
    possible = first <= head.round <= terms.rounds and 1 <= head.attempt <= attempts
    if not possible or head.durable_through > terms.rounds:
        raise NotAdmitted(RefusalCode.WRONG_ROUND)


def _check_reservation(digest: bytes, standing: Standing) -> Verdict:
    reservation = standing.reservation
    if reservation is None:
        return Verdict.RESERVE
    if reservation.instruction != digest:
        raise NotAdmitted(RefusalCode.CONFLICT)
    if standing.stored:
        return Verdict.SERVE
    if reservation.settled is not None or reservation.doubtful:
        raise NotAdmitted(RefusalCode.PRUNED)
    if reservation.data_set != standing.dossier.data_set:
        raise NotAdmitted(RefusalCode.CONFLICT)
    return Verdict.RESUME


def _check_policy(study: Study, policy: Policy) -> None:
    if study.privacy.delta != policy.delta:
        raise NotAdmitted(RefusalCode.POLICY)
    if study.privacy.unsafe_no_privacy and not policy.allow_unsafe_no_privacy:
        raise NotAdmitted(RefusalCode.POLICY)
