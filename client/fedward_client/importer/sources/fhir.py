"""FHIR R4 as rows (patients or stays) and as events (Observation, Condition), from a file or a folder of them.

Row numbers count resources over all files in the order of their names. Withdrawn resources (entered in error,
cancelled, refuted), those that modify their meaning and those that are not as FHIR says are rejections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.quarantine import Reason, Rejection, UnreadableError
from fedward_client.importer.sources.columns import positions
from fedward_client.importer.sources.fhir_files import FhirFiles
from fedward_client.importer.sources.fhir_resources import FhirReader
from fedward_client.importer.sources.files import source_path
from fedward_client.importer.sources.options import Options, text
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW, Batch
from fedward_client.importer.sources.zones import ZONE, in_zone, zone_of
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FhirEvents", "FhirSource"]

_PATIENT = ("patient", "gender", "birthDate", "deceased", "deceasedDateTime")
_ENCOUNTER = ("encounter", "patient", "start", "end", "class", "type", "status")
_ROWS = {"Patient": _PATIENT, "Encounter": (*_ENCOUNTER, *_PATIENT[1:], "age")}
_TIMES = ("start", "end", "deceasedDateTime")
_BATCH = 32_768
_MOST_ROWS = 20_000_000


class FhirSource:
    """One row for each Patient (`rows = "Patient"`) or for each Encounter (`rows = "Encounter"`), all cells text.

    A patient has patient (the id), gender, birthDate, deceased (true, false or nothing) and deceasedDateTime. A stay
    has these of its patient, and encounter (the id), start, end, class, type, status and `age`: whole years at its
    start. A second resource with the same id is a rejection. Memory grows by some 200 bytes a row, for the ids and
    what patients say.

    A date without a time is that day in UTC (`2020-06-15Z`); less than a date is no time.

    Options: `rows`, `base`: the server's URL, if references begin with it, and `zone` (`zones.ZONE`): all times become
    local times.
    """

    OPTIONS: ClassVar[Options] = {"rows": str, "base": str, ZONE: str}

    def __init__(self, path: Path, *, rows: str = "Patient", base: str = "", zone: str = "") -> None:
        if rows not in _ROWS:
            raise UsageError(f"rows cannot be {rows!r}", hint='They are "Patient" or "Encounter".')
        self._path = path
        self._rows = rows
        self._zone = zone
        self._reader = FhirReader(base=base)

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the file or folder that `terms` name."""
        path = source_path(terms, folder)
        _check_there(path)
        return cls(path, rows=text(terms, "rows", "Patient"), base=text(terms, "base"), zone=zone_of(terms))

    def columns(self) -> tuple[str, ...]:
        """Those of the kind of row."""
        return _ROWS[self._rows]

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The rows in the order of the files; for stays, all files are read twice."""
        import polars as pl

        positions(self.columns(), columns, self._path.name)
        patients = self._patients() if self._rows == "Encounter" else None
        for batch in self._read(self._rows, told=True):
            table = in_zone(batch.table, [name for name in _TIMES if name in batch.table.columns], self._zone)
            if patients is not None:
                table = table.join(patients, on="patient", how="left", maintain_order="left").with_columns(_age())
            yield Batch(table.select(ROW, *(pl.col(name) for name in columns)), batch.rejections, batch.done, batch.of)

    def _patients(self) -> pl.DataFrame:
        import polars as pl

        found = pl.concat([batch.table for batch in self._read("Patient", told=False)]).drop(ROW)
        return in_zone(found, ("deceasedDateTime",), self._zone)

    def _read(self, kind: str, *, told: bool) -> Iterator[Batch]:
        """Resources of one kind as rows, each id once."""
        files = FhirFiles(self._path)
        read = self._reader.patient if kind == "Patient" else self._reader.encounter
        names = _PATIENT if kind == "Patient" else _ENCOUNTER
        gathered = _Gathered(names)
        seen: set[str] = set()
        for resource in files.resources(frozenset({kind})):
            try:
                row = read(resource)
                _check_new(row[names[0]], seen)
                gathered.add(resource.number, tuple(row[each] for each in names))
            except UnreadableError as error:
                gathered.refuse(resource.number, error.reason)
            if len(seen) > _MOST_ROWS:
                raise SourceDataError(f"more than {_MOST_ROWS} resources of type {kind}")
            if gathered.full:
                yield gathered.batch(files, told=told)
        yield gathered.batch(files, told=told)


class FhirEvents:
    """Every code of every Observation, of its components, and of every Condition, in the order of the files.

    A code is ``loinc:2345-7``, ``snomed:…`` and so on (`fhir_resources.SYSTEMS`), or ``<URL of its system>|<code>``. A
    value is a number (with its UCUM unit), the first code of a concept, a text, ``true`` or ``false``; with a
    comparator it is ``<5``; what has none but a dataAbsentReason is no event. A Condition has no value, and is used
    only if it is confirmed or says nothing about that. Several codes of one event are several rows with the same
    number.

    A time is when something was observed (effective, the end of a period); of a Condition the later of its onset and of
    when it was recorded, since nobody knew before. With `time = "happened"` it is the onset (else recorded), with
    `time = "recorded"` always when something became known (issued, recordedDate). A date without a time is that day in
    UTC (`2020-06-15Z`), or with `zone` that day there; less than a date is no time.

    Options: `time`, `base`: the server's URL, if references begin with it, and `zone` (`zones.ZONE`): all times become
    local times.
    """

    OPTIONS: ClassVar[Options] = {"time": str, "base": str, ZONE: str}
    DECIMAL: ClassVar[str] = "."

    def __init__(self, path: Path, *, time: str = "", base: str = "", zone: str = "") -> None:
        if time not in {"", "happened", "recorded"}:
            raise UsageError(f"time cannot be {time!r}", hint='It is "happened" or "recorded".')
        self._path = path
        self._zone = zone
        self._reader = FhirReader(base=base, time=time)

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the file or folder that `terms` name."""
        path = source_path(terms, folder)
        _check_there(path)
        return cls(path, time=text(terms, "time"), base=text(terms, "base"), zone=zone_of(terms))

    def columns(self) -> tuple[str, ...]:
        """`EVENT_COLUMNS`."""
        return EVENT_COLUMNS

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The events; those of one resource are never in two batches."""
        positions(EVENT_COLUMNS, columns, self._path.name)
        files = FhirFiles(self._path)
        gathered = _Gathered(EVENT_COLUMNS)
        for resource in files.resources(frozenset({"Observation", "Condition"})):
            try:
                for event in tuple(self._reader.events(resource)):
                    gathered.add(resource.number, event)
            except UnreadableError as error:
                gathered.refuse(resource.number, error.reason)
            if gathered.full:
                yield self._local(gathered.batch(files, columns))
        yield self._local(gathered.batch(files, columns))

    def _local(self, batch: Batch) -> Batch:
        return replace(batch, table=in_zone(batch.table, {"time"} & set(batch.table.columns), self._zone))


class _Gathered:
    """Rows and rejections until there are enough for a batch."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._clear()

    def _clear(self) -> None:
        self._numbers: list[int] = []
        self._rows: list[tuple[str | None, ...]] = []
        self._rejections: list[Rejection] = []

    def add(self, number: int, row: tuple[str | None, ...]) -> None:
        """One row, in the order of the names."""
        self._numbers.append(number)
        self._rows.append(row)

    def refuse(self, number: int, reason: Reason) -> None:
        """One resource that is no row."""
        self._rejections.append(Rejection(number, "(row)", reason))

    @property
    def full(self) -> bool:
        """Whether it is time for a batch."""
        return len(self._rows) + len(self._rejections) >= _BATCH

    def batch(self, files: FhirFiles, columns: Sequence[str] | None = None, *, told: bool = True) -> Batch:
        """What was gathered, and nothing is any more. Only the named columns; without `told` no rejections."""
        import polars as pl

        cells = list(zip(*self._rows, strict=True)) if self._rows else [()] * len(self._names)
        wanted = self._names if columns is None else columns
        places = [self._names.index(name) for name in wanted]
        series = [pl.Series(ROW, self._numbers, pl.UInt64)]
        series += [pl.Series(name, cells[place], pl.String) for name, place in zip(wanted, places, strict=True)]
        batch = Batch(pl.DataFrame(series), tuple(self._rejections) if told else (), files.done, files.size)
        self._clear()
        return batch


def _check_there(path: Path) -> None:
    if not path.exists():
        raise UsageError(f"there is no file or folder {path}", hint="Check path in the mapping.")


def _check_new(name: str | None, seen: set[str]) -> None:
    """A row's id, which it must have and no row had before."""
    if name is None or name in seen:
        raise UnreadableError(Reason.UNREADABLE if name is None else Reason.DUPLICATE)
    seen.add(name)


def _age() -> pl.Expr:
    """Whole years from birth (a year or month alone is its first day) to the day on which the stay began."""
    import polars as pl

    born, start = pl.col("birthDate"), pl.col("start")
    day = (born + "-01-01").str.slice(5, 5)
    years = start.str.slice(0, 4).cast(pl.Int32, strict=False) - born.str.slice(0, 4).cast(pl.Int32, strict=False)
    return (years - (start.str.slice(5, 5) < day).cast(pl.Int32)).cast(pl.String).alias("age")
