"""A DICOM file as a weapon: lengths that lie, syntaxes that lie, bombs, recursion; and nothing of a patient is told."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_client.importer.sources.dicom_headers import DicomHeaders
from fedward_shared.contracts.arrays import Image, Volume
from fedward_shared.errors import SourceDataError
from tests.support.record_files import dicom, series
from tests.support.watched import memory_taken

FORM = Image("file", 1, 20, 30, centre=0.0, scale=1.0)
VOLUME = Volume("file", 4, 20, 30, spacing=(2, 1, 1), window=(0, 500))
LARGEST = 20_000_000
PIXELS = np.random.default_rng(6).integers(0, 256, (20, 30), np.uint8)
SYNTAXES = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    RLELossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)
SECRET = "Zebra"


def refused(content: bytes, folder: Path, form: Image | Volume = FORM) -> Reason:
    path = folder / "frame"
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as refusal:
        decode(path, form, largest=LARGEST)
    return refusal.value.reason


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_cut_short_anywhere(tmp_path: Path, syntax: str) -> None:
    content = dicom(PIXELS, syntax)
    lengths = [2**power for power in range(20) if 2**power < len(content)]

    for length in (0, *lengths, *range(120, len(content) - 20, 37)):
        assert refused(content[:length], tmp_path) is Reason.UNREADABLE, length


def outcome(path: Path) -> Reason | bytes:
    """What a decoder makes of a file: numbers, or why not."""
    try:
        return decode(path, FORM, largest=LARGEST).tobytes()
    except UnreadableError as refusal:
        return refusal.reason


def claiming(content: bytes, syntax: str, other: str) -> bytes:
    """The same file, saying another transfer syntax; the length of the meta information is left as it was."""
    element = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax) + len(syntax) % 2) + syntax.encode()
    assert element in content
    said = other.encode() + b"\0" * (len(other) % 2)
    start, end = content.split(element, 1)
    return start + struct.pack("<HH2sH", 2, 0x10, b"UI", len(said)) + said + end[len(syntax) % 2 :]


@pytest.mark.parametrize(("syntax", "other"), [*permutations((*SYNTAXES, ExplicitVRBigEndian), 2)])
def test_another_syntax_than_the_file_has(tmp_path: Path, syntax: str, other: str) -> None:
    """It is refused, or (where a file shows by itself what it is) read rightly; never misread."""
    honest = dicom(PIXELS, syntax)
    (tmp_path / "honest").write_bytes(honest)
    (tmp_path / "lying").write_bytes(claiming(honest, syntax, other))

    found = outcome(tmp_path / "lying")

    assert found in (Reason.UNREADABLE, Reason.TOO_LARGE, outcome(tmp_path / "honest"))


def deflated(body: bytes) -> bytes:
    """A deflated file of these elements."""
    honest = dicom(PIXELS, DeflatedExplicitVRLittleEndian)
    (length,) = struct.unpack_from("<I", honest, 140)
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return honest[: 144 + length] + packer.compress(body) + packer.flush()


def with_length(keyword: tuple[int, int], vr: bytes, length: int) -> bytes:
    """An honest file with one more element at its start, whose length lies."""
    honest = dicom(PIXELS)
    (meta,) = struct.unpack_from("<I", honest, 140)
    element = struct.pack("<HH2sHI", *keyword, vr, 0, length)
    return honest[: 144 + meta] + element + honest[144 + meta :]


def nested(depth: int, *, ended: bool) -> bytes:
    """Sequences in sequences, of undefined length."""
    opening = struct.pack("<HH2sHI", 0x28, 0x3000, b"SQ", 0, 0xFFFFFFFF) + struct.pack(
        "<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF
    )
    closing = struct.pack("<HHI", 0xFFFE, 0xE00D, 0) + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    return opening * depth + closing * depth * ended


BOMBS: dict[str, Callable[[], bytes]] = {
    "deflated": lambda: deflated(bytes(100_000_000)),
    "a long value": lambda: with_length((0x8, 0x5), b"UT", 0xFFFFFFF0),
    "a long private value": lambda: with_length((0x9, 0x10), b"OB", 0x7FFFFFFF),
    "a long sequence": lambda: with_length((0x28, 0x3000), b"SQ", 0x7FFFFFFF),
    "an endless sequence": lambda: with_length((0x28, 0x3000), b"SQ", 0xFFFFFFFF),
    "sequences in sequences": lambda: dicom(PIXELS)[:-1000] + nested(50_000, ended=False),
    "deflated sequences in sequences": lambda: deflated(nested(100_000, ended=True)),
    "a billion pixels": lambda: dicom(PIXELS, Rows=40_000, Columns=40_000),
    "a billion frames": lambda: dicom(PIXELS, NumberOfFrames="1000000000"),
    "a billion pixels in RLE": lambda: claiming(dicom(PIXELS, Rows=40_000, Columns=40_000), SYNTAXES[0], RLELossless),
    "wide samples": lambda: dicom(PIXELS, SamplesPerPixel=65_535),
    "wide bits": lambda: dicom(PIXELS, BitsAllocated=65_528),
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path, name: str) -> None:
    content = BOMBS[name]()

    taken = memory_taken(lambda: refused(content, tmp_path))

    assert taken < 100_000_000


@pytest.mark.parametrize("name", ["deflated", "a billion pixels", "a billion frames"])
def test_what_is_too_large_says_so(tmp_path: Path, name: str) -> None:
    assert refused(BOMBS[name](), tmp_path) is Reason.TOO_LARGE


LIES: dict[str, dict[str, Any]] = {
    "slope": {"RescaleSlope": "1e999", "RescaleIntercept": "0"},
    "slope is a word": {"RescaleSlope": "nan", "RescaleIntercept": "0"},
    "empty rows": {"Rows": None},
    "no interpretation": {"PhotometricInterpretation": ""},
    "no frames": {"NumberOfFrames": "0"},
    "no pixels": {"PixelData": b""},
    "colours without planes": {"PhotometricInterpretation": "RGB", "SamplesPerPixel": 3, "PixelData": bytes(1800)},
    "a palette that is not there": {"PhotometricInterpretation": "PALETTE COLOR"},
    "a palette that is cut short": {
        "PhotometricInterpretation": "PALETTE COLOR",
        **{f"{colour}PaletteColorLookupTableDescriptor": [0, 0, 16] for colour in ("Red", "Green", "Blue")},
        **{f"{colour}PaletteColorLookupTableData": b"\1\2" for colour in ("Red", "Green", "Blue")},
    },
    "a segmented palette": {
        "PhotometricInterpretation": "PALETTE COLOR",
        **{f"{colour}PaletteColorLookupTableDescriptor": [0, 0, 16] for colour in ("Red", "Green", "Blue")},
        **{
            f"Segmented{colour}PaletteColorLookupTableData": b"\2\0\1\0\0\0\0\0" * 9
            for colour in ("Red", "Green", "Blue")
        },
    },
}


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies(tmp_path: Path, name: str) -> None:
    assert refused(dicom(PIXELS, **LIES[name]), tmp_path) is Reason.UNREADABLE


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGBaseline8Bit])
@pytest.mark.parametrize(
    "pixels", [b"", b"\xfe\xff\x00\xe0\0\0\0\0", b"\xfe\xff\x00\xe0\xff\xff\xff\xff" * 4, b"\xff" * 64]
)
def test_fragments_that_are_none(tmp_path: Path, syntax: str, pixels: bytes) -> None:
    content = dicom(PIXELS, syntax)
    start = content.index(b"\xe0\x7f\x10\0")

    assert refused(content[: start + 12] + pixels, tmp_path) is Reason.UNREADABLE


def test_what_is_no_dicom_file(tmp_path: Path) -> None:
    for content in (b"", bytes(132), b"x" * 128 + b"DICM", b"DICM" * 100, bytes(128) + b"DICM" + b"\2\0" * 5000):
        assert refused(content, tmp_path) is Reason.UNREADABLE
        assert refused(content, tmp_path, VOLUME) is Reason.UNREADABLE


@pytest.mark.parametrize("cut", [None, 300, 700, 1000])
def test_nothing_of_the_patient_is_told(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, cut: int | None
) -> None:
    caplog.set_level(logging.DEBUG)
    marked = dicom(PIXELS, RescaleSlope=987654321).replace(b"987654321", SECRET.encode().ljust(9))
    assert marked.count(SECRET.encode()) == 3
    (tmp_path / "1.dcm").write_bytes(marked[:cut])

    with pytest.raises(UnreadableError) as refusal:
        decode(tmp_path / "1.dcm", FORM, largest=LARGEST)

    assert SECRET not in repr(refusal.value)
    assert refusal.value.__suppress_context__ or refusal.value.__context__ is None
    written = capfd.readouterr()
    assert SECRET not in written.out + written.err + caplog.text


@pytest.mark.timeout(60)
def test_headers_of_hostile_files_are_rejected_rows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    for place, make in enumerate(BOMBS.values()):
        (tmp_path / f"{place:02}").write_bytes(make())
    (tmp_path / "zz").write_bytes(dicom(PIXELS))

    def read() -> list[str]:
        return [file for batch in DicomHeaders(tmp_path).batches(("file", "PatientID")) for file in batch.table["file"]]

    assert "zz" in read()
    assert memory_taken(read) < 100_000_000
    assert SECRET not in caplog.text


def test_a_folder_that_is_no_series(tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    series(folder, np.zeros((4, 20, 30), np.int16))
    os.mkfifo(folder / "pipe")
    (folder / "device").symlink_to("/dev/zero")
    (folder / "loop").symlink_to(".")
    assert decode(folder, VOLUME, largest=LARGEST).shape == VOLUME.shape

    (folder / "bad").write_bytes(dicom(PIXELS)[:600])
    with pytest.raises(UnreadableError) as refusal:
        decode(folder, VOLUME, largest=LARGEST)
    assert refusal.value.reason is Reason.UNREADABLE


def test_a_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError) as refusal:
        decode(tmp_path, FORM, largest=LARGEST)

    assert refusal.value.reason is Reason.NO_FILE


def test_a_folder_of_very_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fedward_client.importer.arrays.dicom_volumes._MOST_FILES", 50)
    monkeypatch.setattr("fedward_client.importer.sources.dicom_headers._MOST_FILES", 50)
    for name in range(60):
        (tmp_path / str(name)).write_bytes(b"")

    with pytest.raises(UnreadableError) as refusal:
        decode(tmp_path, VOLUME, largest=LARGEST)
    with pytest.raises(SourceDataError, match="more than 50 files"):
        list(DicomHeaders(tmp_path).batches(("file",)))

    assert refusal.value.reason is Reason.TOO_LARGE


def test_the_honest_one_is_taken(tmp_path: Path) -> None:
    (tmp_path / "frame").write_bytes(dicom(PIXELS))

    found = decode(tmp_path / "frame", replace(FORM), largest=LARGEST)

    assert np.allclose(found[0], PIXELS / 255, atol=1e-6)
