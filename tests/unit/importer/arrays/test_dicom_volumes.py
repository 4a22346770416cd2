"""DICOM series and many frames: slices in their order, their axes turned to right, front and head."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Volume
from tests.support.record_files import AXIAL, dicom, series

VOXELS = np.random.default_rng(2).integers(-1000, 1000, (5, 6, 7)).astype(np.int16)
FORM = Volume("file", 5, 6, 7, spacing=(2, 1, 1), window=(0, 2000), centre=0.0, scale=1.0)
RAS = (VOXELS[:, ::-1, ::-1] + 1000) / 2000
"""DICOM's rows run to the back and its columns to the left."""
LARGEST = 1_000_000


def refused(path: Path, form: Volume = FORM, largest: int = LARGEST) -> Reason:
    with pytest.raises(UnreadableError) as refusal:
        decode(path, form, largest=largest)
    return refusal.value.reason


def test_a_series_is_put_in_order_by_position_not_by_name(tmp_path: Path) -> None:
    series(tmp_path / "ct", VOXELS)

    assert np.allclose(decode(tmp_path / "ct", FORM, largest=LARGEST)[0], RAS, atol=1e-6)


def test_a_series_from_the_head_down_is_the_same(tmp_path: Path) -> None:
    series(tmp_path / "ct", VOXELS[::-1], spacing=-2.0)

    assert np.allclose(decode(tmp_path / "ct", FORM, largest=LARGEST)[0], RAS, atol=1e-6)


def test_coronal_slices_are_turned(tmp_path: Path) -> None:
    folder = tmp_path / "mr"
    folder.mkdir()
    for place in range(5):
        placed = {"ImagePositionPatient": [0, place, 0], "ImageOrientationPatient": [1, 0, 0, 0, 0, -1]}
        (folder / f"{place}").write_bytes(dicom(VOXELS[place], PixelSpacing=[1, 1], **placed))

    found = decode(folder, replace(FORM, depth=6, height=5, spacing=(1, 1, 1)), largest=LARGEST)

    assert np.allclose(found[0], (VOXELS.transpose(1, 0, 2)[::-1, ::-1, ::-1] + 1000) / 2000, atol=1e-6)


def test_other_files_and_folders_are_passed_over(tmp_path: Path) -> None:
    series(tmp_path / "ct", VOXELS)
    (tmp_path / "ct" / "README").write_text("a note")
    (tmp_path / "ct" / "more").mkdir()
    (tmp_path / "ct" / "link").symlink_to("/etc/passwd")

    assert np.allclose(decode(tmp_path / "ct", FORM, largest=LARGEST)[0], RAS, atol=1e-6)


def change(folder: Path, **elements: Any) -> None:
    """Puts another slice where the third was."""
    third = {"ImagePositionPatient": [0, 0, 4], "ImageOrientationPatient": AXIAL, "PixelSpacing": [1, 1], **elements}
    pixels = elements.pop("pixels", VOXELS[2])
    third.pop("pixels", None)
    (folder / "14.dcm").write_bytes(dicom(pixels, **third))


@pytest.mark.parametrize(
    "elements",
    [
        {"ImagePositionPatient": [0, 0, 4.1]},
        {"ImagePositionPatient": [0, 0, 2]},
        {"ImagePositionPatient": [0.1, 0, 4]},
        {"ImageOrientationPatient": [0, 1, 0, 1, 0, 0]},
        {"PixelSpacing": [1, 1.1]},
        {"SeriesInstanceUID": "1.2.4"},
        {"pixels": VOXELS[2, :5]},
        {"NumberOfFrames": 2, "PixelData": VOXELS[:2].tobytes()},
        {"PhotometricInterpretation": "MONOCHROME1"},
    ],
)
def test_slices_that_do_not_make_a_volume(tmp_path: Path, elements: dict[str, Any]) -> None:
    series(tmp_path / "ct", VOXELS)
    change(tmp_path / "ct", **elements)

    assert refused(tmp_path / "ct") is Reason.WRONG_SHAPE


@pytest.mark.parametrize(
    "elements",
    [
        {"ImageOrientationPatient": [2, 0, 0, 0, 1, 0]},
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"ImageOrientationPatient": [1, 0, 0, 0.6, 0.8, 0]},
        {"PixelSpacing": [1, -1]},
        {"PixelSpacing": [0, 1]},
        {"PixelSpacing": None},
        {"ImageOrientationPatient": None},
    ],
)
def test_places_that_are_none(tmp_path: Path, elements: dict[str, Any]) -> None:
    series(tmp_path / "ct", VOXELS, **elements)

    assert refused(tmp_path / "ct") is Reason.WRONG_SHAPE


def test_a_missing_slice(tmp_path: Path) -> None:
    series(tmp_path / "ct", VOXELS)
    (tmp_path / "ct" / "14.dcm").unlink()

    assert refused(tmp_path / "ct") is Reason.WRONG_SHAPE


def test_a_tilted_gantry(tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    folder.mkdir()
    for place in range(5):
        tilted = {"ImagePositionPatient": [0, 0.3 * place, 2 * place], "ImageOrientationPatient": AXIAL}
        (folder / f"{place}").write_bytes(dicom(VOXELS[place], PixelSpacing=[1, 1], **tilted))

    assert refused(folder) is Reason.WRONG_SHAPE


def test_burned_in_text_on_one_slice(tmp_path: Path) -> None:
    series(tmp_path / "ct", VOXELS)
    change(tmp_path / "ct", BurnedInAnnotation="YES")

    assert refused(tmp_path / "ct") is Reason.BURNED_IN


def test_a_folder_without_slices(tmp_path: Path) -> None:
    assert refused(tmp_path) is Reason.NO_FILE


def test_the_limit_is_for_all_slices_together(tmp_path: Path) -> None:
    series(tmp_path / "ct", np.zeros((20, 50, 50), np.int16))

    assert refused(tmp_path / "ct", largest=150_000) is Reason.TOO_LARGE


def enhanced(voxels: NDArray[Any], slope: float = 1.0) -> bytes:
    """An Enhanced CT: places and slopes lie in functional groups."""
    shared, measures, orientation = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [1, 1], 2
    orientation.ImageOrientationPatient = AXIAL
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [orientation]
    frames = []
    for place in range(len(voxels)):
        frame, position, rescale = Dataset(), Dataset(), Dataset()
        position.ImagePositionPatient = [0, 0, 2 * place]
        rescale.RescaleSlope, rescale.RescaleIntercept, rescale.RescaleType = slope, 0, "HU"
        frame.PlanePositionSequence, frame.PixelValueTransformationSequence = [position], [rescale]
        frames.append(frame)
    return dicom(
        voxels[0],
        NumberOfFrames=len(voxels),
        PixelData=voxels.tobytes(),
        SharedFunctionalGroupsSequence=[shared],
        PerFrameFunctionalGroupsSequence=frames,
    )


def test_many_frames_in_one_file(tmp_path: Path) -> None:
    (tmp_path / "ct").write_bytes(enhanced(VOXELS // 2, slope=2.0))

    found = decode(tmp_path / "ct", FORM, largest=LARGEST)

    assert np.allclose(found[0], (VOXELS[:, ::-1, ::-1] // 2 * 2 + 1000) / 2000, atol=1e-6)


def test_frames_without_places_are_no_volume(tmp_path: Path) -> None:
    (tmp_path / "us").write_bytes(dicom(VOXELS[0], NumberOfFrames=5, PixelData=VOXELS.tobytes()))

    assert refused(tmp_path / "us") is Reason.WRONG_SHAPE
