"""Pictures in DICOM files: nothing but pixels leaves, in the units of the file after its rescaling.

Taken: native pixels (little and big endian, deflated), RLE, JPEG Baseline, 8-bit JPEG Extended, JPEG 2000. A window of
the file, overlays, and presentation tables are left alone; MONOCHROME1 is inverted. A file whose Burned In Annotation
is YES is refused; one that does not say (most do not) is taken, so a site must know its secondary captures and
ultrasound pictures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.dicom_file import read_elements, transfer_syntax
from fedward_client.importer.arrays.fitting import between, fit_image, window_ends
from fedward_client.importer.quarantine import Reason, UnreadableError
from fedward_shared.contracts.arrays import Image

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["DicomFile", "open_dicom", "read_frame", "stored_frames", "units"]

_NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
_RLE = "1.2.840.10008.1.2.5"
_JPEG = (
    "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51",
    "1.2.840.10008.1.2.4.90",
    "1.2.840.10008.1.2.4.91",
)
_GREY = ("MONOCHROME1", "MONOCHROME2")
_COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
_PALETTE = "PALETTE COLOR"
_TAGS = (  # noqa: SIM905 - forty keywords read better as words
    "Modality SeriesInstanceUID ImagePositionPatient ImageOrientationPatient SliceThickness SpacingBetweenSlices "
    "NumberOfFrames Rows Columns PixelSpacing SamplesPerPixel PhotometricInterpretation PlanarConfiguration "
    "BitsAllocated BitsStored HighBit PixelRepresentation BurnedInAnnotation RescaleSlope RescaleIntercept "
    "ModalityLUTSequence LUTDescriptor LUTData RedPaletteColorLookupTableDescriptor "
    "GreenPaletteColorLookupTableDescriptor BluePaletteColorLookupTableDescriptor RedPaletteColorLookupTableData "
    "GreenPaletteColorLookupTableData BluePaletteColorLookupTableData SharedFunctionalGroupsSequence "
    "PerFrameFunctionalGroupsSequence PixelMeasuresSequence PlanePositionSequence PlaneOrientationSequence "
    "PixelValueTransformationSequence ExtendedOffsetTable ExtendedOffsetTableLengths PixelData"
).split()

_MOST_UNFOLDING = 100_000
"""What compression can do to an empty picture; a header that claims more lies."""


@dataclass(frozen=True, slots=True)
class DicomFile:
    """One file's elements that the decoders need (`_TAGS`), its header checked against its size and the limit."""

    elements: Dataset
    syntax: str
    frames: int
    rows: int
    columns: int
    photometric: str


def read_frame(content: bytes, form: Image, *, largest: int) -> NDArray[np.float32]:
    """The only frame of a DICOM file, as `form` says.

    Raises:
        UnreadableError: TOO_LARGE (of `largest` bytes), WRONG_SHAPE (several frames), BURNED_IN, UNREADABLE.
        Exception: what pydicom raises on a damaged file.
    """
    file = open_dicom(content, largest=largest)
    if file.frames != 1:
        raise UnreadableError(Reason.WRONG_SHAPE)
    (stored,) = stored_frames(file)
    if file.photometric not in _GREY:
        return fit_image(_colours(file, stored, form.window), form)
    values, ends = units(file.elements, stored)
    plane = between(values, *(window_ends(form.window) if form.window else ends))
    return fit_image([1 - plane if file.photometric == "MONOCHROME1" else plane], form)


def open_dicom(content: bytes, *, largest: int) -> DicomFile:
    """Reads a file's elements and checks what they claim, before a pixel is decoded.

    Raises:
        UnreadableError: no DICOM file, a transfer syntax that is not taken, no picture, TOO_LARGE, BURNED_IN, or its
            sizes contradict each other.
    """
    syntax, _ = transfer_syntax(content)
    if syntax not in (*_NATIVE, _RLE, *_JPEG):
        raise UnreadableError(Reason.UNREADABLE)
    elements = read_elements(content, _TAGS, largest=largest)
    if str(elements.get("BurnedInAnnotation", "")).strip().upper() == "YES":
        raise UnreadableError(Reason.BURNED_IN)
    file = DicomFile(
        elements=elements,
        syntax=syntax,
        frames=int(_number(elements, "NumberOfFrames", 1)),
        rows=int(elements.Rows),
        columns=int(elements.Columns),
        photometric=str(elements.PhotometricInterpretation).strip(),
    )
    _check(file, largest)
    return file


def _check(file: DicomFile, largest: int) -> None:
    elements = file.elements
    samples, bits = int(elements.SamplesPerPixel), int(elements.BitsAllocated)
    stored = int(elements.BitsStored)
    sound = (
        file.frames >= 1 and file.rows >= 1 and file.columns >= 1,
        samples == (3 if file.photometric in _COLOUR else 1),
        file.photometric in (*_GREY, *_COLOUR, _PALETTE),
        bits in {1, 8, 16, 32} and 1 <= stored <= bits and int(elements.HighBit) == stored - 1,
        int(elements.PixelRepresentation) in {0, 1},
        "PixelData" in elements,
    )
    if not all(sound):
        raise UnreadableError(Reason.UNREADABLE)
    unfolded = file.frames * file.rows * file.columns * samples * max(1, bits // 8)
    if unfolded > largest:
        raise UnreadableError(Reason.TOO_LARGE)
    if file.syntax in _NATIVE:
        _check_length(file)
    elif unfolded > len(elements.PixelData) * _MOST_UNFOLDING:
        raise UnreadableError(Reason.UNREADABLE)
    elif file.syntax in _JPEG:
        _check_codestreams(file)


def _check_length(file: DicomFile) -> None:
    """Pixels are as many as the header says; a byte more makes the length even."""
    from pydicom.pixels.utils import get_expected_length

    if not 0 <= len(file.elements.PixelData) - get_expected_length(file.elements) <= 1:
        raise UnreadableError(Reason.UNREADABLE)


def _check_codestreams(file: DicomFile) -> None:
    """Each frame's own header says the same height and width as the file's."""
    from PIL import Image as PillowImage
    from pydicom.encaps import generate_frames

    found = 0
    for frame in generate_frames(file.elements.PixelData, number_of_frames=file.frames):
        with PillowImage.open(BytesIO(frame), formats=("JPEG", "JPEG2000")) as picture:
            if picture.size != (file.columns, file.rows):
                raise UnreadableError(Reason.UNREADABLE)
        found += 1
    if found != file.frames:
        raise UnreadableError(Reason.UNREADABLE)


def stored_frames(file: DicomFile) -> Iterator[NDArray[np.generic]]:
    """Each frame as it is stored, (rows, columns) or (rows, columns, 3) in RGB; bits that are not pixels are 0."""
    from pydicom.pixels.decoders.base import get_decoder

    allocated, stored = int(file.elements.BitsAllocated), int(file.elements.BitsStored)
    for frame, _ in get_decoder(file.syntax).iter_array(file.elements, raw=False):
        if frame.shape[:2] != (file.rows, file.columns):
            raise UnreadableError(Reason.UNREADABLE)
        unused = 0 if allocated == 1 else 8 * frame.dtype.itemsize - stored
        yield (frame << unused) >> unused if unused else frame


def units(
    elements: Dataset, stored: NDArray[np.generic], *, rescale: Dataset | None = None
) -> tuple[NDArray[np.generic], tuple[float, float]]:
    """Grey values in the file's units, and the lowest and highest that its type can hold.

    `rescale` is the item that holds RescaleSlope and RescaleIntercept where these are not among the elements.
    """
    bits, signed = int(elements.BitsStored), int(elements.PixelRepresentation)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    if elements.get("ModalityLUTSequence"):
        from pydicom.pixels.processing import apply_modality_lut

        table = elements.ModalityLUTSequence[0]
        return apply_modality_lut(stored, elements), (0.0, 2.0 ** int(table.LUTDescriptor[2]) - 1)
    slope = _number(elements if rescale is None else rescale, "RescaleSlope", 1.0)
    intercept = _number(elements if rescale is None else rescale, "RescaleIntercept", 0.0)
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        raise UnreadableError(Reason.UNREADABLE)
    ends = sorted((low * slope + intercept, high * slope + intercept))
    if (slope, intercept) == (1.0, 0.0):
        return stored, (ends[0], ends[1])
    return stored.astype(np.float32) * np.float32(slope) + np.float32(intercept), (ends[0], ends[1])


def _number(elements: Dataset, keyword: str, default: float) -> float:
    value = elements.get(keyword)
    return default if value is None else float(value)


def _colours(
    file: DicomFile, stored: NDArray[np.generic], window: tuple[float, float] | None
) -> Iterator[NDArray[np.float32]]:
    top = 2.0 ** int(file.elements.BitsStored) - 1
    if file.photometric == _PALETTE:
        from pydicom.pixels.processing import apply_color_lut

        stored = apply_color_lut(stored, file.elements)
        top = 2.0 ** (8 * stored.dtype.itemsize) - 1
    low, high = window_ends(window) if window else (0.0, top)
    for channel in range(3):
        yield between(stored[..., channel], low, high)
