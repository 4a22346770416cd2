"""WFDB records, read by ourselves: the wfdb package opens network addresses and allocates what a header claims.

Taken: a header (`header(5)` of PhysioNet's WFDB Applications Guide) of one segment, with signal files of formats 16,
24, 32, 61, 80, 160, 212, 310 and 311 (`signal(5)`) beside it. Refused: records of several segments, the formats of
differences (8) and FLAC (508, 516, 524), and leads without a gain, which have no unit. Tests hold it to wfdb's
results.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.arrays.files import contents, inside, size
from fedward_client.importer.quarantine import Reason, UnreadableError

__all__ = ["Lead", "Record", "read_header", "read_lead"]

_LONGEST_HEADER = 1 << 18
_MOST_LEADS = 1024
_MOST_PER_FRAME = 4096
_FASTEST = 1e6
_DEFAULT_RATE = 250.0
_RECORD = re.compile(
    r"(?P<name>[\w.-]{1,255})(?P<segments>/\d+)?\s+(?P<leads>\d{1,6})"
    r"(?:\s+(?P<rate>\d{1,12}(?:\.\d{1,12})?)(?:/[\d.]+(?:\(-?[\d.]+\))?)?(?:\s+(?P<frames>\d{1,15})(?:\s.*)?)?)?",
    re.ASCII,
)
_LEAD = re.compile(
    r"(?P<file>\S+)\s+(?P<format>\d{1,4})(?:x(?P<samples>\d{1,6}))?(?::(?P<skew>\d{1,9}))?(?:\+(?P<start>\d{1,15}))?"
    r"(?:\s+(?P<gain>[-+]?\d{0,20}\.?\d{0,20}(?:[eE][-+]?\d{1,3})?)(?:\((?P<baseline>-?\d{1,12})\))?"
    r"(?:/(?P<unit>\S{1,64}))?"
    r"(?:\s+\d+(?:\s+(?P<zero>-?\d{1,12})(?:\s+-?\d+(?:\s+-?\d+(?:\s+\d+(?:\s+(?P<name>.*))?)?)?)?)?)?)?",
    re.ASCII,
)
_FILE = re.compile(r"[\w-][\w.-]{0,254}")
_PACKED = {
    "16": (1, 2, 16),
    "24": (1, 3, 24),
    "32": (1, 4, 32),
    "61": (1, 2, 16),
    "80": (1, 1, 8),
    "160": (1, 2, 16),
    "212": (2, 3, 12),
    "310": (3, 4, 10),
    "311": (3, 4, 10),
}
"""Of each format: so many samples lie in so many bytes; bits of a sample."""


@dataclass(frozen=True, slots=True)
class Lead:
    """One line of the header. `gain` is in digital units per `unit`.

    Of the file's frames of `stride` samples each, the `samples` from `place` on are the lead's.
    """

    name: str
    path: Path
    format: str
    start: int
    place: int
    stride: int
    samples: int
    skew: int
    gain: float
    baseline: int
    unit: str


@dataclass(frozen=True, slots=True)
class Record:
    """A header that fits its files; `rate` is in frames a second, `frames` is their number."""

    rate: float
    frames: int
    leads: tuple[Lead, ...]


def read_header(path: Path, *, largest: int) -> Record:
    """The header of a record, checked against the sizes of its signal files, which must lie in its folder.

    Raises:
        UnreadableError: UNREADABLE, NO_FILE or OUTSIDE (a signal file), TOO_LARGE (the files together hold more than
            `largest` bytes), WRONG_SHAPE (several segments).
    """
    text = contents(path, min(largest, _LONGEST_HEADER)).decode("utf-8", errors="replace")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    found = _RECORD.fullmatch(lines[0]) if lines else None
    if not found:
        raise UnreadableError(Reason.UNREADABLE)
    if found["segments"]:
        raise UnreadableError(Reason.WRONG_SHAPE)
    rate = float(found["rate"] or _DEFAULT_RATE)
    if not 0 < rate <= _FASTEST or not 0 < int(found["leads"]) <= min(_MOST_LEADS, len(lines) - 1):
        raise UnreadableError(Reason.UNREADABLE)
    leads = _leads(lines[1 : 1 + int(found["leads"])], path.parent)
    return Record(rate, _frames(leads, int(found["frames"] or 0), largest), leads)


def _leads(lines: list[str], folder: Path) -> tuple[Lead, ...]:
    """The leads in order; those in one file lie sample by sample next to one another."""
    parsed = [_LEAD.fullmatch(line) for line in lines]
    matches = [match for match in parsed if match]
    if len(matches) != len(lines):
        raise UnreadableError(Reason.UNREADABLE)
    strides: dict[str, int] = {}
    places = []
    for match in matches:
        places.append(strides.get(match["file"], 0))
        strides[match["file"]] = places[-1] + _per_frame(match)
    paths = {name: _signal_file(folder, name) for name in strides}
    leads = tuple(
        _lead(match, paths[match["file"]], place, strides[match["file"]])
        for match, place in zip(matches, places, strict=True)
    )
    layouts = {lead.path: (lead.format, lead.start) for lead in leads}
    if any(layouts[lead.path] != (lead.format, lead.start) for lead in leads):
        raise UnreadableError(Reason.UNREADABLE)
    return leads


def _per_frame(match: re.Match[str]) -> int:
    samples = int(match["samples"] or 1)
    if not 0 < samples <= _MOST_PER_FRAME:
        raise UnreadableError(Reason.UNREADABLE)
    return samples


def _signal_file(folder: Path, name: str) -> Path:
    if not _FILE.fullmatch(name):
        raise UnreadableError(Reason.OUTSIDE if "/" in name or "\\" in name or ".." in name else Reason.UNREADABLE)
    return inside(folder, name)


def _lead(match: re.Match[str], path: Path, place: int, stride: int) -> Lead:
    if match["format"] not in _PACKED:
        raise UnreadableError(Reason.UNREADABLE)
    gain = match["gain"]
    return Lead(
        name=(match["name"] or "").strip(),
        path=path,
        format=match["format"],
        start=int(match["start"] or 0),
        place=place,
        stride=stride,
        samples=_per_frame(match),
        skew=int(match["skew"] or 0),
        gain=float(gain) if gain else 0.0,
        baseline=int(match["baseline"] or match["zero"] or 0),
        unit=match["unit"] or "mV",
    )


def _frames(leads: tuple[Lead, ...], claimed: int, largest: int) -> int:
    """How many frames there are in every file; a header may leave that to the files' sizes."""
    sizes = {lead.path: size(lead.path) for lead in leads}
    if sum(sizes.values()) > largest:
        raise UnreadableError(Reason.TOO_LARGE)
    least = None
    for lead in leads:
        samples, width, _ = _PACKED[lead.format]
        there = max(0, sizes[lead.path] - lead.start) * samples // width // lead.stride
        least = there if least is None else min(least, there)
    found = claimed or least or 0
    if least is None or not 0 < found <= least:
        raise UnreadableError(Reason.UNREADABLE)
    return found


def read_lead(record: Record, lead: Lead, frames: int, *, largest: int) -> NDArray[np.float64]:
    """The first samples of a lead, of at most `frames` frames, in its unit; NaN where the record marks them as missing.

    Raises:
        UnreadableError: UNIT_UNKNOWN where the lead has no gain.
    """
    if not math.isfinite(lead.gain) or lead.gain == 0:
        raise UnreadableError(Reason.UNIT_UNKNOWN)
    wanted = min(frames + lead.skew, record.frames)
    samples, width, bits = _PACKED[lead.format]
    count = wanted * lead.stride
    packed = contents(lead.path, largest, start=lead.start, most=-(-count // samples) * width)
    stored = _unpacked(packed, lead.format)[:count]
    if len(stored) != count:
        raise UnreadableError(Reason.UNREADABLE)
    own = stored.reshape(wanted, lead.stride)[lead.skew :, lead.place : lead.place + lead.samples].reshape(-1)
    missing = own == -(2 ** (bits - 1))
    return np.where(missing, np.nan, (own.astype(np.float64) - lead.baseline) / lead.gain)


def _unpacked(packed: bytes, form: str) -> NDArray[np.signedinteger]:
    """Samples as they are stored, signed."""
    simple = {"16": "<i2", "32": "<i4", "61": ">i2"}
    if form in simple:
        return np.frombuffer(packed[: len(packed) // int(simple[form][2]) * int(simple[form][2])], simple[form])
    raw = np.frombuffer(packed, np.uint8)
    if form == "80":
        return raw.astype(np.int16) - 128
    if form == "160":
        return np.frombuffer(packed[: len(packed) // 2 * 2], "<u2").astype(np.int32) - 32768
    unpack = {"24": _unpacked_24, "212": _unpacked_212, "310": _unpacked_310, "311": _unpacked_311}
    return unpack[form](raw)


def _whole(raw: NDArray[np.uint8], width: int) -> NDArray[np.int32]:
    """Groups of `width` bytes; a last group that is cut short is filled with 0."""
    padded = np.zeros(-(-len(raw) // width) * width, np.int32)
    padded[: len(raw)] = raw
    return padded.reshape(-1, width)


def _signed(values: NDArray[np.int32], bits: int) -> NDArray[np.int32]:
    return np.where(values >= 1 << (bits - 1), values - (1 << bits), values).reshape(-1)


def _unpacked_24(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    groups = _whole(raw, 3)
    return _signed(groups[:, 0] | groups[:, 1] << 8 | groups[:, 2] << 16, 24)


def _unpacked_212(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    groups = _whole(raw, 3)
    low = groups[:, 0] | (groups[:, 1] & 0x0F) << 8
    high = groups[:, 2] | (groups[:, 1] & 0xF0) << 4
    return _signed(np.stack([low, high], axis=1), 12)


def _unpacked_310(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    groups = _whole(raw, 4)
    first, second = groups[:, 0] | groups[:, 1] << 8, groups[:, 2] | groups[:, 3] << 8
    third = (first >> 11 & 0x1F) | (second >> 11 & 0x1F) << 5
    return _signed(np.stack([first >> 1 & 0x3FF, second >> 1 & 0x3FF, third], axis=1), 10)


def _unpacked_311(raw: NDArray[np.uint8]) -> NDArray[np.int32]:
    groups = _whole(raw, 4)
    whole = groups[:, 0] | groups[:, 1] << 8 | groups[:, 2] << 16 | (groups[:, 3] & 0x3F) << 24
    return _signed(np.stack([whole & 0x3FF, whole >> 10 & 0x3FF, whole >> 20 & 0x3FF], axis=1), 10)
