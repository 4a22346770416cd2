"""From a record's file to its array: the format is told by the file's first bytes, never by its name.

Whatever is wrong with a record, and whatever a library makes of it, ends as one `UnreadableError` that tells no value.
A library that crashes or never ends is for the worker's limits.
"""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.files import contents, inside
from fedward_client.importer.arrays.numpy_file import read_numpy
from fedward_client.importer.arrays.text import encode_text
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Image, Signal, Volume

__all__ = ["decode", "encode_text", "inside", "read_numpy"]

_PICTURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*")
_LOUD = ("PIL", "nibabel", "pydicom")


def decode(path: Path, form: Image | Volume | Signal, *, largest: int) -> NDArray[np.float32]:
    """A record's array, exactly of `form.shape` and finite.

    Images: PNG, JPEG, TIFF, or a DICOM file of one frame. Volumes: NIfTI (also gzipped), a DICOM file of many frames,
    or a folder with one DICOM series. Signals: a WFDB header (its signal files lie beside it).

    Args:
        path: of `inside`, which has seen to it that it lies in the declared folder.
        form: what it becomes.
        largest: bytes that a record's files may hold together, and that they may unfold into.

    Raises:
        UnreadableError: the record cannot be taken; carries the reason.
    """
    for library in _LOUD:
        logging.getLogger(library).setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            array = _decoded(path, form, largest)
    except UnreadableError:
        raise
    except Exception:  # noqa: BLE001 - libraries fail in any way at all, and their messages hold values of the file
        raise UnreadableError(Reason.UNREADABLE) from None
    if array.shape != form.shape:
        raise UnreadableError(Reason.WRONG_SHAPE)
    if not np.isfinite(array).all():
        raise UnreadableError(Reason.NOT_FINITE)
    return np.ascontiguousarray(array, np.float32)


def _decoded(path: Path, form: Image | Volume | Signal, largest: int) -> NDArray[np.float32]:
    if isinstance(form, Signal):
        from fedward_client.importer.arrays.signals import read_signal

        return read_signal(path, form, largest=largest)
    if isinstance(form, Volume):
        return _volume(path, form, largest)
    content = contents(path, largest)
    if content.startswith(_PICTURES):
        from fedward_client.importer.arrays.images import read_picture

        return read_picture(content, form, largest=largest)
    from fedward_client.importer.arrays.dicom import read_frame

    return read_frame(content, form, largest=largest)


def _volume(path: Path, form: Volume, largest: int) -> NDArray[np.float32]:
    from fedward_client.importer.arrays import dicom_volumes
    from fedward_client.importer.arrays.dicom_file import is_dicom

    if path.is_dir():
        return dicom_volumes.read_series(path, form, largest=largest)
    content = contents(path, largest)
    if is_dicom(content):
        return dicom_volumes.read_frames(content, form, largest=largest)
    from fedward_client.importer.arrays.nifti import read_nifti

    return read_nifti(content, form, largest=largest)
