"""From voxels in any orientation to the declared volume: RAS+, slices first, resampled, cropped or padded, windowed.

The grid of the result lies along the patient's axes, whatever the scanner's: an oblique volume is resampled onto it in
one interpolation. Along each axis the grid starts at the volume's first voxel (of its bounding box), has the declared
spacing, and the voxels in its middle are kept. Where the result is coarser than the volume by a factor f, a Gaussian of
(f - 1) / 2 voxels keeps fine detail from aliasing; then the interpolation is linear. What lies outside the volume has
the window's lower end.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.fitting import between, window_ends
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Volume

__all__ = ["fit_volume"]

_SPACING = (0.01, 100.0)
"""mm; a voxel of another size is a header that is wrong."""
_SHEAR = 0.01
_NEARLY = 1e-6
_REACH = 4.0
"""Standard deviations that scipy's Gaussian reaches."""


def fit_volume(
    voxels: NDArray[np.generic],
    affine: NDArray[np.float64],
    form: Volume,
    *,
    slope: float = 1.0,
    intercept: float = 0.0,
) -> NDArray[np.float32]:
    """The volume of `form.shape`.

    Args:
        voxels: three axes in any order and direction; ``slope * voxel + intercept`` is in the window's units.
        affine: (4, 4), from indices of `voxels` to mm in RAS+.
        form: what it becomes.
        slope: not 0.
        intercept: any.

    Raises:
        UnreadableError: WRONG_SHAPE where the affine is no placement of a grid (sheared, flat, or of absurd spacing);
            NOT_FINITE where a voxel, in or out of the part that is kept, is not.
    """
    _check_affine(affine)
    if voxels.dtype.kind == "f" and not np.isfinite(voxels).all():
        raise UnreadableError(Reason.NOT_FINITE)
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0:
        raise UnreadableError(Reason.UNREADABLE)
    matrix, offset = _placement(voxels.shape, affine, form)
    low, high = window_ends(form.window)
    found = _resampled(voxels, matrix, offset, form, outside=(low - intercept) / slope)
    scaled = between(found * np.float32(slope) + np.float32(intercept), low, high)
    return ((scaled - np.float32(form.centre)) / np.float32(form.scale))[np.newaxis]


def _check_affine(affine: NDArray[np.float64]) -> None:
    if not np.isfinite(affine).all():
        raise UnreadableError(Reason.WRONG_SHAPE)
    steps = affine[:3, :3]
    lengths = np.sqrt(np.square(steps).sum(axis=0))
    if lengths.min() < _SPACING[0] or lengths.max() > _SPACING[1]:
        raise UnreadableError(Reason.WRONG_SHAPE)
    directions = steps / lengths
    if np.abs(directions.T @ directions - np.eye(3)).max() > _SHEAR:
        raise UnreadableError(Reason.WRONG_SHAPE)


def _placement(
    shape: tuple[int, ...], affine: NDArray[np.float64], form: Volume
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``voxel index = matrix @ (depth, height, width index of the result) + offset``."""
    last = np.array(shape, np.float64) - 1
    corners = np.stack(np.meshgrid(*((0.0, end) for end in last), indexing="ij"), axis=-1).reshape(-1, 3)
    placed = (corners @ affine[:3, :3].T + affine[:3, 3])[:, ::-1]
    start, extent = placed.min(axis=0), np.ptp(placed, axis=0)
    spacing = np.array(form.spacing)
    wanted = np.array(form.shape[1:])
    skipped = (np.floor(extent / spacing + 1e-3).astype(int) + 1 - wanted) // 2
    inverse = np.linalg.inv(affine[:3, :3])[:, ::-1]
    matrix = inverse * spacing
    offset = inverse @ (start + skipped * spacing - affine[:3, 3][::-1])
    return _whole(matrix), _whole(offset)


def _whole(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without the rounding errors of what must be whole numbers, so that equal grids are copied exactly."""
    near = np.round(values)
    return np.where(np.abs(values - near) < _NEARLY, near, values)


def _resampled(
    voxels: NDArray[np.generic],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    form: Volume,
    *,
    outside: float,
) -> NDArray[np.float32]:
    from scipy import ndimage

    blur = np.maximum(0.0, (np.abs(matrix).max(axis=1) - 1) / 2)
    part, start = _reached(voxels, matrix, offset, form, np.ceil(_REACH * blur) + 2)
    if part.size == 0:
        return np.full(form.shape[1:], outside, np.float32)
    if blur.max() > _NEARLY:
        part = ndimage.gaussian_filter(part.astype(np.float32), blur, mode="nearest", truncate=_REACH)
    result: NDArray[np.float32] = ndimage.affine_transform(
        part,
        matrix,
        offset - start,
        output_shape=form.shape[1:],
        output=np.float32,
        order=1,
        mode="grid-constant",
        cval=outside,
        prefilter=False,
    )
    return result


def _reached(
    voxels: NDArray[np.generic],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    form: Volume,
    margin: NDArray[np.float64],
) -> tuple[NDArray[np.generic], NDArray[np.float64]]:
    """The part of the voxels that the result is made of, and where in the whole it starts."""
    ends = np.stack(np.meshgrid(*((0, side - 1) for side in form.shape[1:]), indexing="ij"), axis=-1).reshape(-1, 3)
    reached = ends @ matrix.T + offset
    shape = np.array(voxels.shape)
    low = np.clip(np.floor(reached.min(axis=0) - margin), 0, shape).astype(int)
    high = np.clip(np.ceil(reached.max(axis=0) + margin) + 1, low, shape).astype(int)
    return voxels[tuple(slice(begin, end) for begin, end in zip(low, high, strict=True))], low.astype(np.float64)
