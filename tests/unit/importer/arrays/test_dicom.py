"""DICOM frames: stored numbers become units, units become 0 to 1; only pixels leave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Image
from tests.support.record_files import dicom

GREY = Image("file", 1, 6, 8, centre=0.0, scale=1.0)
RGB = replace(GREY, channels=3)
HOUNSFIELD = (np.arange(48, dtype=np.int16).reshape(6, 8) - 24) * 40
UNSIGNED = np.arange(48, dtype=np.uint16).reshape(6, 8) * 1300
COLOURS = np.random.default_rng(1).integers(0, 256, (6, 8, 3), np.uint8)


def decoded(content: bytes, form: Image, folder: Path, largest: int = 1_000_000) -> NDArray[np.float32]:
    path = folder / "frame"
    path.write_bytes(content)
    return decode(path, form, largest=largest)


def refused(content: bytes, form: Image, folder: Path, largest: int = 1_000_000) -> Reason:
    with pytest.raises(UnreadableError) as refusal:
        decoded(content, form, folder, largest)
    return refusal.value.reason


@pytest.mark.parametrize(
    "syntax",
    [
        ExplicitVRLittleEndian,
        ImplicitVRLittleEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEG2000Lossless,
        JPEG2000,
    ],
)
def test_every_lossless_syntax_gives_the_same(tmp_path: Path, syntax: str) -> None:
    assert np.allclose(decoded(dicom(UNSIGNED, syntax), GREY, tmp_path)[0], UNSIGNED / 65535, atol=1e-6)


def test_big_endian(tmp_path: Path) -> None:
    content = dicom(UNSIGNED, ExplicitVRBigEndian, PixelData=UNSIGNED.astype(">u2").tobytes())

    assert np.allclose(decoded(content, GREY, tmp_path)[0], UNSIGNED / 65535, atol=1e-6)


def test_jpeg_baseline(tmp_path: Path) -> None:
    smooth = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)

    found = decoded(dicom(smooth, JPEGBaseline8Bit), replace(GREY, height=48, width=64), tmp_path)

    assert np.abs(found[0] - smooth / 255).max() < 0.02


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, "1.2.3.4.5", "\xff"])
def test_other_syntaxes_are_refused(tmp_path: Path, syntax: str) -> None:
    honest = dicom(UNSIGNED, JPEG2000Lossless)
    content = honest.replace(JPEG2000Lossless.encode(), syntax.encode("latin1").ljust(len(JPEG2000Lossless), b"\0"))

    assert content != honest
    assert refused(content, GREY, tmp_path) is Reason.UNREADABLE


def test_rescaled_and_windowed(tmp_path: Path) -> None:
    content = dicom(HOUNSFIELD // 2 + 512, RescaleSlope="2", RescaleIntercept="-1024")

    found = decoded(content, replace(GREY, window=(40, 400)), tmp_path)

    assert np.allclose(found[0], np.clip((HOUNSFIELD + 160.0) / 400, 0, 1), atol=1e-6)


def test_without_a_window_the_ends_are_those_of_the_stored_bits(tmp_path: Path) -> None:
    content = dicom(HOUNSFIELD, BitsStored=12, HighBit=11, RescaleSlope="2", RescaleIntercept="10")

    assert np.allclose(decoded(content, GREY, tmp_path)[0], (HOUNSFIELD + 2048) / 4095, atol=1e-6)


def test_bits_above_the_stored_are_no_pixels(tmp_path: Path) -> None:
    twelve = UNSIGNED >> 4
    content = dicom(twelve | 0xA000, BitsStored=12, HighBit=11)

    assert np.allclose(decoded(content, GREY, tmp_path)[0], twelve / 4095, atol=1e-6)


def test_the_window_of_the_file_is_left_alone(tmp_path: Path) -> None:
    content = dicom(UNSIGNED, WindowCenter="10", WindowWidth="5")

    assert np.allclose(decoded(content, GREY, tmp_path)[0], UNSIGNED / 65535, atol=1e-6)


@pytest.mark.parametrize("window", [None, (20_000.0, 10_000.0)])
def test_monochrome1_is_inverted(tmp_path: Path, window: tuple[float, float] | None) -> None:
    form = replace(GREY, window=window)

    plain = decoded(dicom(UNSIGNED), form, tmp_path)
    found = decoded(dicom(UNSIGNED, PhotometricInterpretation="MONOCHROME1"), form, tmp_path)

    assert np.allclose(found, 1 - plain, atol=1e-6)


def test_a_modality_table_is_looked_up(tmp_path: Path) -> None:
    table = Dataset()
    table.LUTDescriptor, table.ModalityLUTType = [48, 0, 16], "HU"
    table.LUTData = (np.arange(48, dtype=np.uint16)[::-1] * 100).tobytes()
    table["LUTData"].VR = "OW"
    table["LUTDescriptor"].VR = "US"
    stored = np.arange(48, dtype=np.uint16).reshape(6, 8)

    found = decoded(dicom(stored, ModalityLUTSequence=[table]), replace(GREY, window=(2400, 4800)), tmp_path)

    assert np.allclose(found[0], (47.0 - stored) * 100 / 4800, atol=1e-6)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours(tmp_path: Path, planar: int) -> None:
    pixels = COLOURS.transpose(2, 0, 1) if planar else COLOURS
    content = dicom(COLOURS, PlanarConfiguration=planar, PixelData=np.ascontiguousarray(pixels).tobytes())

    assert np.allclose(decoded(content, RGB, tmp_path), COLOURS.transpose(2, 0, 1) / 255, atol=1e-6)


def test_ybr_becomes_rgb(tmp_path: Path) -> None:
    from pydicom.pixels.processing import convert_color_space

    packed = convert_color_space(COLOURS, "RGB", "YBR_FULL")

    found = decoded(dicom(packed, PhotometricInterpretation="YBR_FULL"), RGB, tmp_path)

    assert np.abs(found - COLOURS.transpose(2, 0, 1) / 255).max() < 0.01


def test_halved_colours_are_shared_by_two_pixels(tmp_path: Path) -> None:
    """YBR_FULL_422 stores Y Y Cb Cr for two neighbours; without colour these are grey."""
    grey = COLOURS[..., 0]
    neutral = np.full((6, 4, 2), 128, np.uint8)
    packed = np.concatenate([grey.reshape(6, 4, 2), neutral], axis=2)

    found = decoded(dicom(COLOURS, PhotometricInterpretation="YBR_FULL_422", PixelData=packed.tobytes()), RGB, tmp_path)

    assert np.abs(found - grey / 255).max() < 0.01


def test_one_bit(tmp_path: Path) -> None:
    mask = UNSIGNED > 20_000
    bits = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}
    content = dicom(UNSIGNED, **bits, PixelData=np.packbits(mask, bitorder="little").tobytes())

    assert np.array_equal(decoded(content, GREY, tmp_path)[0], mask)


def test_thirty_two_bits(tmp_path: Path) -> None:
    content = dicom(UNSIGNED.astype(np.uint32) * 60_000)

    assert np.allclose(decoded(content, GREY, tmp_path)[0], UNSIGNED * 60_000.0 / (2**32 - 1), atol=1e-6)


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    stored = np.arange(48, dtype=np.uint8).reshape(6, 8)
    elements: dict[str, Any] = {"PhotometricInterpretation": "PALETTE COLOR"}
    for place, colour in enumerate(("Red", "Green", "Blue")):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        table = np.arange(256, dtype=np.uint16) * (256 if place else 128)
        elements[f"{colour}PaletteColorLookupTableData"] = table.tobytes()

    found = decoded(dicom(stored, **elements), RGB, tmp_path)

    assert np.allclose(found[0], stored * 128.0 / 65535, atol=1e-6)
    assert np.allclose(found[1:], stored * 256.0 / 65535, atol=1e-6)


def test_burned_in_text_is_refused_and_silence_is_not(tmp_path: Path) -> None:
    assert refused(dicom(UNSIGNED, BurnedInAnnotation="YES"), GREY, tmp_path) is Reason.BURNED_IN
    assert decoded(dicom(UNSIGNED, BurnedInAnnotation="NO"), GREY, tmp_path).any()


def test_several_frames_are_no_image(tmp_path: Path) -> None:
    content = dicom(UNSIGNED, NumberOfFrames=2, PixelData=UNSIGNED.tobytes() * 2)

    assert refused(content, GREY, tmp_path) is Reason.WRONG_SHAPE


@pytest.mark.parametrize(
    "elements",
    [
        {"Rows": 7},
        {"Rows": 5},
        {"Rows": 0},
        {"SamplesPerPixel": 3},
        {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7},
        {"BitsAllocated": 12},
        {"BitsStored": 17, "HighBit": 16},
        {"HighBit": 3},
        {"PhotometricInterpretation": "CMYK"},
        {"RescaleSlope": "0"},
        {"NumberOfFrames": "-1"},
    ],
)
def test_a_header_that_contradicts_itself_or_the_pixels(tmp_path: Path, elements: dict[str, Any]) -> None:
    assert refused(dicom(UNSIGNED, **elements), GREY, tmp_path) is Reason.UNREADABLE


def test_a_codestream_of_another_size(tmp_path: Path) -> None:
    content = dicom(UNSIGNED, JPEG2000Lossless, Rows=8, Columns=6)

    assert refused(content, GREY, tmp_path) is Reason.UNREADABLE


def test_the_limit_counts_what_it_unfolds_into(tmp_path: Path) -> None:
    empty = dicom(np.zeros((512, 512), np.uint16), RLELossless)

    assert len(empty) < 20_000
    assert refused(empty, GREY, tmp_path, largest=500_000) is Reason.TOO_LARGE
    assert not decoded(empty, GREY, tmp_path, largest=550_000).any()
