"""Publishing: whole or not at all, named after its files, and mended by importing again."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest

from fedward_client.imported import RECORD, file_digest, read_record, version_of
from fedward_client.importer import inbox as inbox_module
from fedward_client.importer.inbox import QUARANTINE, Staging
from fedward_shared.errors import UsageError
from fedward_shared.files import sync_folder
from fedward_shared.manifest.contract import contract_digest
from tests.support.cohorts import contract_of

CONTRACT = contract_of("logistic")
FILES = ("table-00000.parquet", "table-00001.parquet")


def publish(inbox: Path, *, at: float = 1.0, name: str = "heart", strays: bool = False, note: bytes = b"row\n") -> Path:
    with Staging(inbox, lambda: at) as staging:
        for number, file in enumerate(FILES):
            (staging.folder / file).write_bytes(bytes([number]) * 1000)
            (staging.folder / file).chmod(0o644)
        (staging.folder / QUARANTINE).write_bytes(note)
        if strays:
            (staging.folder / "scratch").mkdir()
            (staging.folder / "scratch" / "events").write_bytes(b"patient")
            (staging.folder / "core").write_bytes(b"patient")
            (staging.folder / "link").symlink_to(inbox.parent)
        _, folder = staging.publish(CONTRACT, data_set=name, files=FILES, rows=(20, 2), source_name="heart.csv")
    return folder


def test_an_import_is_named_after_its_files_in_their_order_and_its_contract(tmp_path: Path) -> None:
    folder = publish(tmp_path / "inbox")
    record = read_record(folder)
    digests = [file_digest(folder / file) for file in FILES]
    assert folder == tmp_path / "inbox" / "heart" / record.version
    assert record.files == tuple(zip(FILES, digests, strict=True))
    assert record.version == version_of(digests, contract_digest(CONTRACT).hex())
    assert record.version != version_of(digests[::-1], contract_digest(CONTRACT).hex())
    assert (record.rows_accepted, record.rows_rejected, record.imported_at) == (20, 2, 1.0)
    assert all(path.stat().st_mode & 0o077 == 0 for path in [folder, *folder.iterdir()])


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        with Staging(tmp_path / "inbox", lambda: 1.0) as staging:
            (staging.folder / FILES[0]).touch()
            os.truncate(staging.folder / FILES[0], 64 << 20)
            staging.publish(CONTRACT, data_set="heart", files=FILES[:1], rows=(1, 0), source_name="", extra=())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4e6


def test_only_what_is_listed_reaches_the_vault(tmp_path: Path) -> None:
    folder = publish(tmp_path / "inbox", strays=True)
    assert {path.name for path in folder.iterdir()} == {*FILES, QUARANTINE, RECORD}
    assert tmp_path.is_dir(), "a link is removed, not followed"


def test_importing_again_mends_a_damaged_file_and_is_the_latest(tmp_path: Path) -> None:
    folder = publish(tmp_path / "inbox")
    (folder / FILES[0]).write_bytes(b"damaged")
    again = publish(tmp_path / "inbox", at=2.0, note=b"row\n7\n")
    assert again == folder
    assert file_digest(folder / FILES[0]) == read_record(folder).files[0][1]
    assert read_record(folder).imported_at == 2.0
    assert (folder / QUARANTINE).read_bytes() == b"row\n7\n"
    assert list((tmp_path / "inbox" / ".importing").iterdir()) == [tmp_path / "inbox" / ".importing" / "lock"]


@pytest.mark.parametrize("bad", ["missing", "link", "pipe", "folder"])
def test_a_file_that_is_none_is_refused_and_nothing_is_left(tmp_path: Path, bad: str) -> None:
    inbox, file = tmp_path / "inbox", FILES[0]
    (tmp_path / "secret").write_bytes(b"elsewhere")
    with Staging(inbox, lambda: 1.0) as staging:
        match bad:
            case "link":
                (staging.folder / file).symlink_to(tmp_path / "secret")
            case "pipe":
                os.mkfifo(staging.folder / file)
            case "folder":
                (staging.folder / file).mkdir()
        with pytest.raises(UsageError):
            staging.publish(CONTRACT, data_set="heart", files=[file], rows=(1, 0), source_name="", extra=())
    assert [path.name for path in inbox.iterdir()] == [".importing"]
    assert [path.name for path in (inbox / ".importing").iterdir()] == ["lock"]


def test_every_file_and_folder_is_synced_before_the_import_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the order that a power cut asks for: files, their folder, and only then the rename and its folders."""
    steps: list[str] = []
    fsync, rename, sync = os.fsync, Path.rename, sync_folder

    def synced(handle: int) -> None:
        steps.append(Path(f"/proc/self/fd/{handle}").readlink().name)
        fsync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        return rename(path, target)

    def folder_synced(folder: Path) -> None:
        sync(folder)
        steps.append(f"synced {folder.name}")

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "rename", renamed)
    monkeypatch.setattr(inbox_module, "sync_folder", folder_synced)
    publish(tmp_path / "inbox")
    before, after = steps[: steps.index("rename")], steps[steps.index("rename") :]
    assert {*FILES, QUARANTINE} <= set(before)
    assert any(step.startswith(f".{RECORD}") for step in before)
    assert [step for step in after if step.startswith("synced")] == ["synced heart", "synced inbox"]


@pytest.mark.parametrize("step", ["record_of", "write_record", "sync_folder", "open_regular"])
def test_a_full_disk_leaves_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(inbox_module, step, full)
    with pytest.raises(OSError, match="No space"):
        publish(tmp_path / "inbox")
    assert [path.name for path in (tmp_path / "inbox" / ".importing").iterdir()] == ["lock"]
    assert not [path for path in (tmp_path / "inbox").glob("heart/*") if not (path / RECORD).exists()]


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = publish(tmp_path / "inbox")
    told = json.loads((folder / RECORD).read_text())
    assert told["files"] == [list(file) for file in read_record(folder).files]
    assert told["source_name"] == "heart.csv"
