"""From planes of any height and width to the declared image: grey or RGB, fitted, normalised."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Fit, Image

__all__ = ["between", "fit_image", "window_ends"]

_LUMINANCE = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


def window_ends(window: tuple[float, float]) -> tuple[float, float]:
    """The lower and upper end of a window that is given as (centre, width)."""
    centre, width = window
    return centre - width / 2, centre + width / 2


def between(values: NDArray[np.generic], low: float, high: float) -> NDArray[np.float32]:
    """Values from `low` to `high` as 0 to 1, clipped.

    Raises:
        UnreadableError: NOT_FINITE where a value is.
    """
    scaled = values.astype(np.float32)
    scaled -= np.float32(low)
    scaled /= np.float32(high - low)
    if not np.isfinite(scaled).all():
        raise UnreadableError(Reason.NOT_FINITE)
    return np.clip(scaled, 0, 1, out=scaled)


def fit_image(planes: Iterable[NDArray[np.float32]], form: Image) -> NDArray[np.float32]:
    """The image of `form.shape`, of one plane (grey) or three (RGB), each (height, width) from 0 to 1.

    Grey is the luminance of RGB (ITU-R BT.601); RGB of grey is grey thrice. Sizes are changed by a triangle filter as
    wide as it must be not to alias (Pillow's bilinear). Planes are taken one after another, so one is in memory.
    """
    fitted = np.stack([_fitted(plane, form) for plane in planes])
    if form.channels < len(fitted):
        fitted = np.tensordot(np.array([_LUMINANCE], np.float32), fitted, axes=1)
    elif form.channels > len(fitted):
        fitted = np.repeat(fitted, form.channels, axis=0)
    return (fitted - np.float32(form.centre)) / np.float32(form.scale)


def _fitted(plane: NDArray[np.float32], form: Image) -> NDArray[np.float32]:
    height, width = plane.shape
    if (height, width) == (form.height, form.width):
        return plane
    if form.fit is Fit.PAD:
        ratio = min(form.height / height, form.width / width)
        inner = max(1, round(height * ratio)), max(1, round(width * ratio))
        top, left = (form.height - inner[0]) // 2, (form.width - inner[1]) // 2
        padded = np.zeros((form.height, form.width), np.float32)
        padded[top : top + inner[0], left : left + inner[1]] = _resized(plane, inner, (0, 0, width, height))
        return padded
    box: tuple[float, float, float, float] = (0, 0, width, height)
    if form.fit is Fit.CROP:
        ratio = max(form.height / height, form.width / width)
        kept = min(height, form.height / ratio), min(width, form.width / ratio)
        top, left = (height - kept[0]) / 2, (width - kept[1]) / 2
        box = (left, top, left + kept[1], top + kept[0])
    return _resized(plane, (form.height, form.width), box)


def _resized(
    plane: NDArray[np.float32], shape: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[np.float32]:
    """`box` is left, upper, right, lower in pixels of the plane."""
    from PIL import Image as PillowImage

    picture = PillowImage.fromarray(np.ascontiguousarray(plane))
    return np.asarray(picture.resize((shape[1], shape[0]), PillowImage.Resampling.BILINEAR, box=box), np.float32)
