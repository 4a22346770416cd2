"""Reads a .npy file for contracts of kind "tensor" without a form, whose arrays were made elsewhere.

The header is held to the one spelling that `numpy.save` writes, so that nothing in it is ever evaluated.
"""

from __future__ import annotations

import math
import re
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.files import contents
from fedward_client.importer.quarantine import Reason, UnreadableError

__all__ = ["read_numpy"]

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    rb"\{'descr': '([<>|][fiu][1248]|\|b1)', 'fortran_order': (True|False), 'shape': \(([0-9, ]*)\), \} *\n?"
)
_LONGEST_HEADER = 4096


def read_numpy(path: Path, shape: tuple[int, ...], *, largest: int) -> NDArray[np.float32]:
    """The array in a .npy file, as float32; numbers only, exactly of `shape`.

    Raises:
        UnreadableError: NO_FILE, TOO_LARGE (of `largest` bytes), UNREADABLE (no .npy file of numbers, or cut short or
            too long), WRONG_SHAPE, or NOT_FINITE.
    """
    content = contents(path, largest)
    start, header = _header(content)
    found = _HEADER.fullmatch(header)
    if not found:
        raise UnreadableError(Reason.UNREADABLE)
    written = tuple(int(side) for side in found[3].split(b",") if side.strip())
    if written != shape:
        raise UnreadableError(Reason.WRONG_SHAPE)
    kind = np.dtype(found[1].decode())
    if len(content) - start != math.prod(written) * kind.itemsize:
        raise UnreadableError(Reason.UNREADABLE)
    flat = np.frombuffer(content, kind, offset=start)
    with np.errstate(over="ignore", invalid="ignore"):
        array = flat.reshape(shape, order="F" if found[2] == b"True" else "C").astype(np.float32, order="C")
    if not np.isfinite(array).all():
        raise UnreadableError(Reason.NOT_FINITE)
    return array


def _header(content: bytes) -> tuple[int, bytes]:
    """Where the numbers start, and what stands before them."""
    width = {b"\1\0": 2, b"\2\0": 4}.get(content[6:8], 0)
    if not content.startswith(_MAGIC) or not width or len(content) < 8 + width:
        raise UnreadableError(Reason.UNREADABLE)
    (length,) = struct.unpack("<H" if width == 2 else "<I", content[8 : 8 + width])  # noqa: PLR2004 - as the width is
    start = 8 + width + length
    if length > _LONGEST_HEADER or start > len(content):
        raise UnreadableError(Reason.UNREADABLE)
    return start, content[8 + width : start]
