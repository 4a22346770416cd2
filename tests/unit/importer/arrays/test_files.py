"""A cell that names a file leads to a file in the folder, or nowhere."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from fedward_client.importer.arrays.files import contents, inside
from fedward_client.importer.quarantine import Reason, UnreadableError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of images, with something precious beside it."""
    (tmp_path / "precious").write_text("secret")
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "1.png").write_text("x")
    (tmp_path / "images" / "ecg.hea").write_text("x")
    (tmp_path / "images" / "imagesque").mkdir()
    return tmp_path / "images"


@pytest.mark.parametrize("name", ["a/1.png", "a\\1.png", " a/1.png ", "./a/1.png", "a//1.png", "a/./1.png"])
def test_a_file_within(folder: Path, name: str) -> None:
    assert inside(folder, name) == folder / "a" / "1.png"


def test_a_folder_within_and_a_record_without_its_ending(folder: Path) -> None:
    assert inside(folder, "a") == folder / "a"
    assert inside(folder, "ecg") == folder / "ecg.hea"


@pytest.mark.parametrize(
    "name",
    [
        "../precious",
        "a/../../precious",
        "a/../1.png",
        "..\\precious",
        "..",
        "/etc/passwd",
        "\\etc\\passwd",
        "C:\\Users\\x.png",
        "c:x.png",
        "\\\\server\\share\\x.png",
    ],
)
def test_names_that_lead_out(folder: Path, name: str) -> None:
    with pytest.raises(UnreadableError) as refusal:
        inside(folder, name)

    assert refusal.value.reason is Reason.OUTSIDE


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "nothing", "a/2.png", "a/1.png/x", "a\0b", "a/1.png\0", "a\nb", "x" * 300, "x" * 5000, "\x1b[2J"],
)
def test_names_of_nothing(folder: Path, name: str) -> None:
    with pytest.raises(UnreadableError) as refusal:
        inside(folder, name)

    assert refusal.value.reason is Reason.NO_FILE


def test_links_may_stay_within_and_not_lead_out(folder: Path) -> None:
    (folder / "within").symlink_to("a/1.png")
    (folder / "out").symlink_to("../precious")
    (folder / "far").symlink_to("/etc")
    (folder / "loop").symlink_to("loop")
    (folder / "broken").symlink_to("nowhere")

    assert inside(folder, "within") == folder / "a" / "1.png"
    reasons = {}
    for name in ("out", "far/passwd", "far", "loop", "broken"):
        with pytest.raises(UnreadableError) as refusal:
            inside(folder, name)
        reasons[name] = refusal.value.reason
    assert reasons == {
        "out": Reason.OUTSIDE,
        "far/passwd": Reason.OUTSIDE,
        "far": Reason.OUTSIDE,
        "loop": Reason.NO_FILE,
        "broken": Reason.NO_FILE,
    }


def test_a_folder_whose_name_begins_the_same_is_outside(folder: Path) -> None:
    (folder.parent / "images2").mkdir()
    (folder.parent / "images2" / "x").write_text("x")
    (folder / "next").symlink_to("../images2/x")

    with pytest.raises(UnreadableError) as refusal:
        inside(folder, "next")

    assert refusal.value.reason is Reason.OUTSIDE


def test_the_folder_itself_may_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(folder)

    assert inside(tmp_path / "alias", "a/1.png") == folder / "a" / "1.png"


@pytest.mark.timeout(20)
def test_pipes_and_sockets_are_neither_named_nor_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name in ("pipe", "socket"):
            with pytest.raises(UnreadableError) as refusal:
                inside(folder, name)
            assert refusal.value.reason is Reason.NO_FILE
            with pytest.raises(UnreadableError):
                contents(folder / name, 100)


def test_devices_links_and_folders_are_not_read(folder: Path) -> None:
    (folder / "link").symlink_to("a/1.png")

    for path in (Path("/dev/zero"), folder / "link", folder, folder / "nothing"):
        with pytest.raises(UnreadableError) as refusal:
            contents(path, 100)
        assert refusal.value.reason is Reason.NO_FILE


def test_the_limit_is_of_the_whole_file(folder: Path) -> None:
    (folder / "ten").write_bytes(b"0123456789")

    assert contents(folder / "ten", 10) == b"0123456789"
    assert contents(folder / "ten", 10, start=3, most=2) == b"34"
    with pytest.raises(UnreadableError) as refusal:
        contents(folder / "ten", 9, most=2)
    assert refusal.value.reason is Reason.TOO_LARGE
