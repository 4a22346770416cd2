"""A folder of DICOM files as rows: for each file or series its path and the declared tags; pixels are not read.

The columns are `file` (the path within the folder) and one for each keyword of the option `tags`. Beside DICOM's own
keywords there are such as `StudyDateTime`, made of `StudyDate` and `StudyTime`. Cells are text as DICOM has it, but for
dates and times (ISO 8601) and ages (years). Tags with names of persons, sequences and binary values are never read.

With ``rows = "series"`` each series of a folder is one row: `file` is the folder, the tags are those of its first file.
Files that are no DICOM are told as rejected rows; a row's number is that of its (first) file in the folder's order.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from fedward_client.importer.arrays.dicom_file import is_directory, read_headers
from fedward_client.importer.arrays.files import contents, size
from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.quarantine import Reason, Rejection, UnreadableError
from fedward_client.importer.sources.columns import positions
from fedward_client.importer.sources.files import source_path
from fedward_client.importer.sources.options import Options, text, texts
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    import polars as pl
    from pydicom import Dataset

__all__ = ["DicomHeaders"]

_FILE = "file"
_STANDARD = (
    "PatientID",
    "PatientSex",
    "PatientAge",
    "StudyInstanceUID",
    "SeriesInstanceUID",
    "StudyDateTime",
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "BodyPartExamined",
    "ViewPosition",
)
_SERIES = "SeriesInstanceUID"
_NEVER = ("PN", "SQ", "OB", "OW", "OF", "OD", "OL", "OV", "UN")
_MOST_FILES = 5_000_000
_DEEPEST = 100
_BATCH = 2048
_FIRST_READ, _MOST_READ = 1 << 16, 1 << 24
_AGE = re.compile(r"(\d{3})([DWMY])")
_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}
_DATE = re.compile(r"(\d{4})[.-]?(\d{2})[.-]?(\d{2})")
_TIME = re.compile(r"(\d{2}):?(\d{2})?:?(\d{2})?(\.\d{1,6})?")

_Cells = dict[str, str | None]


class DicomHeaders:
    """The folder as a source.

    Options: `tags` (the keywords that are columns; a usual choice without it), `rows` ("instance", which is the
    default, or "series").
    """

    OPTIONS: ClassVar[Options] = {"tags": tuple, "rows": str}

    def __init__(self, folder: Path, *, tags: Sequence[str] = (), rows: str = "instance") -> None:
        if rows not in {"instance", "series"}:
            raise UsageError("rows of a DICOM folder are 'instance' or 'series'")
        if not folder.is_dir():
            raise UsageError(f"cannot read {folder}: it is no folder", hint="Name the folder that holds the files.")
        self._folder, self._by_series = folder, rows == "series"
        self._tags = tuple(dict.fromkeys(tags or _STANDARD))
        for tag in self._tags:
            _parts(tag)

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the folder that `terms` name."""
        return cls(source_path(terms, folder), tags=texts(terms, "tags"), rows=text(terms, "rows", "instance"))

    def columns(self) -> tuple[str, ...]:
        """`file` and the tags."""
        return (_FILE, *self._tags)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """A row for each file or series, folder by folder in the order of their names; links are not followed.

        Raises:
            SourceDataError: there is no such column, or no DICOM file at all.
        """
        names = self.columns()
        wanted = tuple(names[place] for place in positions(names, columns, self._folder.name))
        logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
        yield from self._read(wanted)

    def _read(self, wanted: tuple[str, ...]) -> Iterator[Batch]:
        paths = _listed(self._folder)
        tags = tuple(name for name in wanted if name != _FILE)
        found: list[tuple[int, _Cells]] = []
        rejections: list[Rejection] = []
        series: set[tuple[str, str | None]] = set()
        rows = 0
        for number, path in enumerate(paths, start=1):
            try:
                cells = _cells(self._folder / path, (*tags, _SERIES))
            except UnreadableError as failure:
                rejections.append(Rejection(number, "(row)", failure.reason))
                cells = None
            if cells is not None and self._is_new(path, cells, series):
                found.append((number, {**cells, _FILE: path.rpartition("/")[0] if self._by_series else path}))
            if len(found) + len(rejections) >= _BATCH or number == len(paths):
                yield Batch(_table(found, wanted), tuple(rejections), number, len(paths))
                rows += len(found)
                found, rejections = [], []
        if not rows:
            raise SourceDataError(f"{self._folder}: there is no DICOM file", hint="Is it the right folder?")

    def _is_new(self, path: str, cells: _Cells, series: set[tuple[str, str | None]]) -> bool:
        if not self._by_series:
            return True
        key = (path.rpartition("/")[0], cells[_SERIES])
        known = key in series
        series.add(key)
        return not known


def _table(found: list[tuple[int, _Cells]], wanted: tuple[str, ...]) -> pl.DataFrame:
    import polars as pl

    numbers = pl.Series(ROW, [number for number, _ in found], pl.UInt64)
    return pl.DataFrame(
        [numbers, *(pl.Series(name, [cells[name] for _, cells in found], pl.String) for name in wanted)]
    )


def _listed(folder: Path) -> list[str]:
    """The files in and below a folder, as paths within it: a folder's files, then its folders, in their order.

    Raises:
        SourceDataError: there are too many, or folders lie too deep.
        UsageError: one of the folders is not ours to read.
    """
    found: list[str] = []
    waiting = [""]
    while waiting:
        within = waiting.pop()
        if within.count("/") > _DEEPEST:
            raise SourceDataError(f"{folder}: folders lie more than {_DEEPEST} deep", hint="Is it the right folder?")
        try:
            with os.scandir(folder / within) as entries:
                kinds = sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
        except OSError as error:
            raise UsageError(f"cannot read all folders in {folder}: {error.strerror}", hint="Check who may.") from error
        found += [within + name for name, is_folder in kinds if not is_folder]
        waiting += [f"{within}{name}/" for name, is_folder in reversed(kinds) if is_folder]
        if len(found) > _MOST_FILES:
            raise SourceDataError(f"{folder}: more than {_MOST_FILES} files", hint="Import it in parts.")
    return found


def _cells(path: Path, tags: Sequence[str]) -> _Cells | None:
    """The cells of a file; None for a DICOMDIR."""
    keywords = [keyword for tag in tags for keyword in _parts(tag)]
    if not str(path).isprintable():
        raise UnreadableError(Reason.NO_FILE)
    most, there = _FIRST_READ, size(path)
    while True:
        start = contents(path, there, most=most)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                elements, past = read_headers(start, keywords, largest=_MOST_READ)
                if past or most >= min(there, _MOST_READ):
                    return None if is_directory(start) else {tag: _cell(elements, tag) for tag in tags}
        except UnreadableError:
            raise
        except Exception:  # noqa: BLE001 - pydicom fails in any way at all, and its messages hold values of the file
            if most >= min(there, _MOST_READ):
                raise UnreadableError(Reason.UNREADABLE) from None
        most *= 16


def _parts(tag: str) -> tuple[str, ...]:
    """The DICOM keywords that a column is made of.

    Raises:
        UsageError: there is none of that name, or it is one that is never read.
    """
    from pydicom.datadict import dictionary_VR, tag_for_keyword

    if not tag or tag_for_keyword(tag) is None:
        stem = tag.removesuffix("DateTime")
        if stem in {"", tag} or None in {tag_for_keyword(f"{stem}Date"), tag_for_keyword(f"{stem}Time")}:
            raise UsageError(f"DICOM has no tag {tag!r}", hint="Tags are keywords, such as PatientID or StudyDate.")
        return (f"{stem}Date", f"{stem}Time")
    if any(kind in _NEVER for kind in dictionary_VR(tag).split(" or ")):
        raise UsageError(
            f"the tag {tag!r} is not read", hint="Names of persons, sequences and binary values never are."
        )
    return (tag,)


def _cell(elements: Dataset, tag: str) -> str | None:
    parts = _parts(tag)
    values = [_text(elements, keyword) for keyword in parts]
    if len(parts) > 1:
        return _moment(values[0], values[1])
    value = values[0]
    if value is None or tag not in elements:
        return None
    kind = elements[tag].VR
    if kind == "DA":
        return _date(value)
    if kind == "DT":
        return _moment(value[:8], value[8:])
    age = _AGE.fullmatch(value) if kind == "AS" else None
    return f"{int(age[1]) / _A_YEAR[age[2]]:.6g}" if age else value


def _text(elements: Dataset, keyword: str) -> str | None:
    """What stands there, several values with a backslash between them; None where nothing does."""
    value = elements.get(keyword)
    if value is None:
        return None
    several = isinstance(value, Sequence) and not isinstance(value, str)
    written = "\\".join(str(item) for item in value) if several else str(value)
    return written.strip(" \0") or None


def _date(value: str) -> str:
    """ISO 8601, or what stands there where it is no date."""
    found = _DATE.fullmatch(value)
    return f"{found[1]}-{found[2]}-{found[3]}" if found else value


def _moment(date: str | None, time: str | None) -> str | None:
    """ISO 8601; midnight where there is no time, and what stands there where it is none."""
    if date is None:
        return None
    found = _TIME.fullmatch(time or "00")
    if not found:
        return f"{date} {time}"
    return f"{_date(date)}T{found[1]}:{found[2] or '00'}:{found[3] or '00'}{found[4] or ''}"
