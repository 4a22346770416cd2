"""OMOP CDM 5.4 as rows (a cohort's entries, or visits) and as events, from a database or a folder of its tables.

The database is read in one transaction a table. Times with an offset from UTC keep it, unless the option `zone` says
where they are local. Dates stay dates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Self

import polars as pl

from fedward_client.importer.checking.cells import text as cell_text
from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.columns import positions
from fedward_client.importer.sources.omop_domains import DOMAINS, OPERATORS, UNITS, Domain
from fedward_client.importer.sources.omop_tables import CdmTables, open_tables, whole
from fedward_client.importer.sources.options import Options, flag, text, texts
from fedward_client.importer.sources.options import whole as whole_option
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW, Batch
from fedward_client.importer.sources.zones import ZONE, in_zone, iso, zone_of
from fedward_shared.errors import SourceDataError, UsageError

__all__ = ["OmopEvents", "OmopSource"]

_WHERE: Options = {"url": str, "schema": str, "password_file": str, "timeout": float}
_PERSON = ("gender_concept_id", "race_concept_id", "ethnicity_concept_id", "year_of_birth")
_BORN = ("month_of_birth", "day_of_birth")
_COHORT = ("person_id", "cohort_start_date", "cohort_end_date", *_PERSON, "age")
_VISIT = (
    *("visit_occurrence_id", "person_id", "visit_concept_id", "visit_start_date", "visit_start_datetime"),
    *("visit_end_date", "visit_end_datetime", *_PERSON, "age"),
)
_PREFIX = "concept:"


class OmopSource:
    """One row for each entry of a cohort, or for each visit, with what PERSON says.

    Entries of a cohort have person_id, cohort_start_date, cohort_end_date; visits visit_occurrence_id, person_id,
    visit_concept_id, visit_start_date, visit_start_datetime, visit_end_date, visit_end_datetime; both have
    gender_concept_id, race_concept_id, ethnicity_concept_id, year_of_birth and `age`: whole years at the start, from
    the year (and where known, month and day) of birth. Row numbers are those of COHORT or VISIT_OCCURRENCE. PERSON is
    held in memory.

    Options: `cohort` (a cohort_definition_id; which a table COHORT with one cohort does not need), `rows` ("cohort" or
    "visit"; with visits, `cohort` leaves only those of its persons), and where the tables are: `url`, `schema`,
    `password_file`, `timeout` as for databases, or a path to a folder; and `zone` (`zones.ZONE`), for visits.
    """

    OPTIONS: ClassVar[Options] = {"cohort": int, "rows": str, ZONE: str, **_WHERE}

    def __init__(self, tables: CdmTables, *, cohort: int | None = None, rows: str = "cohort", zone: str = "") -> None:
        if rows not in {"cohort", "visit"}:
            raise UsageError(f"rows cannot be {rows!r}", hint='They are "cohort" or "visit".')
        self._tables = tables
        self._cohort = cohort
        self._visits = rows == "visit"
        self._zone = zone

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Finds the tables that `terms` name."""
        cohort = whole_option(terms, "cohort", 0) if "cohort" in terms.options else None
        rows = text(terms, "rows", "cohort")
        return cls(open_tables(terms, folder), cohort=cohort, rows=rows, zone=zone_of(terms))

    def columns(self) -> tuple[str, ...]:
        """Those of the kind of row."""
        return _VISIT if self._visits else _COHORT

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The rows, in the order of COHORT or VISIT_OCCURRENCE."""
        positions(self.columns(), columns, "the CDM")
        people = _people(self._tables)
        for batch in self._entries() if not self._visits else self._stays():
            table = batch.table.join(people, on="person_id", how="left", maintain_order="left")
            start = "visit_start_date" if self._visits else "cohort_start_date"
            table = table.with_columns(_age(cell_text(pl.col(start), table.schema[start])))
            kept = table.select(ROW, *(pl.col(name) for name in columns))
            yield Batch(kept, batch.rejections, batch.done, batch.of)

    def _entries(self) -> Iterator[Batch]:
        yield from cohort_entries(self._tables, self._cohort)

    def _stays(self) -> Iterator[Batch]:
        there = self._tables.columns("visit_occurrence")
        own = [name for name in _VISIT if name in there]
        persons = None if self._cohort is None else cohort_persons(self._tables, self._cohort)
        for batch in self._tables.read("visit_occurrence", own):
            table = batch.table.with_columns(whole(batch.table, "person_id"))
            if persons is not None:
                table = table.filter(pl.col("person_id").is_in(persons.implode()))
            absent = [name for name in _VISIT[: -len(_PERSON) - 1] if name not in own]
            table = table.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
            table = in_zone(table, ("visit_start_datetime", "visit_end_datetime"), self._zone)
            yield Batch(table, batch.rejections, batch.done, batch.of)


class OmopEvents:
    """Measurements, observations, conditions, drugs, procedures and visits, each with its code ``concept:<id>``.

    A value is value_as_number (with ``<`` or ``>`` before it where operator_concept_id says so), else the concept of
    value_as_concept_id, else value_as_string; for drugs and procedures the quantity. A unit is the UCUM code of
    unit_concept_id, else unit_source_value. A time is the datetime, else the date. The encounter is
    visit_occurrence_id. Row numbers are those of each table.

    Options: `domains` (names of tables; without it all that are there), `cohort` (only events of its persons),
    `descendants` (a code stands for all concepts below it in CONCEPT_ANCESTOR, too), `zone` (`zones.ZONE`: times with
    an offset become local times, as a cohort's dates are), and where the tables are.
    """

    OPTIONS: ClassVar[Options] = {"domains": tuple, "cohort": int, "descendants": bool, ZONE: str, **_WHERE}
    DECIMAL: ClassVar[str] = "."

    def __init__(
        self,
        tables: CdmTables,
        *,
        domains: Sequence[str] = (),
        cohort: int | None = None,
        descendants: bool = False,
        codes: frozenset[str] | None = None,
        zone: str = "",
    ) -> None:
        unknown = [name for name in domains if name not in DOMAINS]
        if unknown:
            raise UsageError(
                f"there is no domain {', '.join(map(repr, unknown))}", hint=f"There are: {', '.join(DOMAINS)}."
            )
        self._tables = tables
        self._domains = tuple(domains)
        self._cohort = cohort
        self._descendants = descendants
        self._codes = codes
        self._zone = zone

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Finds the tables that `terms` name."""
        return cls(
            open_tables(terms, folder),
            domains=texts(terms, "domains"),
            cohort=whole_option(terms, "cohort", 0) if "cohort" in terms.options else None,
            descendants=flag(terms, "descendants", default=False),
            zone=zone_of(terms),
        )

    def narrowed(self, codes: frozenset[str]) -> OmopEvents:
        """The same events, but only those with these codes; with descendants, each under the codes it stands for."""
        return OmopEvents(
            self._tables,
            domains=self._domains,
            cohort=self._cohort,
            descendants=self._descendants,
            codes=codes,
            zone=self._zone,
        )

    def columns(self) -> tuple[str, ...]:
        """`EVENT_COLUMNS`."""
        return EVENT_COLUMNS

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The events, domain by domain."""
        positions(EVENT_COLUMNS, columns, "the CDM")
        meanings = self._meanings()
        units = _units(self._tables)
        persons = None if self._cohort is None else cohort_persons(self._tables, self._cohort)
        for domain in self._chosen():
            there = self._tables.columns(domain.table)
            own = [name for name in domain.columns if name in there]
            visit = [name for name in ("visit_occurrence_id",) if name in there]
            asked = ("person_id", domain.concept, domain.date, *own, *visit)
            where = None if meanings is None else (domain.concept, frozenset(meanings["concept"].to_list()))
            for batch in self._tables.read(domain.table, asked, where):
                times = [name for name in (domain.time,) if name in own]
                events = _events(in_zone(batch.table, times, self._zone), domain, units, meanings, persons)
                yield Batch(events.select(ROW, *columns), batch.rejections, batch.done, batch.of)

    def _chosen(self) -> list[Domain]:
        found = [DOMAINS[name] for name in self._domains or DOMAINS if self._domains or self._tables.columns(name)]
        if not found:
            raise SourceDataError(
                "there is no table of events", hint=f"Such as {', '.join(f'{name}.csv' for name in DOMAINS)}."
            )
        return found

    def _meanings(self) -> pl.DataFrame | None:
        """Which concepts are wanted, and the codes that each stands for; None where all are."""
        if self._codes is None:
            if self._descendants:
                raise UsageError("descendants = true needs to know which codes a study asks for")
            return None
        wanted = [int(code[len(_PREFIX) :]) for code in sorted(self._codes) if _is_concept(code)]
        own = pl.DataFrame({"concept": wanted, "wanted": wanted}, schema={"concept": pl.Int64, "wanted": pl.Int64})
        found = [own]
        if self._descendants:
            names = ("ancestor_concept_id", "descendant_concept_id")
            for batch in self._tables.read("concept_ancestor", names, (names[0], frozenset(wanted))):
                pairs = batch.table.select(whole(batch.table, names[1]), whole(batch.table, names[0]))
                pairs = pairs.filter(pl.col(names[0]).is_in(wanted))
                found.append(pairs.rename({names[1]: "concept", names[0]: "wanted"}))
        return pl.concat(found).unique(maintain_order=True)


def _is_concept(code: str) -> bool:
    digits = code.removeprefix(_PREFIX)
    return code.startswith(_PREFIX) and digits.isascii() and digits.isdecimal() and len(digits) < 19  # noqa: PLR2004


def cohort_entries(tables: CdmTables, cohort: int | None) -> Iterator[Batch]:
    """The entries of one cohort: person_id, cohort_start_date, cohort_end_date.

    Raises:
        SourceDataError: no cohort is named, and there are several.
    """
    names = ("cohort_definition_id", "subject_id", "cohort_start_date", "cohort_end_date")
    only = None if cohort is None else (names[0], frozenset({cohort}))
    seen: set[int | None] = set()
    for batch in tables.read("cohort", names, only):
        table = batch.table.with_columns(whole(batch.table, "subject_id"), whole(batch.table, names[0]))
        if cohort is not None:
            table = table.filter(pl.col(names[0]) == cohort)
        seen |= set(table[names[0]].unique())
        if len(seen) > 1:
            raise SourceDataError(
                "the table cohort holds several cohorts", hint="Say which: cohort = … (its cohort_definition_id)."
            )
        yield Batch(table.rename({"subject_id": "person_id"}), batch.rejections, batch.done, batch.of)


def cohort_persons(tables: CdmTables, cohort: int | None) -> pl.Series:
    """The person_id of everybody in a cohort."""
    found = [batch.table["person_id"] for batch in cohort_entries(tables, cohort)]
    return pl.concat(found).unique() if found else pl.Series("person_id", [], pl.Int64)


def _people(tables: CdmTables) -> pl.DataFrame:
    there = tables.columns("person")
    own = ["person_id", *(name for name in (*_PERSON, *_BORN) if name in there)]
    found = []
    for batch in tables.read("person", own):
        table = batch.table.select(whole(batch.table, name) for name in own)
        found.append(table.with_columns(pl.lit(None, pl.Int64).alias(name) for name in _BORN if name not in own))
    people = pl.concat(found)
    if people["person_id"].is_duplicated().any():
        raise SourceDataError("the table person says one person_id twice")
    absent = [name for name in _PERSON if name not in own]
    return people.with_columns(pl.lit(None, pl.Int64).alias(name) for name in absent)


def _age(start: pl.Expr) -> pl.Expr:
    """Whole years between birth and a date; where month or day of birth are not known, they are the first."""
    year, month, day = (start.str.slice(at, size).cast(pl.Int64, strict=False) for at, size in ((0, 4), (5, 2), (8, 2)))
    born = pl.col("month_of_birth").fill_null(1) * 100 + pl.col("day_of_birth").fill_null(1)
    before = (month * 100 + day < born).cast(pl.Int64)
    return (year - pl.col("year_of_birth") - before).alias("age")


def _units(tables: CdmTables) -> dict[int, str]:
    """UCUM codes by unit concept."""
    names = ("concept_id", "vocabulary_id", "concept_code")
    if not set(names) <= set(tables.columns("concept")):
        return dict(UNITS)
    found: dict[int, str] = {}
    for batch in tables.read("concept", names):
        units = batch.table.filter(pl.col("vocabulary_id").cast(pl.String).str.strip_chars() == "UCUM")
        codes = units.select(whole(units, "concept_id"), pl.col("concept_code").cast(pl.String).str.strip_chars())
        found.update(codes.drop_nulls().rows())
    return found


def _events(
    table: pl.DataFrame, domain: Domain, units: dict[int, str], meanings: pl.DataFrame | None, persons: pl.Series | None
) -> pl.DataFrame:
    """Some rows of a domain as `EVENT_COLUMNS`, all text."""
    there = set(table.columns)
    ids = (domain.concept, domain.concept_value, domain.unit, domain.operator, "person_id", "visit_occurrence_id")
    table = table.with_columns(whole(table, name) for name in ids if name in there)
    if persons is not None:
        table = table.filter(pl.col("person_id").is_in(persons.implode()))
    if meanings is not None:
        table = table.join(meanings, left_on=domain.concept, right_on="concept", maintain_order="left")

    def said(name: str) -> pl.Expr:
        """A column as text; null where it is empty or absent."""
        if name not in there:
            return pl.lit(None, dtype=pl.String)
        written = cell_text(pl.col(name), table.schema[name])
        return pl.when(written != "").then(written)

    def looked_up(name: str, meaning: dict[int, str]) -> pl.Expr:
        if name not in there:
            return pl.lit(None, dtype=pl.String)
        return pl.col(name).replace_strict(list(meaning), list(meaning.values()), default=None, return_dtype=pl.String)

    def concept(name: str) -> pl.Expr:
        known = pl.col(name).is_not_null() & (pl.col(name) != 0) if name in there else pl.lit(value=False)
        return pl.when(known).then(pl.lit(_PREFIX) + (pl.col(name) if name in there else pl.lit(0)).cast(pl.String))

    def when() -> pl.Expr:
        """The time, else the day, whatever clock its type has."""
        day = said(domain.date).str.slice(0, 10)
        if domain.time not in there:
            return day
        written = iso(pl.col(domain.time), table.schema[domain.time])
        return pl.coalesce(pl.when(written != "").then(written), day)

    bound = looked_up(domain.operator, OPERATORS).fill_null("")
    code = pl.col("wanted" if meanings is not None else domain.concept)
    return table.select(
        ROW,
        said("person_id").alias("patient"),
        said("visit_occurrence_id").alias("encounter"),
        when().alias("time"),
        (pl.lit(_PREFIX) + code.cast(pl.String)).alias("code"),
        pl.coalesce(bound + said(domain.number), concept(domain.concept_value), said(domain.text)).alias("value"),
        pl.coalesce(looked_up(domain.unit, units), said(domain.unit_text), concept(domain.unit)).alias("unit"),
    )
