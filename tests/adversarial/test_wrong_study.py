"""Invariant 9: only a study that a person here approved, by the hash of its manifest, and only as it was approved."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from fedward_shared.contracts.round import RefusalCode, Task
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import UsageError
from fedward_shared.wire.codec import encode_offer
from tests.support.vaults import NOW, STUDY_KEY, Coordinator, Site, manifest

TWISTED = [
    ("max_weight = 100.0", "max_weight = 1000.0"),
    ("rounds = 3", "rounds = 30"),
    ("noise_multiplier = 4.0", "noise_multiplier = 3.9"),
    ('purpose = "', 'purpose = " '),
]


@pytest.mark.parametrize("change", TWISTED)
def test_one_changed_character_is_another_study(change: tuple[str, str]) -> None:
    """Even signed by the study key: what was approved is a hash, and this is not it."""
    site, twisted = Site(), Coordinator(manifest(change))
    Coordinator().admit(site)
    assert site.code(twisted.train()) is RefusalCode.UNKNOWN_STUDY
    assert site.code(twisted.offer()) is RefusalCode.NOT_APPROVED
    assert site.code(twisted.train()) is RefusalCode.NOT_APPROVED
    assert site.trainer.orders == []
    assert site.spent() == 0


def test_a_manifest_offered_under_an_approved_hash() -> None:
    site, honest, twisted = Site(), Coordinator(), Coordinator(manifest(TWISTED[0]))
    honest.admit(site)
    payload = encode_offer(twisted.offer_)
    disguised = twisted.sealed(honest.head(Task.STUDY, payload_bytes=len(payload)), payload)
    assert site.code(disguised) is RefusalCode.BAD_SIGNATURE
    dossier = site.books.studies.find(honest.hash)
    assert dossier is not None
    assert dossier.manifest == honest.manifest


def test_a_study_with_a_lie_about_its_cost_cannot_be_approved() -> None:
    """Signed by the study key, but its noise gives more ε than it says: the vault computes for itself."""
    text = manifest()
    at = text.index(b"epsilon = ", text.index(b"[resolved.sites.north]"))
    lie = text[:at] + b"epsilon = 0.001\n" + text[text.index(b"\n", at) + 1 :]
    site, liar = Site(), Coordinator(lie)
    site.handle(liar.offer())
    if not site.operations.proposals():
        return  # the manifest's own checks refuse it even earlier
    (problem, *_) = site.operations.show("heart-disease").problems
    assert "claims" in problem


@pytest.mark.parametrize("state", ["proposed", "rejected", "withdrawn"])
def test_a_study_that_is_not_approved_reads_no_record(state: str) -> None:
    site, coordinator = Site(), Coordinator()
    site.handle(coordinator.offer())
    if state == "rejected":
        site.operations.reject("heart-disease", "Ada", NOW)
    if state == "withdrawn":
        site.operations.approve("heart-disease", "cardiology", "Ada", NOW)
        site.operations.withdraw("heart-disease", "Ada", NOW)
    expected = RefusalCode.NOT_APPROVED if state == "proposed" else RefusalCode.WITHDRAWN
    assert site.code(coordinator.train()) is expected
    assert site.code(coordinator.conclude()) is expected
    assert site.trainer.orders == []


def test_an_offer_without_the_study_keys_signature_is_not_even_shown() -> None:
    site, coordinator = Site(), Coordinator()
    unsigned = replace(coordinator.offer_, signature=sign(STUDY_KEY, Purpose.ROUND_KEY, coordinator.manifest))
    payload = encode_offer(unsigned)
    parcel = coordinator.sealed(coordinator.head(Task.STUDY, payload_bytes=len(payload)), payload)
    assert site.code(parcel) is RefusalCode.BAD_SIGNATURE
    assert site.operations.proposals() == ()
    with pytest.raises(UsageError):
        site.operations.approve(hashlib.sha256(coordinator.manifest).hexdigest(), "cardiology", "Ada", NOW)
