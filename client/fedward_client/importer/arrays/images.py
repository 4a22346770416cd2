"""PNG, JPEG and TIFF by Pillow: one page, sizes checked by the header before a pixel is decoded.

Grey of 1, 8, 16 and 32 bits, palettes, RGB and transparency (what is transparent is black). Pillow reads RGB of 16 bits
as the upper 8. The orientation that a camera noted is applied. Colour profiles, comments and all other data are left.
Kinds whose values have no ends (32 bits, floating point) need a declared window.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.fitting import between, fit_image, window_ends
from fedward_client.importer.arrays.png_chunks import is_whole
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["read_picture"]

_BYTES = {"1": 1, "L": 1, "P": 1, "PA": 4, "LA": 4, "RGB": 4, "RGBA": 4, "YCbCr": 4, "I": 4, "F": 4}
_SIXTEEN = ("I;16", "I;16L", "I;16B", "I;16N")
_CLEAR = ("PA", "LA", "RGBA")
_WHITE_IS_ZERO = 262
_TILES = (322, 323)
_JPEG_END, _JPEG_SCAN = b"\xff\xd9", b"\xff\xda"


def read_picture(content: bytes, form: Image, *, largest: int) -> NDArray[np.float32]:
    """A picture as `form` says, from the bytes of its file.

    Raises:
        UnreadableError: TOO_LARGE (more than `largest` bytes in memory), WRONG_SHAPE (several pages), UNREADABLE (cut
            short, or CMYK and other kinds of colour), UNIT_UNKNOWN (no window, see above), NOT_FINITE.
        Exception: what Pillow raises on a damaged file.
    """
    from PIL import Image as PillowImage
    from PIL import ImageOps

    try:
        with PillowImage.open(BytesIO(content), formats=("PNG", "JPEG", "TIFF")) as picture:
            _check(picture, content, largest)
            inverted = _inverted(picture)
            picture.load()
            planes = _planes(ImageOps.exif_transpose(picture), form.window)
            return fit_image((1 - plane for plane in planes) if inverted else planes, form)
    except PillowImage.DecompressionBombError:
        raise UnreadableError(Reason.TOO_LARGE) from None


def _check(picture: Picture, content: bytes, largest: int) -> None:
    """By the header alone: a kind of picture that is taken, its size, and that it is one whole page."""
    if picture.mode not in _BYTES and picture.mode not in _SIXTEEN:
        raise UnreadableError(Reason.UNREADABLE)
    pixel = _BYTES.get(picture.mode, 2)
    tags = getattr(picture, "tag_v2", {})
    tile = [int(tags.get(tag, 1)) for tag in _TILES]
    if max(picture.width * picture.height, tile[0] * tile[1]) * pixel > largest:
        raise UnreadableError(Reason.TOO_LARGE)
    if getattr(picture, "is_animated", False) or picture.format not in {"PNG", "JPEG", "TIFF"}:
        raise UnreadableError(Reason.WRONG_SHAPE)
    if picture.format == "PNG" and not is_whole(content):
        raise UnreadableError(Reason.UNREADABLE)
    if picture.format == "JPEG" and content.rfind(_JPEG_END) < content.rfind(_JPEG_SCAN):
        raise UnreadableError(Reason.UNREADABLE)


def _inverted(picture: Picture) -> bool:
    """Whether a TIFF's zero is white; Pillow sees to that for all but 16 bits."""
    tags = getattr(picture, "tag_v2", {})
    return picture.mode in _SIXTEEN and tags.get(_WHITE_IS_ZERO, 1) == 0


def _planes(picture: Picture, window: tuple[float, float] | None) -> Iterator[NDArray[np.float32]]:
    """Grey or RGB from 0 to 1."""
    if picture.mode in _CLEAR or ("transparency" in picture.info and picture.mode in _BYTES):
        picture = picture.convert("RGBA")
    elif picture.mode in {"P", "YCbCr"}:
        picture = picture.convert("RGB")
    if picture.mode in {"I", "F"} and not window:
        raise UnreadableError(Reason.UNIT_UNKNOWN)
    top = 1.0 if picture.mode == "1" else 65535.0 if picture.mode in _SIXTEEN else 255.0
    low, high = window_ends(window) if window else (0.0, top)
    values = np.asarray(picture)
    if values.ndim == 2:  # noqa: PLR2004 - height and width
        yield between(values, low, high)
        return
    for channel in range(3):
        plane = between(values[..., channel], low, high)
        yield plane * between(values[..., 3], 0, top) if picture.mode == "RGBA" else plane
