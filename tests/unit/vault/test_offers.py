"""A study that comes as a file passes what an offer through the door passes; what fails is told, and is not kept."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_shared.contracts.round import RefusalCode
from fedward_shared.crypto.keys import fingerprint, public_bytes
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.errors import FedwardError, RefusedError, SignatureError, UsageError
from fedward_shared.wire.codec import MAX_OFFER_BYTES, StudyOffer, encode_offer
from tests.support.vaults import DAY, NOW, STUDY_KEY, Coordinator, Site, manifest

STRANGER = Ed25519PrivateKey.from_private_bytes(b"x" * 32)


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
def coordinator() -> Coordinator:
    return Coordinator()


def signed(text: bytes) -> StudyOffer:
    """An offer of whatever it is, with signatures that hold."""
    return replace(Coordinator().offer_, manifest=text, signature=sign(STUDY_KEY, Purpose.STUDY, text))


def refused(site: Site, file: bytes) -> FedwardError:
    """The error that a file gets; nothing of it is kept or noted."""
    before = site.operations.journal()
    with pytest.raises(FedwardError) as caught:
        site.operations.add_study(file, NOW)
    assert site.operations.proposals() == ()
    assert site.operations.journal() == before
    return caught.value


def test_a_file_waits_for_a_person_as_an_offer_does(site: Site, coordinator: Coordinator) -> None:
    added = site.operations.add_study(encode_offer(coordinator.offer_), NOW)
    assert (added.study, added.state, added.known) == (coordinator.hash.hex(), "proposed", False)
    assert site.operations.journal()[-1].kind == "offered"
    assert "through a file" in site.operations.journal()[-1].says
    assert site.code(coordinator.train()) is RefusalCode.NOT_APPROVED


def test_what_came_as_a_file_is_approved_and_trained_like_any_other(site: Site, coordinator: Coordinator) -> None:
    site.operations.add_study(encode_offer(coordinator.offer_), NOW)
    site.operations.approve("heart-disease", "cardiology", "Dr Ada Lind", NOW)
    assert site.reply(coordinator.offer()).payload_bytes == 0, "the door's offer finds it approved"
    assert site.reply(coordinator.train())


def test_the_same_study_by_both_ways_is_one(site: Site, coordinator: Coordinator) -> None:
    site.handle(coordinator.offer())
    assert "through the door" in [entry for entry in site.operations.journal() if entry.kind == "offered"][-1].says
    for _ in range(2):
        assert site.operations.add_study(encode_offer(coordinator.offer_), NOW).known
    assert len(site.operations.proposals()) == 1


def test_a_rejected_study_stays_rejected(site: Site, coordinator: Coordinator) -> None:
    file = encode_offer(coordinator.offer_)
    site.operations.add_study(file, NOW)
    site.operations.reject("heart-disease", "Dr Ada Lind", NOW)
    assert site.operations.add_study(file, NOW).state == "rejected"


def test_a_file_renews_the_round_key_of_a_study_that_is_known(site: Site, coordinator: Coordinator) -> None:
    coordinator.admit(site)
    later = Coordinator(certified=(NOW - 1, NOW + 200 * DAY))
    site.operations.add_study(encode_offer(later.offer_), NOW)
    site.now = NOW + 100 * DAY
    assert site.reply(later.train(expires=site.now + 60))


@pytest.mark.parametrize("what", ["manifest", "signature", "round_key_body", "round_key_signature"])
def test_a_file_with_one_changed_byte_is_refused(site: Site, coordinator: Coordinator, what: str) -> None:
    honest: bytes = getattr(coordinator.offer_, what)
    for place in (0, len(honest) // 2, len(honest) - 1):
        changed = honest[:place] + bytes([honest[place] ^ 1]) + honest[place + 1 :]
        error = refused(site, encode_offer(replace(coordinator.offer_, **{what: changed})))
        assert isinstance(error, SignatureError)


def test_another_consortiums_study_names_the_key_to_compare(site: Site) -> None:
    error = refused(site, encode_offer(Coordinator(study_key=STRANGER).offer_))
    assert isinstance(error, SignatureError)
    assert fingerprint(public_bytes(STUDY_KEY)) in error.hint


def test_a_round_key_that_another_key_certified_is_refused(site: Site, coordinator: Coordinator) -> None:
    other = Coordinator(study_key=STRANGER).offer_
    mixed = replace(
        coordinator.offer_, round_key_body=other.round_key_body, round_key_signature=other.round_key_signature
    )
    assert isinstance(refused(site, encode_offer(mixed)), SignatureError)


@pytest.mark.parametrize("certified", [(NOW - 90 * DAY, NOW - 1), (NOW + 1, NOW + DAY)])
def test_a_round_key_that_is_not_valid_today_is_refused(site: Site, certified: tuple[int, int]) -> None:
    error = refused(site, encode_offer(Coordinator(certified=certified).offer_))
    assert isinstance(error, SignatureError)
    assert "not valid today" in error.message


@pytest.mark.parametrize(
    "file",
    [b"", b"\x00", b"%PDF-1.7", manifest(), bytes(MAX_OFFER_BYTES + 1)],
    ids=["empty", "zero", "document", "study.toml", "too large"],
)
def test_what_is_no_offer_is_used_wrongly(site: Site, file: bytes) -> None:
    error = refused(site, file)
    assert isinstance(error, UsageError)
    assert "study.offer" in error.hint


def test_trailing_bytes_are_refused(site: Site, coordinator: Coordinator) -> None:
    assert isinstance(refused(site, encode_offer(coordinator.offer_) + b"\x00"), UsageError)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (manifest(("[sites.north]", "[sites.east]")), "does not name this site"),
        (manifest().replace(b'code_version = "0.1.0"', b'code_version = "9.9.9"'), "another version"),
        (manifest().split(b"[resolved]")[0], "not a complete"),
        (b"A letter, signed by mistake.", "not a complete"),
    ],
    ids=["another site", "another version", "a draft", "a letter"],
)
def test_a_signed_file_that_fits_not_this_site_is_refused(site: Site, text: bytes, says: str) -> None:
    error = refused(site, encode_offer(signed(text)))
    assert isinstance(error, RefusedError)
    assert error.exit_code == 3
    assert says in error.message
    assert error.hint


def test_files_cannot_pile_up_undecided(site: Site) -> None:
    names = [f"study-{number}" for number in range(9)]
    offers = [encode_offer(Coordinator(manifest(('"heart-disease"', f'"{name}"'))).offer_) for name in names]
    for offer in offers[:8]:
        site.operations.add_study(offer, NOW)
    with pytest.raises(RefusedError, match="wait for a decision"):
        site.operations.add_study(offers[8], NOW)
    site.operations.reject(names[0], "Dr Ada Lind", NOW)
    assert site.operations.add_study(offers[8], NOW).name == names[8]
