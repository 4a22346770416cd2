"""A small OMOP CDM as CSV files, Parquet files and a database: the same rows and the same events."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest

from fedward_client.importer.events.windows import WithEvents
from fedward_client.importer.mapping import Answer, Option, SourceTerms
from fedward_client.importer.mapping import Mapping as SiteMapping
from fedward_client.importer.sources.omop import OmopEvents
from fedward_client.importer.sources.registry import open_events, open_source
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW
from fedward_shared.contracts.arrays import Pick
from fedward_shared.contracts.cohort import DataContract, DataKind, Label, NumberColumn, Timing
from fedward_shared.errors import SourceDataError, UsageError

GLUCOSE, FASTING, MG_DL = 3004501, 3037110, 8840
TABLES: dict[str, dict[str, list[object]]] = {
    "person": {
        "person_id": [1, 2, 3],
        "gender_concept_id": [8507, 8532, 8532],
        "race_concept_id": [0, 0, 0],
        "ethnicity_concept_id": [0, 0, 0],
        "year_of_birth": [1950, 1980, 2000],
        "month_of_birth": [6, None, None],
        "day_of_birth": [16, None, None],
    },
    "cohort": {
        "cohort_definition_id": [7, 7, 8],
        "subject_id": [1, 2, 3],
        "cohort_start_date": ["2020-06-15", "2020-01-01", "2020-01-01"],
        "cohort_end_date": ["2020-06-20", "2020-01-02", "2020-01-01"],
    },
    "visit_occurrence": {
        "visit_occurrence_id": [10, 11],
        "person_id": [1, 3],
        "visit_concept_id": [9201, 9202],
        "visit_start_date": ["2020-06-15", "2020-01-01"],
        "visit_start_datetime": ["2020-06-15 08:30:00", None],
        "visit_end_date": ["2020-06-20", "2020-01-01"],
    },
    "measurement": {
        "measurement_id": [1, 2, 3, 4],
        "person_id": [1, 1, 2, 3],
        "measurement_concept_id": [GLUCOSE, FASTING, GLUCOSE, 40],
        "measurement_date": ["2020-06-14", "2020-06-14", "2020-01-01", "2020-01-01"],
        "measurement_datetime": ["2020-06-14 23:00:00", None, None, None],
        "operator_concept_id": [None, 4172703, 4171756, 0],
        "value_as_number": [90.0, 100.0, 5.0, None],
        "value_as_concept_id": [None, 0, 0, 45884084],
        "unit_concept_id": [MG_DL, MG_DL, 8753, 77],
        "unit_source_value": ["ignored", "", None, None],
        "visit_occurrence_id": [10, None, None, None],
    },
    "observation": {
        "observation_id": [1],
        "person_id": [2],
        "observation_concept_id": [50],
        "observation_date": ["2020-01-05"],
        "value_as_string": ["well"],
        "unit_source_value": ["points"],
    },
    "condition_occurrence": {
        "condition_occurrence_id": [1],
        "person_id": [1],
        "condition_concept_id": [60],
        "condition_start_date": ["2020-06-16"],
    },
    "concept": {
        "concept_id": [MG_DL, 8753, GLUCOSE],
        "vocabulary_id": ["UCUM", "UCUM", "LOINC"],
        "concept_code": ["mg/dL", "mmol/L", "2345-7"],
    },
    "concept_ancestor": {
        "ancestor_concept_id": [GLUCOSE, GLUCOSE, 99],
        "descendant_concept_id": [GLUCOSE, FASTING, FASTING],
    },
}

Write = Callable[[Path, Mapping[str, dict[str, list[object]]]], SourceTerms]


def _csv(folder: Path, tables: Mapping[str, dict[str, list[object]]]) -> SourceTerms:
    (folder / "cdm").mkdir()
    for name, columns in tables.items():
        upper = {column.upper(): cells for column, cells in columns.items()}
        pl.DataFrame(upper).write_csv(folder / "cdm" / f"{name.upper()}.csv")
    return SourceTerms("omop", Path("cdm"))


def _parquet(folder: Path, tables: Mapping[str, dict[str, list[object]]]) -> SourceTerms:
    (folder / "cdm").mkdir()
    for name, columns in tables.items():
        pl.DataFrame(columns).write_parquet(folder / "cdm" / f"{name}.parquet")
    return SourceTerms("omop", Path("cdm"))


def _database(folder: Path, tables: Mapping[str, dict[str, list[object]]]) -> SourceTerms:
    with sqlite3.connect(folder / "cdm.db") as connection:
        for name, columns in tables.items():
            connection.execute(f"CREATE TABLE {name} ({', '.join(columns)})")
            marks = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", zip(*columns.values(), strict=True))  # noqa: S608
    connection.close()
    return SourceTerms("omop", None, MappingProxyType({"url": "sqlite:///cdm.db"}))


KINDS = pytest.mark.parametrize("write", [_csv, _parquet, _database], ids=["csv", "parquet", "database"])


def _with(terms: SourceTerms, **options: Option) -> SourceTerms:
    return SourceTerms(terms.type, terms.path, MappingProxyType({**terms.options, **options}))


def _rows(folder: Path, terms: SourceTerms) -> list[dict[str, object]]:
    source = open_source(terms, folder)
    found = [batch.table.drop(ROW) for batch in source.batches(source.columns())]
    return [
        {name: None if cell is None else str(cell) for name, cell in row.items()}
        for part in found
        for row in part.rows(named=True)
    ]


def _events(folder: Path, terms: SourceTerms) -> set[tuple[object, ...]]:
    source = open_events(terms, folder)
    assert source.columns() == EVENT_COLUMNS
    found = [
        batch.table.with_columns(pl.col("value").str.strip_suffix(".0")) for batch in source.batches(EVENT_COLUMNS)
    ]
    return {row for table in found for row in table.drop(ROW).rows()}


@KINDS
def test_entries_of_a_cohort_are_rows_with_age_at_their_start(tmp_path: Path, write: Write) -> None:
    rows = _rows(tmp_path, _with(write(tmp_path, TABLES), cohort=7))

    assert [(row["person_id"], row["cohort_start_date"], row["age"], row["gender_concept_id"]) for row in rows] == [
        ("1", "2020-06-15", "69", "8507"),
        ("2", "2020-01-01", "40", "8532"),
    ]


@KINDS
def test_visits_are_rows_of_the_persons_of_a_cohort(tmp_path: Path, write: Write) -> None:
    terms = write(tmp_path, TABLES)

    every = _rows(tmp_path, _with(terms, rows="visit"))
    some = _rows(tmp_path, _with(terms, rows="visit", cohort=8))

    assert [(row["visit_occurrence_id"], row["visit_start_datetime"], row["age"]) for row in every] == [
        ("10", "2020-06-15 08:30:00", "69"),
        ("11", None if write is not _csv else "", "20"),
    ]
    assert [row["person_id"] for row in some] == ["3"]
    assert some[0]["visit_end_datetime"] is None


@KINDS
def test_every_domain_becomes_events(tmp_path: Path, write: Write) -> None:
    events = _events(tmp_path, write(tmp_path, TABLES))

    assert events == {
        ("1", "10", "2020-06-14 23:00:00", f"concept:{GLUCOSE}", "90", "mg/dL"),
        ("1", None, "2020-06-14", f"concept:{FASTING}", "100", "mg/dL"),
        ("2", None, "2020-01-01", f"concept:{GLUCOSE}", "<5", "mmol/L"),
        ("3", None, "2020-01-01", "concept:40", "concept:45884084", "concept:77"),
        ("2", None, "2020-01-05", "concept:50", "well", "points"),
        ("1", None, "2020-06-16", "concept:60", None, None),
        ("1", "10", "2020-06-15 08:30:00", "concept:9201", None, None),
        ("3", "11", "2020-01-01", "concept:9202", None, None),
    }


@KINDS
def test_events_can_be_those_of_a_cohort_of_some_domains_and_of_some_codes(tmp_path: Path, write: Write) -> None:
    terms = write(tmp_path, TABLES)

    assert {event[0] for event in _events(tmp_path, _with(terms, cohort=7))} == {"1", "2"}
    assert {event[3] for event in _events(tmp_path, _with(terms, domains=("observation",)))} == {"concept:50"}
    source = open_events(terms, tmp_path)
    assert isinstance(source, OmopEvents)
    some = source.narrowed(frozenset({f"concept:{GLUCOSE}", "concept:x", "loinc:1"}))
    rows = [row for batch in some.batches(("patient", "code")) for row in batch.table.drop(ROW).rows()]
    assert rows == [("1", f"concept:{GLUCOSE}"), ("2", f"concept:{GLUCOSE}")]


@KINDS
@pytest.mark.parametrize(("descendants", "value"), [(False, 90 / 18.0156), (True, 95 / 18.0156)])
def test_a_code_can_stand_for_all_concepts_below_it(
    tmp_path: Path, write: Write, descendants: bool, value: float
) -> None:
    terms = write(tmp_path, TABLES)
    timing = Timing((-48.0, 0.0), codes=(f"concept:{GLUCOSE}",), pick=Pick.MEAN)
    column = NumberColumn("glucose", "mmol/L", 1, 40, 6, 2, substance="glucose", timing=timing)
    contract = DataContract(
        DataKind.TABLE, Label("y", (("0",),), ("n",)), (column,), patient="who", time_zero="admitted"
    )
    answers = {"who": Answer(source="person_id"), "admitted": Answer(source="cohort_start_date")}
    rows = open_source(_with(terms, cohort=7), tmp_path)
    events = open_events(_with(terms, descendants=descendants), tmp_path)
    mapping = SiteMapping(decimal=",", columns=MappingProxyType(answers))

    source = WithEvents(rows, events, contract, mapping, tmp_path)
    cells = [cell for batch in source.batches(["glucose"]) for cell in batch.table["glucose"]]

    assert cells == [pytest.approx(value, rel=1e-3), None]
    assert sum(source.losses.counts.values()) == 1


def test_times_with_a_zone_stay_exact_and_can_become_local(tmp_path: Path) -> None:
    terms = _with(_parquet(tmp_path, TABLES), domains=("measurement",))
    path = tmp_path / "cdm" / "measurement.parquet"
    aware = pl.col("measurement_datetime").str.to_datetime(time_zone="UTC")
    pl.read_parquet(path).with_columns(
        aware.dt.convert_time_zone("America/New_York"), pl.col("measurement_date").str.to_datetime()
    ).write_parquet(path)

    assert {event[2] for event in _events(tmp_path, terms)} == {"2020-06-14T23:00:00Z", "2020-06-14", "2020-01-01"}
    local = _events(tmp_path, _with(terms, zone="Europe/Berlin"))
    assert {event[2] for event in local} == {"2020-06-15T01:00:00", "2020-06-14", "2020-01-01"}


def test_without_a_table_of_concepts_the_commonest_units_are_known(tmp_path: Path) -> None:
    terms = _csv(tmp_path, {name: table for name, table in TABLES.items() if name != "concept"})

    units = {event[5] for event in _events(tmp_path, _with(terms, domains=("measurement",)))}

    assert units == {"mg/dL", "mmol/L", "concept:77"}


@pytest.mark.parametrize(
    ("lacking", "options", "told"),
    [
        ("", {}, "holds several cohorts"),
        ("", {"rows": "death"}, "rows cannot be 'death'"),
        ("person", {"cohort": 7}, "no table person"),
        ("cohort", {"cohort": 7}, "no table cohort"),
    ],
)
def test_rows_that_cannot_be_are_told(tmp_path: Path, lacking: str, options: dict[str, Option], told: str) -> None:
    terms = _csv(tmp_path, {name: table for name, table in TABLES.items() if name != lacking})

    with pytest.raises((SourceDataError, UsageError), match=told):
        _rows(tmp_path, _with(terms, **options))


@pytest.mark.parametrize(
    ("options", "told"),
    [({"domains": ("death",)}, "no domain 'death'"), ({"descendants": True}, "needs to know which codes")],
)
def test_events_that_cannot_be_are_told(tmp_path: Path, options: dict[str, Option], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        _events(tmp_path, _with(_csv(tmp_path, TABLES), **options))


def test_a_cdm_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "cdm").mkdir()

    with pytest.raises(SourceDataError, match="no table of events"):
        _events(tmp_path, SourceTerms("omop", Path("cdm")))
    with pytest.raises(UsageError, match="is no folder"):
        _rows(tmp_path, SourceTerms("omop", Path("none")))
    with pytest.raises(UsageError, match="name of a schema"):
        _rows(tmp_path, SourceTerms("omop", None, MappingProxyType({"url": "sqlite:///x.db", "schema": "a; DROP"})))


def test_two_files_of_one_table_are_told(tmp_path: Path) -> None:
    terms = _csv(tmp_path, TABLES)
    (tmp_path / "cdm" / "person.csv").write_text("person_id\n")

    with pytest.raises(SourceDataError, match="two files of the table person"):
        _rows(tmp_path, terms)


def test_a_person_twice_is_told(tmp_path: Path) -> None:
    person = {name: [cells[0], cells[0]] for name, cells in TABLES["person"].items()}

    with pytest.raises(SourceDataError, match="one person_id twice"):
        _rows(tmp_path, _with(_csv(tmp_path, {**TABLES, "person": person}), cohort=7))
