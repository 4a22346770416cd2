"""A WFDB record as a weapon: its header names files, sizes and units, and may lie about each."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Signal
from tests.support.record_files import record
from tests.support.watched import memory_taken

FORM = Signal("file", ("I", "II"), rate=100, seconds=10)
LARGEST = 20_000_000
WAVES = np.random.default_rng(8).normal(size=(1000, 2))
LINES = ("ecg 2 100 1000", "{file} 16 200(0)/mV 16 0 0 0 0 I", "{file} 16 200(0)/mV 16 0 0 0 0 II")


def header(folder: Path, *, file: str = "ecg.dat", first: str = LINES[0], lead: str = LINES[1]) -> Path:
    """An honest header but for what is replaced; its signal file lies beside it."""
    path = folder / "ecg.hea"
    if not (folder / "ecg.dat").exists():
        (folder / "ecg.dat").write_bytes(bytes(4000))
    path.write_text("\n".join((first, lead, LINES[2])).replace("{file}", file), encoding="utf-8")
    return path


def refused(path: Path) -> Reason:
    with pytest.raises(UnreadableError) as refusal:
        decode(path, FORM, largest=LARGEST)
    return refusal.value.reason


def test_the_honest_one_is_taken(tmp_path: Path) -> None:
    assert decode(header(tmp_path), FORM, largest=LARGEST).shape == FORM.shape


@pytest.mark.parametrize(
    "name",
    ["../ecg.dat", "..", "/etc/passwd", "a/../../x", "..\\ecg.dat", "sub/ecg.dat", "s3://bucket/x", "https://x.org/x"],
)
def test_signal_files_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "sub").mkdir()
    for place in ("ecg.dat", "in/sub/ecg.dat"):
        (tmp_path / place).write_bytes(bytes(4000))

    assert refused(header(tmp_path / "in", file=name)) is Reason.OUTSIDE


@pytest.mark.parametrize("name", ["~", "-", ".", "nothing.dat", "ecg\x07.dat", "ecg\0.dat", "CON:", "x" * 5000])
def test_signal_files_that_are_none(tmp_path: Path, name: str) -> None:
    assert refused(header(tmp_path, file=name)) in {Reason.NO_FILE, Reason.UNREADABLE}


@pytest.mark.timeout(20)
def test_links_pipes_folders_and_devices(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(bytes(4000))
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo(folder / "pipe.dat")
    (folder / "folder.dat").mkdir()
    (folder / "out.dat").symlink_to("../precious")
    (folder / "device.dat").symlink_to("/dev/zero")
    (folder / "loop.dat").symlink_to("loop.dat")

    found = {name: refused(header(folder, file=f"{name}.dat")) for name in ("pipe", "folder", "out", "device", "loop")}

    assert found == {
        "pipe": Reason.NO_FILE,
        "folder": Reason.NO_FILE,
        "out": Reason.OUTSIDE,
        "device": Reason.OUTSIDE,
        "loop": Reason.NO_FILE,
    }


FIRST_LINES = {
    "a thousand billion samples": "ecg 2 100 1000000000000",
    "a number of a thousand digits": "ecg 2 100 " + "9" * 1000,
    "one sample more than there is": "ecg 2 100 1001",
    "many leads": "ecg 999999 100 1000",
    "more leads than lines": "ecg 3 100 1000",
    "no leads": "ecg 0 100 1000",
    "no rate": "ecg 2 0 1000",
    "a negative rate": "ecg 2 -100 1000",
    "a huge rate": "ecg 2 1e300 1000",
    "a rate that is no number": "ecg 2 nan 1000",
    "nothing": "",
    "a word": "ecg",
    "foreign digits": "ecg \u0662 \u0661\u0660\u0660 1000",
    "a path": "../../ecg 2 100 1000",
    "long": "e" * 100_000 + " 2 100 1000",
    "many blanks": "ecg" + " " * 100_000 + "x",
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("first", FIRST_LINES.values(), ids=FIRST_LINES.keys())
def test_a_first_line_that_lies(tmp_path: Path, first: str) -> None:
    path = header(tmp_path, first=first)

    assert memory_taken(lambda: refused(path)) < 20_000_000
    assert refused(path) is Reason.UNREADABLE


LEAD_LINES = {
    "no gain": ("{file} 16 0(0)/mV 16 0 0 0 0 I", Reason.UNIT_UNKNOWN),
    "an endless gain": ("{file} 16 1e999(0)/mV 16 0 0 0 0 I", Reason.UNIT_UNKNOWN),
    "a gain of almost nothing": ("{file} 16 1e-300(0)/mV 16 0 0 0 0 I", None),
    "a gain that is a point": ("{file} 16 .(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "a gain that is no number": ("{file} 16 nan(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "a baseline of many digits": (f"{{file}} 16 200({'9' * 500})/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "many samples a frame": ("{file} 16x999999 200(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "no samples a frame": ("{file} 16x0 200(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "a skew beyond the end": ("{file} 16:999999999 200(0)/mV 16 0 0 0 0 I", Reason.MISSING),
    "an offset beyond the end": ("{file} 16+999999999999 200(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "another offset than its neighbour": ("{file} 16+2 200(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "another format than its neighbour": ("{file} 212 200(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "a format that is none": ("{file} 9999 200(0)/mV 16 0 0 0 0 I", Reason.UNREADABLE),
    "a unit that is none": ("{file} 16 200(0)/bananas 16 0 0 0 0 I", Reason.UNIT_UNKNOWN),
    "a unit that is a sum": ("{file} 16 200(0)/9**9**9**9 16 0 0 0 0 I", Reason.UNIT_UNKNOWN),
    "a unit that is a call": ("{file} 16 200(0)/__import__('os') 16 0 0 0 0 I", Reason.UNIT_UNKNOWN),
    "many digits": ("{file} 16 " + "1 " * 50_000, Reason.WRONG_SHAPE),
    "only a name": ("{file}", Reason.UNREADABLE),
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize(("lead", "reason"), LEAD_LINES.values(), ids=LEAD_LINES.keys())
def test_a_lead_that_lies(tmp_path: Path, lead: str, reason: Reason | None) -> None:
    path = header(tmp_path, lead=lead)

    if reason is None:
        assert np.isfinite(decode(path, FORM, largest=LARGEST)).all()
    else:
        assert refused(path) is reason


def test_cut_short_anywhere(tmp_path: Path) -> None:
    path = record(tmp_path, "ecg", WAVES)
    whole, samples = path.read_bytes(), (tmp_path / "ecg.dat").read_bytes()

    for length in [0, *(2**power for power in range(12))]:
        (tmp_path / "ecg.dat").write_bytes(samples[:length])
        assert refused(path) is Reason.UNREADABLE, length
    (tmp_path / "ecg.dat").write_bytes(samples)
    for length in [0, *(2**power for power in range(7) if 2**power < len(whole) - 20)]:
        path.write_bytes(whole[:length])
        assert refused(path) in {Reason.UNREADABLE, Reason.WRONG_SHAPE, Reason.NO_FILE, Reason.OUTSIDE}, length


def test_the_files_together_count(tmp_path: Path) -> None:
    path = header(tmp_path)
    with (tmp_path / "ecg.dat").open("wb") as file:
        file.truncate(LARGEST + 1)

    assert memory_taken(lambda: refused(path)) < 5_000_000
    assert refused(path) is Reason.TOO_LARGE


def test_a_long_recording_costs_what_is_kept(tmp_path: Path) -> None:
    """A day at 1 kHz (here mostly a hole in the file) is not read to its end."""
    path = header(tmp_path, first=f"ecg 2 1000 {86_400_000}")
    with (tmp_path / "ecg.dat").open("wb") as file:
        file.truncate(86_400_000 * 4)
    decode(path, FORM, largest=1 << 30)

    assert memory_taken(lambda: decode(path, FORM, largest=1 << 30)) < 2_000_000


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 5000,
        b"#\n" * 9999,
        bytes(range(256)) * 20,
        b"\xff\xfe" + b"e\0c\0g\0",
        b"ecg 2 100\n" * 5000,
        b"x" * 300_000,
    ],
)
def test_what_is_no_header(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ecg.hea").write_bytes(content)

    assert refused(tmp_path / "ecg.hea") in {Reason.UNREADABLE, Reason.TOO_LARGE}


def test_other_files_are_no_header(tmp_path: Path) -> None:
    record(tmp_path, "ecg", WAVES)

    assert refused(tmp_path / "ecg.dat") is Reason.UNREADABLE
    assert refused(tmp_path) is Reason.NO_FILE
