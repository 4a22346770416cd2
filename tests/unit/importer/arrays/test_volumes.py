"""NIfTI and the volume's grid: RAS+ whatever the file's axes, exact where the grids agree, linear where not."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedward_client.importer.arrays.registry import decode
from fedward_client.importer.arrays.volumes import fit_volume
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Volume
from tests.support.record_files import nifti

VOXELS = np.random.default_rng(3).integers(-1000, 1000, (7, 6, 5)).astype(np.int16)
"""To the right, the front and the head."""
AFFINE = np.array([[1.5, 0, 0, -10], [0, 2, 0, 20], [0, 0, 3, 5], [0, 0, 0, 1]])
FORM = Volume("file", 5, 6, 7, spacing=(3, 2, 1.5), window=(0, 2000), centre=0.0, scale=1.0)
RAS = (VOXELS.transpose(2, 1, 0) + 1000) / 2000
LARGEST = 1_000_000


def decoded(content: bytes, form: Volume, folder: Path) -> NDArray[np.float32]:
    (folder / "volume").write_bytes(content)
    return decode(folder / "volume", form, largest=LARGEST)


def refused(content: bytes, folder: Path, form: Volume = FORM) -> Reason:
    with pytest.raises(UnreadableError) as refusal:
        decoded(content, form, folder)
    return refusal.value.reason


def turned(order: tuple[int, ...], signs: tuple[int, ...]) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The same voxels, stored along other axes and in other directions."""
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    shape = [VOXELS.shape[axis] for axis in order]
    for place, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        turn[axis, place] = sign
        turn[axis, 3] = 0 if sign > 0 else shape[place] - 1
    steps = tuple(slice(None, None, sign) for sign in signs)
    return np.ascontiguousarray(VOXELS.transpose(order)[steps]), AFFINE @ turn


@pytest.mark.parametrize("packed", [False, True], ids=["nii", "nii.gz"])
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_every_orientation_gives_the_same(tmp_path: Path, order: tuple[int, ...], *, packed: bool) -> None:
    for signs in product((1, -1), repeat=3):
        voxels, affine = turned(order, signs)
        found = decoded(nifti(voxels, affine, packed=packed), FORM, tmp_path)
        assert np.allclose(found[0], RAS, atol=1e-6), signs


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8", ">i2", ">f4"])
def test_types_and_byte_orders(tmp_path: Path, kind: str) -> None:
    voxels = (np.abs(VOXELS) % 200).astype(kind)

    found = decoded(nifti(voxels, AFFINE), replace(FORM, window=(100, 200)), tmp_path)

    assert np.allclose(found[0], voxels.transpose(2, 1, 0) / 200, atol=1e-6)


def test_slope_and_intercept(tmp_path: Path) -> None:
    content = bytearray(nifti((VOXELS + 1000) // 2, AFFINE))
    content[112:120] = np.array([2, -1000], "<f4").tobytes()

    found = decoded(bytes(content), FORM, tmp_path)

    assert np.allclose(found[0], ((VOXELS + 1000) // 2 * 2).transpose(2, 1, 0) / 2000, atol=1e-6)


def test_cropped_and_padded_around_the_middle(tmp_path: Path) -> None:
    form = replace(FORM, depth=3, height=8, width=7)

    found = decoded(nifti(VOXELS, AFFINE), form, tmp_path)[0]

    assert np.allclose(found[:, 1:7], RAS[1:4], atol=1e-6)
    assert not found[:, 0].any()
    assert not found[:, 7].any()


def test_resampling_is_linear() -> None:
    ramp = np.broadcast_to(np.arange(11.0)[:, None, None], (11, 9, 9)).astype(np.float32)
    form = Volume("file", 9, 9, 21, spacing=(1, 1, 0.5), window=(5, 10), centre=0.0, scale=1.0)

    found = fit_volume(ramp, np.eye(4), form)

    assert np.allclose(found[0], np.arange(21) / 20, atol=1e-6)


def test_fine_detail_does_not_alias() -> None:
    checks = (np.indices((40, 40, 40)).sum(axis=0) % 2).astype(np.float32)
    form = Volume("file", 10, 10, 10, spacing=(4, 4, 4), window=(0.5, 1), centre=0.0, scale=1.0)

    assert np.abs(fit_volume(checks, np.eye(4), form)[0, 1:-1, 1:-1, 1:-1] - 0.5).max() < 0.02


@pytest.mark.parametrize("degrees", [5, 20, 44])
def test_an_oblique_volume_shows_the_same_patient(degrees: int) -> None:
    """A linear function of the place stays one, whatever grid it was sampled on."""
    turn = np.radians(degrees)
    affine = np.eye(4)
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]
    affine[:3, 3] = [-30, -30, -5]
    places = np.moveaxis(np.indices((60, 60, 11)), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    field = places @ np.array([1.0, -2.0, 3.0])
    form = Volume("file", 5, 9, 9, spacing=(1, 1, 1), window=(0, 1000), centre=0.0, scale=1.0)

    found = fit_volume(field, affine, form)[0] * 1000 - 500

    for axis, slope in enumerate((3, -2, 1)):
        assert np.allclose(np.diff(found, axis=axis), slope, atol=1e-3)


@pytest.mark.parametrize("shape", [(7, 6, 5, 2), (7, 6)])
def test_other_dimensions_are_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert refused(nifti(np.zeros(shape, np.int16), AFFINE), tmp_path) is Reason.WRONG_SHAPE


def test_a_last_dimension_of_one_is_none(tmp_path: Path) -> None:
    assert np.allclose(decoded(nifti(VOXELS[..., None], AFFINE), FORM, tmp_path)[0], RAS, atol=1e-6)


def test_without_orientation_left_and_right_are_unknown(tmp_path: Path) -> None:
    content = bytearray(nifti(VOXELS, AFFINE))
    content[252:256] = bytes(4)

    assert refused(bytes(content), tmp_path) is Reason.WRONG_SHAPE


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_not_finite(tmp_path: Path, wrong: float) -> None:
    voxels = VOXELS.astype(np.float32)
    voxels[0, 0, 0] = wrong

    assert refused(nifti(voxels, AFFINE), tmp_path) is Reason.NOT_FINITE


@pytest.mark.parametrize(
    "affine",
    [
        np.diag([0, 2, 3, 1.0]),
        np.diag([1e-6, 2, 3, 1]),
        np.diag([1.5, 2, 1e6, 1]),
        AFFINE + np.eye(4, k=1) * 0.5,
        np.where(AFFINE == 3, np.nan, AFFINE),
    ],
)
def test_an_affine_that_places_no_grid(affine: NDArray[np.float64]) -> None:
    with pytest.raises(UnreadableError) as refusal:
        fit_volume(VOXELS, affine, FORM)

    assert refusal.value.reason is Reason.WRONG_SHAPE


def test_complex_and_coloured_voxels(tmp_path: Path) -> None:
    coloured = np.zeros((7, 6, 5), [("R", "u1"), ("G", "u1"), ("B", "u1")])

    assert refused(nifti(np.zeros((7, 6, 5), np.complex64), AFFINE), tmp_path) is Reason.UNREADABLE
    assert refused(nifti(coloured, AFFINE), tmp_path) is Reason.UNREADABLE
