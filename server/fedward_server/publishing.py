"""Publishing a study: complete it, sign it with the study key, keep it whole.

1. The draft is read and checked; what it leaves open is worked out and written into it (`manifest.resolve`).
2. The key must be the one whose public half every invite carries; with another, every site would refuse.
3. The signature covers the published bytes exactly (purpose `study`), and is checked once before anything is kept.
4. Manifest and signature, with the weights that the study starts from where it declares any, go into the studies
   folder together or not at all.
5. The same offer that goes through the door is written beside them as a file, with the round key's certificate of
   today; publishing again renews it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_server.home import CoordinatorHome
from fedward_server.studies import Studies, StudyFolder
from fedward_shared.contracts.study import Study
from fedward_shared.crypto.keys import fingerprint, from_pem, public_bytes
from fedward_shared.crypto.signing import Purpose, sign, verify
from fedward_shared.errors import SignatureError
from fedward_shared.files import read_limited, write_atomic
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.manifest.resolve import published
from fedward_shared.models.start import check_start
from fedward_shared.wire.codec import StudyOffer, encode_offer

__all__ = ["Published", "publish", "signing_key", "sites_not_joined", "write_offer"]

_READABLE = 0o644


@dataclass(frozen=True, slots=True)
class Published:
    """A study as it was published: its folder, its hash (32 bytes), what it says."""

    folder: StudyFolder
    hash: bytes
    study: Study


def signing_key(home: CoordinatorHome, path: Path | None = None) -> Ed25519PrivateKey:
    """The study key from `path`, or from the coordinator's folder.

    Raises:
        SignatureError: it is not the key that the sites of this coordinator know.
        UsageError: there is no such file.
    """
    key = from_pem(read_limited(path)) if path else home.study_key()
    known = home.study_public()
    if public_bytes(key) != known:
        raise SignatureError(
            f"this is not the study key of {home.root}: its fingerprint is {fingerprint(public_bytes(key))}",
            hint=f"Sites accept only studies signed by {fingerprint(known)}.",
        )
    return key


def publish(draft: bytes, key: Ed25519PrivateKey, studies: Studies, *, start: Path | None = None) -> Published:
    """Completes, signs and keeps a study. The same draft again finds what was published before.

    `start` is the file of weights that the study declares as its start, if it does; a copy is kept with the study.

    Raises:
        StudyFileError: the draft has mistakes.
        UsageError: `start` is not what the study declares, or is missing.
    """
    manifest = published(draft)
    study = load(manifest)
    check_start(study, start)
    signature = sign(key, Purpose.STUDY, manifest)
    verify(public_bytes(key), Purpose.STUDY, manifest, signature)
    return Published(studies.publish(manifest, signature, start), study_hash(manifest), study)


def write_offer(folder: StudyFolder, home: CoordinatorHome) -> Path:
    """Writes the file with which a study can be carried to a site; no secret is in it."""
    offer = StudyOffer(folder.manifest(), folder.signature(), *home.round_key_certificate())
    write_atomic(folder.offer, encode_offer(offer), mode=_READABLE)
    return folder.offer


def sites_not_joined(study: Study, home: CoordinatorHome) -> tuple[str, ...]:
    """Sites that the study names and that have not joined this coordinator, or were cut off."""
    from fedward_server.registry import Registry

    registry = Registry(home.registry_db)
    try:
        joined = {site.name for site in registry.sites() if site.revoked is None}
    finally:
        registry.close()
    return tuple(name for name in study.site_names if name not in joined)
