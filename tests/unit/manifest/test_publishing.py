"""Publishing: what is signed, with which key, and what is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from fedward_server.home import CoordinatorHome
from fedward_server.publishing import publish, signing_key, write_offer
from fedward_server.studies import Studies
from fedward_shared.crypto.keys import new_signing_key, public_bytes, public_to_pem, to_pem
from fedward_shared.crypto.signing import Purpose, verify
from fedward_shared.errors import SignatureError, StudyFileError, UsageError
from fedward_shared.manifest.parse import load, study_hash
from fedward_shared.wire.codec import StudyOffer, decode_offer
from tests.support.samples import TWO_SITES

DRAFT = TWO_SITES.encode()


@pytest.fixture
def home(tmp_path: Path) -> CoordinatorHome:
    found = CoordinatorHome(tmp_path / "coordinator")
    found.make_folders()
    key = new_signing_key()
    found.study_key_file.write_bytes(to_pem(key))
    found.study_public_file.write_bytes(public_to_pem(public_bytes(key)))
    found.round_key_body.write_bytes(b"certificate")
    found.round_key_signature.write_bytes(bytes(64))
    return found


def test_what_is_kept_is_what_was_signed(home: CoordinatorHome) -> None:
    done = publish(DRAFT, signing_key(home), Studies(home.studies_dir))

    manifest = (done.folder.root / "study.toml").read_bytes()
    signature = (done.folder.root / "study.sig").read_bytes()
    assert done.hash == study_hash(manifest)
    assert done.folder.id == done.hash.hex()[:16]
    assert done.study == load(manifest)
    assert done.study.resolved is not None
    verify(home.study_public(), Purpose.STUDY, manifest, signature)


def test_the_same_draft_is_the_same_study(home: CoordinatorHome) -> None:
    studies = Studies(home.studies_dir)

    first, second = (publish(DRAFT, signing_key(home), studies) for _ in range(2))

    assert first == second
    assert len(studies.all()) == 1


def test_the_offer_is_one_file_with_all_that_a_site_checks(home: CoordinatorHome) -> None:
    folder = publish(DRAFT, signing_key(home), Studies(home.studies_dir)).folder

    offer = decode_offer(write_offer(folder, home).read_bytes())

    assert offer == StudyOffer(folder.manifest(), folder.signature(), *home.round_key_certificate())


def test_publishing_again_renews_the_round_keys_certificate_in_the_offer(home: CoordinatorHome) -> None:
    folder = publish(DRAFT, signing_key(home), Studies(home.studies_dir)).folder
    write_offer(folder, home)
    home.round_key_body.write_bytes(b"renewed")

    assert decode_offer(write_offer(folder, home).read_bytes()).round_key_body == b"renewed"


def test_another_draft_is_another_study(home: CoordinatorHome) -> None:
    studies = Studies(home.studies_dir)
    publish(DRAFT, signing_key(home), studies)

    publish(DRAFT.replace(b"rounds = 3", b"rounds = 4"), signing_key(home), studies)

    assert len(studies.all()) == 2


def test_nothing_is_kept_of_a_draft_with_mistakes(home: CoordinatorHome) -> None:
    with pytest.raises(StudyFileError):
        publish(DRAFT.replace(b"quorum = 2", b"quorum = 9"), signing_key(home), Studies(home.studies_dir))

    assert list(home.studies_dir.iterdir()) == []


def test_a_key_kept_offline_is_read_from_where_it_is(home: CoordinatorHome, tmp_path: Path) -> None:
    offline = home.study_key_file.rename(tmp_path / "usb.key")

    assert public_bytes(signing_key(home, offline)) == home.study_public()
    with pytest.raises(UsageError, match="the study key is not in"):
        signing_key(home)


def test_a_key_that_the_sites_do_not_know_is_refused(home: CoordinatorHome, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_bytes(to_pem(new_signing_key()))

    with pytest.raises(SignatureError, match="not the study key"):
        signing_key(home, other)
