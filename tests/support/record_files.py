"""Small files of each format that decoders read, made by the usual libraries, as honest hospitals have them."""

from __future__ import annotations

import gzip
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import wfdb
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from PIL import Image as PillowImage
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    JPEG2000,
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
)

__all__ = ["AXIAL", "LEADS", "dicom", "nifti", "picture", "record", "series"]

AXIAL = [1, 0, 0, 0, 1, 0]
LEADS = ("I", "II", "III", "AVR", "AVL", "AVF", "V1", "V2", "V3", "V4", "V5", "V6")
_PACKED = {JPEGBaseline8Bit: "JPEG", JPEG2000Lossless: "JPEG2000", JPEG2000: "JPEG2000"}


def picture(pixels: NDArray[Any], form: str, **options: object) -> bytes:
    """A picture file by Pillow; `options` are those of its `save`."""
    written = BytesIO()
    PillowImage.fromarray(pixels).save(written, form, **options)
    return written.getvalue()


def dicom(pixels: NDArray[Any], syntax: str = ExplicitVRLittleEndian, /, **elements: object) -> bytes:
    """A DICOM file of one grey (rows, columns) or RGB (rows, columns, 3) frame; `elements` replace what it says."""
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.MediaStorageSOPClassUID = CTImageStorage
    file.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    file.file_meta.TransferSyntaxUID = UID(ExplicitVRLittleEndian if syntax == RLELossless else syntax)
    file.SOPClassUID, file.SOPInstanceUID = CTImageStorage, "1.2.3.4"
    file.PatientName, file.PatientID, file.SeriesInstanceUID = "Zebra^Zoe", "Zebra-4711", "1.2.3"
    file.Rows, file.Columns = pixels.shape[:2]
    file.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    file.PhotometricInterpretation = "RGB" if pixels.ndim == 3 else "MONOCHROME2"
    if pixels.ndim == 3:
        file.PlanarConfiguration = 0
    file.BitsAllocated = file.BitsStored = 8 * pixels.dtype.itemsize
    file.HighBit = file.BitsStored - 1
    file.PixelRepresentation = int(pixels.dtype.kind == "i")
    form = _PACKED.get(UID(syntax))
    file.PixelData = encapsulate([_codestream(pixels, form)]) if form else pixels.tobytes()
    for name, value in elements.items():
        setattr(file, name, value)
    if syntax == RLELossless:
        file.compress(RLELossless)
    written = BytesIO()
    pydicom.dcmwrite(written, file, enforce_file_format=True)
    return written.getvalue()


def _codestream(pixels: NDArray[Any], form: str) -> bytes:
    options = {"quality": 95} if form == "JPEG" else {"irreversible": False, "no_jp2": True}
    return picture(pixels, form, **options)


def series(folder: Path, voxels: NDArray[Any], *, spacing: float = 2.0, **elements: object) -> None:
    """A folder of axial slices, (slices, rows, columns), from the feet up, each pixel 1 mm."""
    folder.mkdir(parents=True)
    for place, pixels in enumerate(voxels):
        placed = {
            "ImagePositionPatient": [0, 0, place * spacing],
            "ImageOrientationPatient": AXIAL,
            "PixelSpacing": [1, 1],
            **elements,
        }
        (folder / f"{(place * 7) % 97}.dcm").write_bytes(dicom(pixels, **placed))


def nifti(voxels: NDArray[Any], affine: NDArray[np.float64], *, packed: bool = False) -> bytes:
    """A NIfTI-1 file, gzipped where it is `packed`."""
    content: bytes = Nifti1Image(voxels, affine).to_bytes()  # type: ignore[no-untyped-call]
    return gzip.compress(content, mtime=0) if packed else content


def record(
    folder: Path,
    name: str,
    signal: NDArray[np.float64],
    *,
    rate: float = 100,
    form: str = "16",
    leads: tuple[str, ...] = LEADS,
    unit: str = "mV",
) -> Path:
    """A WFDB record of (samples, leads); where its header is."""
    count = signal.shape[1]
    wfdb.wrsamp(
        name,
        fs=rate,
        units=[unit] * count,
        sig_name=list(leads[:count]),
        p_signal=signal,
        fmt=[form] * count,
        write_dir=str(folder),
    )
    return folder / f"{name}.hea"
