"""Whatever a worker leaves can be removed, and nothing else is."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from fedward_client.importer.program import watch
from fedward_client.importer.program.watch import written_bytes
from fedward_client.importer.removal import remove_tree


def _dig(folder: Path, depth: int) -> None:
    """Folders within folders, deeper than any path is long."""
    folder.mkdir()
    handle = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=handle)
        inner = os.open("d", os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = inner
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=handle))
    os.close(handle)


def test_folders_deeper_than_any_stack_are_removed(tmp_path: Path) -> None:
    try:
        _dig(tmp_path / "deep", 3000)
        assert written_bytes(tmp_path) > 1 << 60

        remove_tree(tmp_path / "deep")

        assert list(tmp_path.iterdir()) == []
    finally:  # pytest itself could not remove it
        subprocess.run(["rm", "-rf", str(tmp_path / "deep")], check=True)


def test_wide_closed_and_linked_folders_are_removed_and_what_they_lead_to_is_not(tmp_path: Path) -> None:
    precious, left = tmp_path / "precious", tmp_path / "left"
    precious.mkdir()
    (precious / "file").write_text("data")
    for name in ("a/b", "a/c/d", "e"):
        (left / name).mkdir(parents=True)
        (left / name / "file").write_text("x")
        (left / name / "link").symlink_to(precious)
        (left / name / "broken").symlink_to("nowhere")
    os.mkfifo(left / "pipe")
    for name in ("a/c", "a"):
        (left / name).chmod(0)

    remove_tree(left)

    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert (precious / "file").read_text() == "data"


def test_a_link_is_removed_as_a_link_and_a_file_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    (tmp_path / "file").write_text("x")

    for name in ("link", "file", "absent"):
        remove_tree(tmp_path / name)

    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_more_files_than_an_import_has_are_more_than_any_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        (tmp_path / f"{number}").touch()

    monkeypatch.setattr(watch, "_MOST_ENTRIES", 12)
    assert written_bytes(tmp_path) == 0
    monkeypatch.setattr(watch, "_MOST_ENTRIES", 11)
    assert written_bytes(tmp_path) > 1 << 60
