"""Pictures: every kind of pixel becomes 0 to 1 as declared, turned upright, fitted without aliasing."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import TiffImagePlugin

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Fit, Image
from tests.support.record_files import picture

GREY = Image("file", 1, 6, 8, centre=0.0, scale=1.0)
RGB = replace(GREY, channels=3)
LARGEST = 1_000_000
EIGHT = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
SIXTEEN = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300
COLOURS = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)


def decoded(content: bytes, form: Image, folder: Path, name: str = "picture") -> NDArray[np.float32]:
    path = folder / name
    path.write_bytes(content)
    return decode(path, form, largest=LARGEST)


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize(("pixels", "top"), [(EIGHT, 255), (SIXTEEN, 65535), (EIGHT > 100, 1)], ids=["8", "16", "1"])
def test_grey_is_a_share_of_what_its_type_can_hold(tmp_path: Path, form: str, pixels: NDArray[Any], top: int) -> None:
    found = decoded(picture(pixels, form), GREY, tmp_path)

    assert np.allclose(found[0], pixels / top, atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_adobe_deflate"}])
def test_compressed_tiff(tmp_path: Path, options: dict[str, str]) -> None:
    assert np.allclose(decoded(picture(SIXTEEN, "TIFF", **options), GREY, tmp_path)[0], SIXTEEN / 65535, atol=1e-6)


@pytest.mark.parametrize("pixels", [EIGHT, SIXTEEN], ids=["8", "16"])
def test_white_is_zero(tmp_path: Path, pixels: NDArray[Any]) -> None:
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[262] = 0
    honest, top = picture(pixels, "TIFF"), np.iinfo(pixels.dtype).max

    inverted = honest.replace(b"\x06\x01\x03\0\1\0\0\0\1\0", b"\x06\x01\x03\0\1\0\0\0\0\0")

    assert inverted != honest
    assert np.allclose(decoded(inverted, GREY, tmp_path)[0], 1 - pixels / top, atol=1e-6)


def test_sixteen_bits_in_either_byte_order(tmp_path: Path) -> None:
    written = BytesIO()
    PillowImage.frombytes("I;16B", (8, 6), SIXTEEN.astype(">u2").tobytes()).save(written, "TIFF")

    assert written.getvalue().startswith(b"MM")
    assert np.allclose(decoded(written.getvalue(), GREY, tmp_path)[0], SIXTEEN / 65535, atol=1e-6)


def test_colours_keep_their_order_and_grey_is_their_luminance(tmp_path: Path) -> None:
    content = picture(COLOURS, "PNG")

    assert np.allclose(decoded(content, RGB, tmp_path), COLOURS.transpose(2, 0, 1) / 255, atol=1e-6)
    grey = COLOURS @ np.array([0.299, 0.587, 0.114]) / 255
    assert np.allclose(decoded(content, GREY, tmp_path)[0], grey, atol=1e-6)


def test_grey_as_rgb_is_grey_thrice(tmp_path: Path) -> None:
    found = decoded(picture(EIGHT, "PNG"), RGB, tmp_path)

    assert all(np.allclose(channel, EIGHT / 255, atol=1e-6) for channel in found)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    written = BytesIO()
    indexed = PillowImage.fromarray(EIGHT).convert("P")
    indexed.putpalette([255 - value for value in range(256) for _ in range(3)])
    indexed.save(written, "PNG")

    assert np.allclose(decoded(written.getvalue(), GREY, tmp_path)[0], 1 - EIGHT / 255, atol=1e-6)


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    clear = np.concatenate([COLOURS, np.full((6, 8, 1), 255, np.uint8)], axis=2)
    clear[:3, :, 3] = 0

    found = decoded(picture(clear, "PNG"), RGB, tmp_path)

    assert not found[:, :3].any()
    assert np.allclose(found[:, 3:], COLOURS[3:].transpose(2, 0, 1) / 255, atol=1e-6)


UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    1: lambda seen: seen,
    2: np.fliplr,
    3: lambda seen: np.rot90(seen, 2),
    4: np.flipud,
    5: lambda seen: seen.T,
    6: lambda seen: np.rot90(seen, -1),
    7: lambda seen: np.rot90(seen, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("form", ["PNG", "TIFF"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_orientation_that_a_camera_noted_is_applied(tmp_path: Path, form: str, orientation: int) -> None:
    exif = PillowImage.Exif()
    exif[0x0112] = orientation
    upright = UPRIGHT[orientation](EIGHT)

    found = decoded(
        picture(EIGHT, form, exif=exif), replace(GREY, height=upright.shape[0], width=upright.shape[1]), tmp_path
    )

    assert np.allclose(found[0], upright / 255, atol=1e-6)


def test_a_window_is_in_the_units_of_the_file(tmp_path: Path) -> None:
    found = decoded(picture(SIXTEEN, "PNG"), replace(GREY, window=(20_000, 10_000)), tmp_path)

    assert np.allclose(found[0], np.clip((SIXTEEN - 15_000.0) / 10_000, 0, 1), atol=1e-6)


def test_centre_and_scale(tmp_path: Path) -> None:
    found = decoded(picture(EIGHT, "PNG"), replace(GREY, centre=0.5, scale=0.25), tmp_path)

    assert np.allclose(found[0], (EIGHT / 255 - 0.5) / 0.25, atol=1e-5)


def test_jpeg(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)

    found = decoded(picture(smooth, "JPEG", quality=95), replace(GREY, height=48, width=64), tmp_path)

    assert np.abs(found[0] - smooth / 255).max() < 0.02


@pytest.mark.parametrize("name", ["picture.dcm", "picture.jpg", "picture", "picture.nii.gz"])
def test_the_name_says_nothing(tmp_path: Path, name: str) -> None:
    assert np.allclose(decoded(picture(EIGHT, "PNG"), GREY, tmp_path, name)[0], EIGHT / 255, atol=1e-6)


def halves(height: int, width: int) -> bytes:
    """White, its outer quarters (left and right) half grey."""
    pixels = np.full((height, width), 255, np.uint8)
    pixels[:, : width // 4] = pixels[:, -(width // 4) :] = 128
    return picture(pixels, "PNG")


def test_padding_keeps_all_of_it_and_its_sides(tmp_path: Path) -> None:
    found = decoded(halves(20, 40), replace(GREY, height=40, width=40), tmp_path)[0]

    assert not found[:10].any()
    assert not found[30:].any()
    assert np.allclose(found[12:28, 12:28], 1)
    assert np.allclose(found[12:28, :8], 128 / 255, atol=1e-6)


def test_cropping_keeps_the_middle(tmp_path: Path) -> None:
    found = decoded(halves(20, 40), replace(GREY, height=40, width=40, fit=Fit.CROP), tmp_path)[0]

    assert np.allclose(found[:, 2:-2], 1)


def test_stretching_scales_both_sides(tmp_path: Path) -> None:
    found = decoded(halves(20, 40), replace(GREY, height=40, width=40, fit=Fit.STRETCH), tmp_path)[0]

    assert np.allclose(found[:, :8], 128 / 255, atol=1e-6)
    assert np.allclose(found[:, 12:28], 1)


@pytest.mark.parametrize("fit", Fit)
def test_fine_detail_does_not_alias(tmp_path: Path, fit: Fit) -> None:
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)

    found = decoded(picture(checks, "PNG"), replace(GREY, height=16, width=16, fit=fit), tmp_path)

    assert np.abs(found[0, 1:-1, 1:-1] - 0.5).max() < 0.02


@pytest.mark.parametrize("shape", [(1, 500), (500, 1), (1, 1)])
@pytest.mark.parametrize("fit", Fit)
def test_thin_pictures_have_a_size_too(tmp_path: Path, fit: Fit, shape: tuple[int, int]) -> None:
    found = decoded(picture(np.full(shape, 255, np.uint8), "PNG"), replace(GREY, fit=fit), tmp_path)

    assert found.max() == 1


def pages(form: str) -> bytes:
    written = BytesIO()
    first, second = PillowImage.fromarray(EIGHT), PillowImage.fromarray(255 - EIGHT)
    first.save(written, form, save_all=True, append_images=[second])
    return written.getvalue()


def mode(name: str, form: str) -> bytes:
    written = BytesIO()
    PillowImage.new(name, (8, 6)).save(written, form)
    return written.getvalue()


REFUSED = {
    "animated PNG": (pages("PNG"), Reason.WRONG_SHAPE),
    "TIFF of two pages": (pages("TIFF"), Reason.WRONG_SHAPE),
    "CMYK JPEG": (mode("CMYK", "JPEG"), Reason.UNREADABLE),
    "CMYK TIFF": (mode("CMYK", "TIFF"), Reason.UNREADABLE),
    "LAB TIFF": (mode("LAB", "TIFF"), Reason.UNREADABLE),
    "floating point without a window": (mode("F", "TIFF"), Reason.UNIT_UNKNOWN),
    "32 bits without a window": (mode("I", "TIFF"), Reason.UNIT_UNKNOWN),
    "GIF": (mode("P", "GIF"), Reason.UNREADABLE),
    "BMP": (mode("L", "BMP"), Reason.UNREADABLE),
    "WebP": (mode("RGB", "WEBP"), Reason.UNREADABLE),
}


@pytest.mark.parametrize(("content", "reason"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_taken_says_why(tmp_path: Path, content: bytes, reason: Reason) -> None:
    with pytest.raises(UnreadableError) as refusal:
        decoded(content, GREY, tmp_path)

    assert refusal.value.reason is reason


def test_floating_point_with_a_window(tmp_path: Path) -> None:
    values = np.linspace(-50, 250, 48, dtype=np.float32).reshape(6, 8)

    found = decoded(picture(values, "TIFF"), replace(GREY, window=(100, 200)), tmp_path)

    assert np.allclose(found[0], np.clip(values / 200, 0, 1), atol=1e-6)


def interlaced(pixels: NDArray[np.uint8], *, rows_missing: int = 0) -> bytes:
    """A grey PNG whose rows come in the seven passes of Adam7; the last rows of the last pass may be missing."""
    passes = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
    rows = b""
    for left, top, across, down in passes:
        part = pixels[top::down, left::across]
        kept = part[: len(part) - rows_missing] if (left, top) == (0, 1) else part
        rows += b"".join(b"\0" + row.tobytes() for row in kept if len(row))
    content = b"\x89PNG\r\n\x1a\n"
    header = struct.pack(">IIBBBBB", pixels.shape[1], pixels.shape[0], 8, 0, 0, 0, 1)
    for kind, body in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        content += struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    return content


@pytest.mark.parametrize("shape", [(6, 8), (1, 1), (9, 3), (5, 17)])
def test_interlaced(tmp_path: Path, shape: tuple[int, int]) -> None:
    shades = np.random.default_rng(1).integers(0, 256, shape, np.uint8)

    found = decoded(interlaced(shades), replace(GREY, height=shape[0], width=shape[1]), tmp_path)

    assert np.allclose(found[0], shades / 255, atol=1e-6)


def test_interlaced_without_its_last_row(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        decoded(interlaced(EIGHT, rows_missing=1), GREY, tmp_path)
