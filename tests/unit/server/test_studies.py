"""The studies folder."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from fedward_server.studies import Studies, StudyState
from fedward_shared.errors import UsageError
from tests.support.fake_sites import offer_of, study_text

FIRST = offer_of(study_text(rounds=1)).manifest
SECOND = offer_of(study_text(rounds=2)).manifest
SIGNATURE = bytes(range(64))


def studies(root: Path) -> Studies:
    ticks = itertools.count(100)
    return Studies(root / "studies", clock=lambda: float(next(ticks)))


def test_studies_come_in_the_order_of_publication(tmp_path: Path) -> None:
    kept = studies(tmp_path)
    assert kept.all() == ()
    folders = (kept.publish(SECOND, SIGNATURE), kept.publish(FIRST, SIGNATURE))
    assert kept.all() == folders
    assert [folder.study().strategy.rounds for folder in kept.all()] == [2, 1]
    assert folders[0].manifest() == SECOND
    assert folders[0].signature() == SIGNATURE


def test_publishing_again_changes_nothing(tmp_path: Path) -> None:
    kept = studies(tmp_path)
    folder = kept.publish(FIRST, SIGNATURE)
    folder.stand(StudyState.FAILED, "a reason")
    before = folder.standing()
    assert kept.publish(FIRST, bytes(64)) == folder
    assert folder.standing() == before
    assert folder.signature() == SIGNATURE


def test_a_standing_keeps_the_time_of_publication(tmp_path: Path) -> None:
    folder = studies(tmp_path).publish(FIRST, SIGNATURE)
    folder.stand(StudyState.DONE)
    assert (folder.standing().state, folder.standing().published) == (StudyState.DONE, 100.0)


def test_what_was_left_by_a_crash_is_no_study(tmp_path: Path) -> None:
    kept = studies(tmp_path)
    folder = kept.publish(FIRST, SIGNATURE)
    (tmp_path / "studies" / ".publishing-x").mkdir()
    (tmp_path / "studies" / ".publishing-x" / "state.json").write_bytes((folder.root / "state.json").read_bytes())
    (tmp_path / "studies" / "0123456789abcdef").mkdir()
    assert kept.all() == (folder,)


def test_an_edited_manifest_is_noticed(tmp_path: Path) -> None:
    folder = studies(tmp_path).publish(FIRST, SIGNATURE)
    (folder.root / "study.toml").write_bytes(FIRST.replace(b"rounds = 1", b"rounds = 9"))
    with pytest.raises(UsageError, match="changed after it was published"):
        folder.study()


def test_a_study_is_found_by_name_or_by_the_start_of_its_id(tmp_path: Path) -> None:
    kept = studies(tmp_path)
    folder = kept.publish(FIRST, SIGNATURE)
    assert kept.find("heart-disease") == folder
    assert kept.find(folder.id[:6].upper()) == folder
    with pytest.raises(UsageError, match=folder.id):
        kept.find("lung-disease")
    with pytest.raises(UsageError, match="no study"):
        kept.find("")
    other = kept.publish(SECOND, SIGNATURE)
    with pytest.raises(UsageError, match="several"):
        kept.find("heart-disease")
    assert kept.find(other.id) == other
