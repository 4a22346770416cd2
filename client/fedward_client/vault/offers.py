"""How a study enters the books, through the door or as a file. Either way a person decides about it afterwards.

A file carries the same bytes as an offer through the door, and passes the same checks (`admission.check_offer`, a to d,
and 4), but for those of the instruction around it: a file is no instruction. Its refusals are for the person who
holds it, so they say more than a code.
"""

from __future__ import annotations

from fedward_client.vault.admission import NotAdmitted, check_manifest
from fedward_client.vault.books.books import Books
from fedward_client.vault.books.studies import Dossier
from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto import round_key
from fedward_shared.crypto.keys import fingerprint
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import FedwardError, RefusedError, SignatureError, UsageError, WireError
from fedward_shared.manifest.parse import study_hash
from fedward_shared.version import VERSION
from fedward_shared.wire import door_pb2
from fedward_shared.wire.codec import StudyOffer, decode_offer

__all__ = ["propose", "read_file", "renew"]

_MOST_PENDING = 8

_EXPLANATIONS = {
    RefusalCode.BAD_PAYLOAD: "what the study key signed is not a complete, published study",
    RefusalCode.CODE_VERSION: f"the study was written for another version of Fedward than {VERSION}, which runs here",
    RefusalCode.WRONG_SITE: "the study does not name this site",
    RefusalCode.BUSY: f"{_MOST_PENDING} studies wait for a decision already",
}
_HINTS = {RefusalCode.BUSY: "Approve or reject one: fedward-site study list"}


def propose(books: Books, offer: StudyOffer, *, site: str, came: str, now: int) -> Dossier:
    """Keeps an offer whose signatures were checked; `came` says how it came, for the journal.

    A study that is known stays as it is, but for a newer certificate of the round key.

    Raises:
        NotAdmitted: it is no study for this site, or too many wait for a decision.
    """
    digest = study_hash(offer.manifest)
    known = books.studies.find(digest)
    if known is not None:
        renew(books, known, offer)
        return known
    study = check_manifest(offer.manifest, site)
    if books.studies.pending() >= _MOST_PENDING:
        raise NotAdmitted(RefusalCode.BUSY)
    with books.store.transaction() as transaction:
        books.studies.propose(transaction, offer, now)
        fields = {"study": digest.hex(), "name": study.name, "through": came}
        books.journal.append(transaction, "offered", now, fields)
    dossier = books.studies.find(digest)
    if dossier is None:
        raise FedwardError("a study that was just stored is not there")
    return dossier


def renew(books: Books, dossier: Dossier, offer: StudyOffer) -> None:
    """Takes a newer certificate of the round key; an older one that is sent again changes nothing."""
    if _begins(offer.round_key_body) > _begins(dossier.round_key_body):
        with books.store.transaction() as transaction:
            books.studies.renew_round_key(transaction, dossier.hash, offer.round_key_body, offer.round_key_signature)


def read_file(books: Books, raw: bytes, *, site: str, study_key: bytes, now: int) -> Dossier:
    """Keeps the study of a file `study.offer`; `study_key` is the pinned public key.

    Raises:
        UsageError: it is no such file.
        SignatureError: the study key signed neither it nor its round key, or the round key is not valid now.
        RefusedError: it is no study for this site.
    """
    try:  # a
        offer = decode_offer(raw)
    except WireError as error:
        raise UsageError(
            "this is not an offer of a study",
            hint="Ask the coordinator for the file study.offer; study.toml alone carries no signature.",
        ) from error
    try:  # b
        verify(study_key, Purpose.STUDY, offer.manifest, offer.signature)
    except SignatureError as error:
        raise SignatureError(
            "the study in this file is not signed by the study key that this site knows",
            hint=f"That key is {fingerprint(study_key)}. Compare it by telephone; do not use this file.",
        ) from error
    round_key.check(study_key, offer.round_key_body, offer.round_key_signature, now)  # 4
    try:  # c, d
        return propose(books, offer, site=site, came="a file", now=now)
    except NotAdmitted as refusal:
        hint = _HINTS.get(refusal.code, "Tell the coordinator, who can publish a study that fits.")
        raise RefusedError(_EXPLANATIONS[refusal.code], hint=hint) from refusal


def _begins(certificate: bytes) -> int:
    """When a round key's certificate (whose signature was checked) begins to be valid."""
    return door_pb2.RoundKeyCertificate.FromString(certificate).not_before
