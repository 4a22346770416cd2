"""From the mapping's `[source]` or `[events]` to a `Source`: one entry a type, imported when it is asked for.

A source's class has `OPTIONS` (see `options`) and a class method ``open(terms, folder) -> Source``; options are checked
here, so `open` finds each known and of its type. Events are offered by sources of their own, or are rows of any table
whose columns `long` names.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.files import open_regular, source_path
from fedward_client.importer.sources.options import Options, check_options
from fedward_client.importer.sources.source import Source
from fedward_shared.errors import SourceDataError, UsageError

__all__ = ["EVENTS", "SOURCES", "SourceClass", "open_events", "open_source"]

SOURCES = {
    "csv": "csv.CsvSource",
    "parquet": "parquet.ParquetSource",
    "excel": "excel.ExcelSource",
    "sql": "sql.SqlSource",
    "omop": "omop.OmopSource",
    "fhir": "fhir.FhirSource",
    "dicom": "dicom_headers.DicomHeaders",
}
"""Each type of rows: its module in this folder, and its class."""

EVENTS = {"omop": "omop.OmopEvents", "fhir": "fhir.FhirEvents"}
"""Types that offer `EVENT_COLUMNS` by themselves."""

_LONG = "long.LongEvents"
"""Events as rows of a table: its options name the columns; all others are the table's (see `options.only`)."""

_TABLES = ("csv", "parquet", "excel", "sql")
_FOLDERS = ("omop", "fhir", "dicom")
_ZIP, _OLD_EXCEL = b"PK\3\4", b"\xd0\xcf\x11\xe0"
_ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".xlsx": "excel",
    ".xlsm": "excel",
    ".xls": "excel",
}


class SourceClass(Protocol):
    """What the class of a source offers to the registry."""

    OPTIONS: ClassVar[Options]

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Source:
        """Opens a source. `terms` have a type; their options are known and of their types. `folder` is the mapping's.

        Raises:
            UsageError: it cannot be opened, or an option's value means nothing.
        """
        ...


def open_source(terms: SourceTerms, folder: Path) -> Source:
    """Rows. An empty type is guessed from the file's name, or from its first bytes.

    Raises:
        UsageError: type or option unknown, or the source cannot be opened.
        SourceDataError: it is damaged.
    """
    terms = _typed(terms, folder, tuple(SOURCES))
    chosen = _class(SOURCES[terms.type])
    check_options(terms, chosen.OPTIONS)
    return chosen.open(terms, folder)


def open_events(terms: SourceTerms, folder: Path) -> Source:
    """Events: a source whose columns are `EVENT_COLUMNS`.

    Raises:
        UsageError: type or option unknown, or the source cannot be opened.
        SourceDataError: it is damaged.
    """
    terms = _typed(terms, folder, (*_TABLES, *EVENTS))
    if terms.type in EVENTS:
        chosen = _class(EVENTS[terms.type])
        check_options(terms, chosen.OPTIONS)
        return chosen.open(terms, folder)
    chosen = _class(_LONG)
    check_options(terms, {**_class(SOURCES[terms.type]).OPTIONS, **chosen.OPTIONS})
    return chosen.open(terms, folder)


def _class(entry: str) -> SourceClass:
    module, name = entry.split(".")
    found: SourceClass = getattr(import_module(f"fedward_client.importer.sources.{module}"), name)
    return found


def _typed(terms: SourceTerms, folder: Path, offered: tuple[str, ...]) -> SourceTerms:
    """The terms with a type that is offered."""
    if not terms.type:
        return replace(terms, type=_guess(source_path(terms, folder)))
    if terms.type not in offered:
        near = difflib.get_close_matches(terms.type, offered, n=1)
        raise UsageError(
            f"there is no type of source called {terms.type!r}",
            hint=f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(offered)}.",
        )
    return terms


def _guess(path: Path) -> str:
    """By the name; where that says nothing, by the first bytes. The source itself checks that it was right."""
    if path.is_dir():
        raise UsageError(
            f"{path} is a folder, and nothing says of what",
            hint=f'Folders are read as {", ".join(_FOLDERS)}: say which, as type = "{_FOLDERS[0]}" in the mapping\'s '
            "[source]. Of tables, name one file.",
        )
    name = path.name.lower().removesuffix(".gz")
    known = _ENDINGS.get(Path(name).suffix)
    if known and known != "excel":
        return known
    try:
        with open_regular(path) as file:
            start = file.read(4)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", hint="Is it a file on a disk?") from error
    if known:
        _check_workbook(path.name, start)
        return known
    return {b"PAR1": "parquet", _ZIP: "excel", _OLD_EXCEL: "excel"}.get(start, "csv")


def _check_workbook(name: str, start: bytes) -> None:
    """What is called a workbook may be something else, by its first bytes."""
    if start == _OLD_EXCEL:
        raise SourceDataError(
            f"{name} seems to be a workbook of the old kind (.xls), or one with a password",
            hint="Save it as .xlsx, without a password, or as CSV.",
        )
    if start and b"\0" not in start and not start.startswith(_ZIP):
        raise SourceDataError(
            f"{name} is called a workbook, but seems to be text, such as CSV",
            hint='Rename it to .csv, or say type = "csv" in the mapping\'s [source].',
        )
