"""DICOM volumes: a folder that holds one series, or one file of many frames, as voxels with their place in the patient.

Slices must be parallel, in line (no gantry tilt), of one size and orientation, and evenly spaced within 1 %. Grey only;
MONOCHROME1, whose values have no unit, is refused.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.dicom import DicomFile, open_dicom, stored_frames, units
from fedward_client.importer.arrays.dicom_file import is_dicom, is_directory
from fedward_client.importer.arrays.files import contents
from fedward_client.importer.arrays.volumes import fit_volume
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Volume

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["read_frames", "read_series"]

_MOST_FILES = 10_000
_UNEVEN = 0.01
_SAME_DIRECTION = 1e-3
_TILT = 0.01
_TO_RAS = np.diag([-1.0, -1.0, 1.0])
"""DICOM's patient axes run to the left and to the back."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """One slice: its values, (rows, columns), and where its first pixel lies.

    `directions` are those in which columns and rows are counted, `spacing` is from row to row and column to column.
    """

    values: NDArray[np.float32]
    position: NDArray[np.float64]
    directions: NDArray[np.float64]
    spacing: NDArray[np.float64]


def read_series(folder: Path, form: Volume, *, largest: int) -> NDArray[np.float32]:
    """The volume of the one series in a folder; files that are no DICOM, and a DICOMDIR, are passed over.

    Raises:
        UnreadableError: NO_FILE (no slice there), TOO_LARGE (the files together, unfolded too), WRONG_SHAPE (more than
            one series, or see above), BURNED_IN, UNREADABLE, NOT_FINITE.
        Exception: what pydicom raises on a damaged file.
    """
    slices, series = [], set()
    left = largest
    for path in _files(folder):
        content = contents(path, left)
        if not is_dicom(content) or is_directory(content):
            continue
        left -= len(content)
        file = open_dicom(content, largest=left)
        if file.frames != 1:
            raise UnreadableError(Reason.WRONG_SHAPE)
        series.add(str(file.elements.SeriesInstanceUID))
        slices.append(_slice(file, *stored_frames(file), groups=()))
        left -= slices[-1].values.nbytes
    if not slices:
        raise UnreadableError(Reason.NO_FILE)
    if len(series) != 1:
        raise UnreadableError(Reason.WRONG_SHAPE)
    return _volume(slices, form)


def read_frames(content: bytes, form: Volume, *, largest: int) -> NDArray[np.float32]:
    """The volume in one file of many frames (such as Enhanced CT or MR).

    Raises:
        UnreadableError: as `read_series`.
        Exception: what pydicom raises on a damaged file.
    """
    file = open_dicom(content, largest=largest)
    if file.frames * file.rows * file.columns * 4 > largest:
        raise UnreadableError(Reason.TOO_LARGE)
    shared = _first(file.elements, "SharedFunctionalGroupsSequence")
    each = file.elements.get("PerFrameFunctionalGroupsSequence") or []
    if len(each) != file.frames:
        raise UnreadableError(Reason.WRONG_SHAPE)
    frames = zip(stored_frames(file), each, strict=True)
    return _volume([_slice(file, frame, groups=(own, *shared)) for frame, own in frames], form)


def _files(folder: Path) -> list[Path]:
    """The folder's regular files; links and subfolders are passed over."""
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                found.append(Path(entry.path))
            if len(found) > _MOST_FILES:
                raise UnreadableError(Reason.TOO_LARGE)
    return sorted(found)


def _first(elements: Dataset, keyword: str) -> tuple[Dataset, ...]:
    return tuple((elements.get(keyword) or [])[:1])


def _slice(file: DicomFile, stored: NDArray[np.generic], *, groups: tuple[Dataset, ...]) -> _Slice:
    """A slice; what the file does not say itself is looked for in the functional groups."""
    if file.photometric != "MONOCHROME2":
        raise UnreadableError(Reason.WRONG_SHAPE)
    rescaled = _holder(file.elements, groups, "PixelValueTransformationSequence", "RescaleSlope")
    values, _ = units(file.elements, stored, rescale=rescaled)
    placed = (
        _numbers(file.elements, groups, "PlanePositionSequence", "ImagePositionPatient", 3),
        _numbers(file.elements, groups, "PlaneOrientationSequence", "ImageOrientationPatient", 6),
        _numbers(file.elements, groups, "PixelMeasuresSequence", "PixelSpacing", 2),
    )
    return _Slice(values.astype(np.float32), placed[0], placed[1].reshape(2, 3), placed[2])


def _holder(elements: Dataset, groups: tuple[Dataset, ...], sequence: str, keyword: str) -> Dataset:
    for group in groups:
        for item in _first(group, sequence):
            if keyword in item:
                return item
    return elements


def _numbers(
    elements: Dataset, groups: tuple[Dataset, ...], sequence: str, keyword: str, count: int
) -> NDArray[np.float64]:
    value = _holder(elements, groups, sequence, keyword).get(keyword)
    if value is None or len(value) != count:
        raise UnreadableError(Reason.WRONG_SHAPE)
    numbers = np.array([float(number) for number in value])
    if not np.isfinite(numbers).all():
        raise UnreadableError(Reason.WRONG_SHAPE)
    return numbers


def _volume(slices: list[_Slice], form: Volume) -> NDArray[np.float32]:
    first = slices[0]
    for each in slices:
        same = np.abs(each.directions - first.directions).max() <= _SAME_DIRECTION
        if each.values.shape != first.values.shape or not same or not np.allclose(each.spacing, first.spacing, 1e-3):
            raise UnreadableError(Reason.WRONG_SHAPE)
    lengths = np.linalg.norm(first.directions, axis=1)
    if np.abs(lengths - 1).max() > _SAME_DIRECTION or first.spacing.min() <= 0:
        raise UnreadableError(Reason.WRONG_SHAPE)
    along_row, along_column = first.directions
    normal = np.cross(along_row, along_column)
    slices.sort(key=lambda each: float(each.position @ normal))
    step = _step(np.stack([each.position for each in slices]), normal)
    lps = np.column_stack([normal * step, along_column * first.spacing[0], along_row * first.spacing[1]])
    affine = np.eye(4)
    affine[:3, :3] = _TO_RAS @ lps
    affine[:3, 3] = _TO_RAS @ slices[0].position
    return fit_volume(_stacked(slices), affine, form)


def _stacked(slices: list[_Slice]) -> NDArray[np.float32]:
    """All slices as one array; each slice's own memory is given back when it was copied."""
    voxels = np.empty((len(slices), *slices[0].values.shape), np.float32)
    while slices:
        one = slices.pop()
        voxels[len(slices)] = one.values
    return voxels


def _step(positions: NDArray[np.float64], normal: NDArray[np.float64]) -> float:
    """The mm from slice to slice; positions are (slices, 3) in their order along the normal."""
    between = np.diff(positions, axis=0)
    if len(between) == 0:
        raise UnreadableError(Reason.WRONG_SHAPE)
    steps = between @ normal
    step = float(np.median(steps))
    if step <= 0 or np.abs(steps - step).max() > _UNEVEN * step:
        raise UnreadableError(Reason.WRONG_SHAPE)
    if np.abs(between - np.outer(steps, normal)).max() > _TILT * step:
        raise UnreadableError(Reason.WRONG_SHAPE)
    return step
