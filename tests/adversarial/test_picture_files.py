"""A picture as a weapon: it is refused with a reason before it costs memory, and nothing of it is told."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Image
from tests.support.record_files import picture
from tests.support.watched import memory_taken

FORM = Image("file", 1, 16, 16)
LARGEST = 20_000_000
PIXELS = np.random.default_rng(5).integers(0, 256, (60, 80), np.uint8)
COLOURS = np.random.default_rng(5).integers(0, 256, (60, 80, 3), np.uint8)
HONEST = {
    "png": picture(PIXELS, "PNG"),
    "png 16": picture(PIXELS.astype(np.uint16) * 200, "PNG"),
    "jpeg": picture(COLOURS, "JPEG"),
    "progressive jpeg": picture(COLOURS, "JPEG", progressive=True),
    "tiff": picture(PIXELS, "TIFF"),
    "packed tiff": picture(PIXELS, "TIFF", compression="tiff_lzw"),
}


def refused(content: bytes, folder: Path, form: Image = FORM) -> Reason:
    path = folder / "picture"
    path.write_bytes(content)
    with pytest.raises(UnreadableError) as refusal:
        decode(path, form, largest=LARGEST)
    return refusal.value.reason


@pytest.mark.parametrize("name", HONEST)
def test_cut_short_anywhere(tmp_path: Path, name: str) -> None:
    content = HONEST[name]
    lengths = [2**power for power in range(20) if 2**power < len(content)]

    for length in (0, *lengths, len(content) // 2, len(content) - len(content) // 50):
        assert refused(content[:length], tmp_path) is Reason.UNREADABLE, length


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(*chunks: bytes, width: int = 80, height: int = 60) -> bytes:
    """A PNG of grey bytes with these chunks between header and end."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + chunk(b"IEND", b"")


def pixels(count: int) -> bytes:
    return chunk(b"IDAT", zlib.compress(bytes(count)))


ZEROS = zlib.compress(bytes(80_000_000), 9)
SOME = pixels(81 * 60)
BOMBS = {
    "text": png(chunk(b"zTXt", b"Comment\0\0" + ZEROS), SOME),
    "international text": png(chunk(b"iTXt", b"Comment\0\1\0\0\0" + ZEROS), SOME),
    "colour profile": png(chunk(b"iCCP", b"profile\0\0" + ZEROS), SOME),
    "many texts": png(*[chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1_000_000), 9))] * 200, SOME),
    "pixels": png(width=40_000, height=40_000),
    "more pixels": png(width=2**31 - 1, height=2**31 - 1),
    "pixels, with some": png(SOME, width=30_000, height=35_000),
    "jpeg": HONEST["jpeg"].replace(struct.pack(">HH", 60, 80), struct.pack(">HH", 65_000, 65_000)),
    "tiff": HONEST["tiff"].replace(struct.pack("<HHII", 256, 4, 1, 80), struct.pack("<HHII", 256, 4, 1, 2**24)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_before_it_unfolds(tmp_path: Path, name: str) -> None:
    taken = memory_taken(lambda: refused(BOMBS[name], tmp_path))

    assert taken < 40_000_000


@pytest.mark.parametrize("name", ["pixels", "more pixels", "pixels, with some", "jpeg"])
def test_a_billion_pixels_are_too_large(tmp_path: Path, name: str) -> None:
    assert refused(BOMBS[name], tmp_path) is Reason.TOO_LARGE


def test_pixels_that_go_on_after_the_last(tmp_path: Path) -> None:
    """More data than the header says is not read on."""
    path = tmp_path / "picture"
    path.write_bytes(png(chunk(b"IDAT", ZEROS)))

    assert memory_taken(lambda: decode(path, FORM, largest=LARGEST)) < 40_000_000


def tagged(*tags: tuple[int, int, int, int], data: bytes = b"", following: int = 0) -> bytes:
    """A little-endian TIFF: a directory of (tag, type, count, value), the place of the next one, then data."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", following) + data


def tiff(width: int, height: int, *more: tuple[int, int, int, int], following: int = 0) -> bytes:
    """Grey bytes, uncompressed unless `more` says otherwise, behind the directory."""
    said = {256: (256, 4, 1, width), 257: (257, 4, 1, height), 258: (258, 3, 1, 8), 259: (259, 3, 1, 1)}
    said |= {262: (262, 3, 1, 1), 273: (273, 4, 1, 134), 277: (277, 3, 1, 1), 278: (278, 4, 1, height)}
    said |= {279: (279, 4, 1, width * height)} | {tag[0]: tag for tag in more}
    return tagged(*(said[tag] for tag in sorted(said)), data=bytes(10_000), following=following)


TIFFS = {
    "huge": tiff(40_000, 40_000),
    "huge tiles": tiff(80, 60, (322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 134), (325, 4, 1, 9)),
    "packed huge tiles": tiff(
        80, 60, (259, 3, 1, 5), (322, 4, 1, 60_000), (323, 4, 1, 60_000), (324, 4, 1, 134), (325, 4, 1, 9)
    ),
    "nothing": tiff(0, 0),
    "thin": tiff(2**31, 1),
    "a tag of four billion values": tiff(80, 60, (273, 4, 2**32 - 1, 134)),
    "no bits": tiff(80, 60, (258, 3, 1, 0)),
    "many samples": tiff(80, 60, (277, 3, 1, 65_535)),
    "a place beyond the end": tiff(80, 60, (273, 4, 1, 2**31)),
    "another compression": tiff(80, 60, (259, 3, 1, 50_000)),
    "JPEG inside, of nothing": tiff(80, 60, (259, 3, 1, 7)),
}


@pytest.mark.parametrize("name", TIFFS)
def test_a_directory_that_lies(tmp_path: Path, name: str) -> None:
    assert memory_taken(lambda: refused(TIFFS[name], tmp_path)) < 40_000_000


@pytest.mark.timeout(30)
def test_a_directory_that_leads_to_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "picture"
    path.write_bytes(tiff(80, 60, following=8))

    assert decode(path, FORM, largest=LARGEST).shape == FORM.shape


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite(tmp_path: Path, wrong: float) -> None:
    values = np.ones((60, 80), np.float32)
    values[3, 4] = wrong

    assert refused(picture(values, "TIFF"), tmp_path, replace(FORM, window=(0, 2))) is Reason.NOT_FINITE


PASSED_OVER: dict[str, bytes] = {
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch /tmp/x) run\n",
    "SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "a zip": b"PK\3\4" + bytes(100),
    "zero bytes": bytes(10_000),
    "all bytes": bytes(range(256)) * 40,
    "only a signature": b"\x89PNG\r\n\x1a\n",
    "BigTIFF": b"II+\0\x08\0\0\0" + bytes(100),
}


@pytest.mark.parametrize("name", PASSED_OVER)
def test_what_is_no_picture(tmp_path: Path, name: str) -> None:
    assert refused(PASSED_OVER[name], tmp_path) is Reason.UNREADABLE


DISAGREEING: dict[str, bytes] = {
    "fewer rows than said": png(pixels(81 * 59)),
    "no rows": png(),
    "no sides": png(SOME, width=0, height=0),
    "a wrong checksum": HONEST["png"][:40] + b"\xff" + HONEST["png"][41:],
    "two headers": png(chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 6, 0, 0, 0)), SOME),
    "jpeg without tables": b"\xff\xd8\xff\xda" + bytes(100) + b"\xff\xd9",
}


@pytest.mark.parametrize("name", DISAGREEING)
def test_a_header_and_a_body_that_disagree(tmp_path: Path, name: str) -> None:
    assert refused(DISAGREEING[name], tmp_path) in {Reason.UNREADABLE, Reason.TOO_LARGE}


def test_nothing_of_it_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
    """Neither the refusal nor a library's warnings repeat what a file holds."""
    secret = "Zebra-4711"
    path = tmp_path / "picture"
    for content in HONEST.values():
        marked = content[: len(content) // 2] + secret.encode() * 20
        path.write_bytes(marked)
        with pytest.raises(UnreadableError) as refusal:
            decode(path, FORM, largest=LARGEST)
        assert secret not in repr(refusal.value)
        assert refusal.value.__cause__ is None
    written = capfd.readouterr()
    assert secret not in written.out + written.err + caplog.text


def checked(found: NDArray[np.float32]) -> bool:
    return found.shape == FORM.shape and bool(np.isfinite(found).all())


@pytest.mark.parametrize("name", HONEST)
def test_the_honest_ones_are_taken(tmp_path: Path, name: str) -> None:
    (tmp_path / "picture").write_bytes(HONEST[name])

    assert checked(decode(tmp_path / "picture", FORM, largest=LARGEST))
