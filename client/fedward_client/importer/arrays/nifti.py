"""NIfTI-1 and NIfTI-2, plain or gzipped: the header is checked before anything is unfolded or allocated.

The orientation comes from the sform, else the qform; a file with neither does not say what is left and what is right
and is refused. Lengths without a unit are mm. Voxels are whole numbers or floating point, of three dimensions; further
dimensions must be 1.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.volumes import fit_volume
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Volume

if TYPE_CHECKING:
    from nibabel.nifti1 import Nifti1Header

__all__ = ["read_nifti"]

_GZIP = b"\x1f\x8b"
_GZIP_BITS = 16 + zlib.MAX_WBITS
_PIECE = 1 << 16
_HEADER_1, _HEADER_2 = 348, 540
_LONGEST_HEADER = 544
_SIDES = 3
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""mm in a unit of length of NIfTI's `xyzt_units`: unknown, metre, millimetre, micrometre."""


def read_nifti(content: bytes, form: Volume, *, largest: int) -> NDArray[np.float32]:
    """A volume as `form` says, from the bytes of its file.

    Raises:
        UnreadableError: TOO_LARGE (unfolds to more than `largest` bytes), WRONG_SHAPE (not three dimensions, or without
            orientation), UNREADABLE, NOT_FINITE.
        Exception: what nibabel raises on a damaged header.
    """
    packed = content.startswith(_GZIP)
    start_of_it = _inflated(content, _LONGEST_HEADER, whole=False) if packed else content[:_LONGEST_HEADER]
    header = _header(bytes(start_of_it))
    sides = _sides(header)
    start = int(header["vox_offset"])
    kind = header.get_data_dtype()  # type: ignore[no-untyped-call]
    end = start + math.prod(sides) * kind.itemsize
    if end > largest:
        raise UnreadableError(Reason.TOO_LARGE)
    if kind.kind not in "iuf" or start < int(header["sizeof_hdr"]) or np.isinf(header["scl_slope"]):
        raise UnreadableError(Reason.UNREADABLE)
    affine = _affine(header)
    unfolded = _inflated(content, largest, whole=True) if packed else content
    voxels = np.frombuffer(unfolded, kind, math.prod(sides), start).reshape(sides, order="F")
    slope, intercept = header.get_slope_inter()  # type: ignore[no-untyped-call]
    return fit_volume(
        voxels if kind.isnative else voxels.astype(kind.newbyteorder("=")),
        affine,
        form,
        slope=1.0 if slope is None else float(slope),
        intercept=0.0 if intercept is None else float(intercept),
    )


def _header(start: bytes) -> Nifti1Header:
    from nibabel.nifti1 import Nifti1Header
    from nibabel.nifti2 import Nifti2Header

    for kind, size, magic in ((Nifti1Header, _HEADER_1, start[344:348]), (Nifti2Header, _HEADER_2, start[4:8])):
        if magic in {b"n+1\0", b"n+2\0"} and len(start) >= size and _claims(start, size):
            return kind(start[:size], check=False)  # type: ignore[no-untyped-call]
    raise UnreadableError(Reason.UNREADABLE)


def _claims(start: bytes, size: int) -> bool:
    return size in {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")}


def _sides(header: Nifti1Header) -> tuple[int, ...]:
    sides = [int(side) for side in header["dim"]]
    count, sides = sides[0], sides[1:]
    if not _SIDES <= count <= len(sides) or any(side != 1 for side in sides[_SIDES:count]):
        raise UnreadableError(Reason.WRONG_SHAPE)
    if min(sides[:_SIDES]) < 1 or not all(step > 0 for step in header["pixdim"][1 : 1 + _SIDES]):
        raise UnreadableError(Reason.UNREADABLE)
    return tuple(sides[:_SIDES])


def _affine(header: Nifti1Header) -> NDArray[np.float64]:
    if not (int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0):
        raise UnreadableError(Reason.WRONG_SHAPE)
    unit = _MM.get(int(header["xyzt_units"]) % 8)
    if unit is None:
        raise UnreadableError(Reason.UNREADABLE)
    affine = np.array(header.get_best_affine(), np.float64)  # type: ignore[no-untyped-call]
    affine[:3] *= unit
    return affine


def _inflated(content: bytes, most: int, *, whole: bool) -> bytearray:
    """The bytes in a gzip file: its first `most`, or the whole of it, which must be no more and end soundly."""
    unfolded = bytearray()
    unpacker = zlib.decompressobj(_GZIP_BITS)
    for start in range(0, len(content), _PIECE):
        rest = content[start : start + _PIECE]
        while rest:
            if unpacker.eof:  # another member follows, or zero bytes that fill a tape's block
                rest = rest.lstrip(b"\0")
                unpacker = zlib.decompressobj(_GZIP_BITS) if rest else unpacker
            unfolded += unpacker.decompress(rest, most + 1 - len(unfolded)) if rest else b""
            if len(unfolded) > most:
                if whole:
                    raise UnreadableError(Reason.TOO_LARGE)
                return unfolded[:most]
            rest = unpacker.unused_data if rest and unpacker.eof else b""
    if not unpacker.eof:
        raise UnreadableError(Reason.UNREADABLE)
    return unfolded
