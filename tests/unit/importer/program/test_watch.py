"""The parent's eyes on a worker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedward_client.importer.order import Limits
from fedward_client.importer.program import watch
from fedward_client.importer.program.watch import Watch, check_room, limit_reached, written_bytes
from fedward_shared.errors import ImporterError


def test_a_process_within_its_limits_is_left_alone(tmp_path: Path) -> None:
    eyes = Watch(os.getpid(), tmp_path, Limits(memory_bytes=1 << 50))
    eyes.check()

    assert eyes.peak > 1_000_000


@pytest.mark.parametrize(
    ("limits", "told"), [(Limits(memory_bytes=1000), "memory"), (Limits(seconds=-1.0, memory_bytes=1 << 50), "longer")]
)
def test_a_limit_that_is_passed_is_named(tmp_path: Path, limits: Limits, told: str) -> None:
    with pytest.raises(ImporterError, match=told):
        Watch(os.getpid(), tmp_path, limits).check()


def test_what_is_written_counts_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(bytes(700))
    (tmp_path / "file").write_bytes(bytes(300))
    (tmp_path / "around").symlink_to(tmp_path)
    monkeypatch.setattr(watch, "_OUTPUT_PAUSE", -1.0)
    links = (tmp_path / "around").lstat().st_size

    assert written_bytes(tmp_path) == 1000 + links
    with pytest.raises(ImporterError, match="wrote more than"):
        Watch(os.getpid(), tmp_path, Limits(memory_bytes=1 << 50, output_bytes=999)).check()


def test_a_process_that_has_ended_uses_nothing(tmp_path: Path) -> None:
    eyes = Watch(2**22 + 1, tmp_path / "gone", Limits())
    eyes.check()

    assert eyes.peak == 0
    assert written_bytes(tmp_path / "gone") == 0


@pytest.mark.parametrize(("limit", "option"), [("memory", "--memory-limit"), ("time", "--time-limit")])
def test_the_hint_names_the_option(limit: str, option: str) -> None:
    assert option in limit_reached(limit, Limits()).hint


def test_a_disk_that_fills_up_ends_the_import_and_a_full_one_that_stays_so_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [100_000_000]
    monkeypatch.setattr(watch, "_free", lambda _folder: free[0])
    monkeypatch.setattr(watch, "_OUTPUT_PAUSE", -1.0)
    eyes = Watch(os.getpid(), tmp_path, Limits(memory_bytes=1 << 50))
    eyes.check()

    free[0] -= 2_000_000
    with pytest.raises(ImporterError, match="nearly full") as caught:
        eyes.check()
    assert str(tmp_path.parent) in caught.value.message
    assert "(98 MB are free)" in caught.value.message


def test_an_import_does_not_begin_on_a_disk_without_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = [500_000_000]
    monkeypatch.setattr(watch, "_free", lambda _folder: free[0])
    check_room(tmp_path)

    free[0] -= 1
    with pytest.raises(ImporterError, match="nearly full \\(499 MB are free\\)") as caught:
        check_room(tmp_path)
    assert str(tmp_path) in caught.value.message
