"""Writes films, scans and electrocardiograms as files beside a label table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedward_client.importer.mapping import Mapping, SourceTerms
from fedward_simulations.generate.course import LEADS, electrocardiogram, film, scan
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.export import Export, Written

__all__ = ["FILE_DEFECTS", "write_dicom", "write_nifti", "write_pictures", "write_signals"]

FILE_DEFECTS = frozenset({Defect.UNREADABLE, Defect.SWAPPED_LABEL})
"""What a folder of files can have; DICOM also BURNED_IN."""

_PREVALENCE = 0.4
_CUT = 0.2
_BURNED = 0.1
_SYNTHETIC_ROOT = "2.25."  # UIDs made of random numbers, DICOM PS3.5 B.2

Write = Callable[[Path, bool, str], str]
"""Writes one record's file(s) into a folder; gives the name for the label table."""


def write_pictures(export: Export) -> Written:
    """PNG films in ``files/``; each hospital's films have a brightness of their own."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    generator = export.generator
    brightness = generator.uniform(0.85, 1.1)
    marked = PngInfo()
    marked.add_text("Comment", "SYNTHETIC")

    def write(files: Path, ill: bool, name: str) -> str:
        Image.fromarray(film(ill, generator, brightness=brightness)).save(files / f"{name}.png", pnginfo=marked)
        return f"{name}.png"

    return _labelled(export, write)


def write_nifti(export: Export) -> Written:
    """Compressed NIfTI scans in ``files/``, voxels of 1.5 x 1.5 x 2 mm."""
    import nibabel

    def write(files: Path, ill: bool, name: str) -> str:
        voxels = scan(ill, export.generator)
        image = nibabel.Nifti1Image(voxels, np.diag([1.5, 1.5, 2.0, 1.0]))  # type: ignore[no-untyped-call]  # of nibabel
        image.header["descrip"] = b"SYNTHETIC"
        nibabel.save(image, files / f"{name}.nii.gz")
        return f"{name}.nii.gz"

    return _labelled(export, write)


def write_signals(export: Export) -> Written:
    """WFDB records (100 Hz, 10 s, twelve leads, mV) in ``files/``."""
    import wfdb

    def write(files: Path, ill: bool, name: str) -> str:
        wfdb.wrsamp(
            name, fs=100, units=["mV"] * len(LEADS), sig_name=list(LEADS), fmt=["16"] * len(LEADS),
            p_signal=electrocardiogram(ill, export.generator), comments=["SYNTHETIC"], write_dir=str(files),
        )  # fmt: skip
        return name

    return _labelled(export, write)


def _labelled(export: Export, write: Write) -> Written:
    """The files, and ``labels.csv`` that names patient, file and finding."""
    files = export.folder / "files"
    files.mkdir(exist_ok=True)
    ill = export.generator.random(export.patients) < _PREVALENCE
    names = [write(files, bool(each), f"synthetic-{export.site}-{index:05d}") for index, each in enumerate(ill)]
    _spoil([files / name for name in names], export)
    table = pl.DataFrame(
        {
            "patient_id": [f"SYNTHETIC-{export.site}-{index:05d}" for index in range(len(ill))],
            "finding": np.where(~ill if Defect.SWAPPED_LABEL in export.defects else ill, "ill", "normal"),
            "file": names,
        }
    )
    table.write_csv(export.folder / "labels.csv")
    mapping = Mapping(source=SourceTerms("csv", Path("labels.csv")), files=Path("files"))
    return Written(mapping, len(ill), float(ill.mean()))


def _spoil(paths: list[Path], export: Export) -> None:
    """Cuts off a fifth of the files, where asked for."""
    if Defect.UNREADABLE not in export.defects:
        return
    for path in paths:
        if export.generator.random() < _CUT:
            target = path if path.exists() else path.with_suffix(".dat")
            content = target.read_bytes()
            target.write_bytes(content[: int(len(content) * export.generator.uniform(0.1, 0.7))])


def write_dicom(export: Export) -> Written:
    """DICOM computed-radiography files in ``files/``, with a label table as for pictures."""
    generator = export.generator
    brightness = generator.uniform(0.85, 1.1)

    def write(files: Path, ill: bool, name: str) -> str:
        burned = Defect.BURNED_IN in export.defects and generator.random() < _BURNED
        pixels = film(ill, generator, brightness=brightness)
        _dicom(files / f"{name}.dcm", pixels, name, burned, int(generator.integers(1 << 62)))
        return f"{name}.dcm"

    return _labelled(export, write)


def _dicom(path: Path, pixels: NDArray[np.uint8], patient: str, burned: bool, number: int) -> None:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, ComputedRadiographyImageStorage, ExplicitVRLittleEndian

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
    meta.MediaStorageSOPInstanceUID = UID(f"{_SYNTHETIC_ROOT}{number}")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film_file = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    film_file.SOPClassUID = meta.MediaStorageSOPClassUID
    film_file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    film_file.PatientName = "SYNTHETIC^NOBODY"
    film_file.PatientID = patient
    film_file.Modality = "CR"
    film_file.Manufacturer = "SYNTHETIC"
    film_file.BurnedInAnnotation = "YES" if burned else "NO"
    film_file.PhotometricInterpretation = "MONOCHROME2"
    film_file.SamplesPerPixel = 1
    film_file.Rows, film_file.Columns = pixels.shape
    film_file.BitsAllocated = film_file.BitsStored = 8
    film_file.HighBit = 7
    film_file.PixelRepresentation = 0
    film_file.PixelData = pixels.tobytes()
    film_file.save_as(path, enforce_file_format=True)
