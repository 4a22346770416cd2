"""Writes rows as the exports that hospitals make: CSV, Parquet, Excel, a database, notes, long-form measurements."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import polars as pl

from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_simulations.generate.admissions import rows
from fedward_simulations.generate.course import DEPARTMENTS, note, vital_signs
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.export import Export, Written
from fedward_simulations.generate.people import patients, true_auc

__all__ = ["write_csv", "write_database", "write_excel", "write_notes", "write_parquet", "write_series"]

_TIME = "%Y-%m-%dT%H:%M:%S"
_QUERY = "SELECT * FROM stays ORDER BY patient_id"
_MORTALITY = 0.4
_OLDER = 4.0

Save = Callable[[pl.DataFrame, Export], Mapping]


def write_csv(export: Export) -> Written:
    """``export.csv``; with decimal commas it is separated by semicolons, as such exports are."""
    return _admissions(export, _save_csv)


def write_parquet(export: Export) -> Written:
    """``export.parquet`` with typed columns."""

    def save(table: pl.DataFrame, export: Export) -> Mapping:
        table.write_parquet(export.folder / "export.parquet")
        return Mapping(source=SourceTerms("parquet", Path("export.parquet")))

    return _admissions(export, save)


def write_excel(export: Export) -> Written:
    """``export.xlsx``: a sheet of notes first, as people make them, then the sheet of stays."""
    return _admissions(export, _save_excel)


def write_database(export: Export) -> Written:
    """``export.db``, a SQLite database with one table `stays`, whose columns have a database's names."""
    return _admissions(export, _save_database)


def _admissions(export: Export, save: Save) -> Written:
    older = export.generator.normal(0, _OLDER)
    hospital = patients(export.site, export.patients, export.generator, older=older)
    table = rows(hospital, export.defects, export.generator)
    best = true_auc(hospital.risk, hospital.ill)
    return Written(save(table, export), table.height, float(hospital.ill.mean()), best)


def _save_csv(table: pl.DataFrame, export: Export) -> Mapping:
    path = export.folder / "export.csv"
    if Defect.DECIMAL_COMMA not in export.defects:
        _texts(table).write_csv(path)
        return Mapping(source=SourceTerms("csv", Path(path.name)))
    numbers = [name for name, kind in table.schema.items() if kind.is_float()]
    commas = pl.col(numbers).cast(pl.String).str.replace(".", ",", literal=True)
    _texts(table.with_columns(commas)).write_csv(path, separator=";")
    return Mapping(source=SourceTerms("csv", Path(path.name), MappingProxyType({"separator": ";"})))


def _save_excel(table: pl.DataFrame, export: Export) -> Mapping:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    book.create_sheet("about").append(["SYNTHETIC", "made by fedward-sim generate; nobody's data"])
    sheet = book.create_sheet("stays")
    sheet.append(table.columns)
    for row in table.iter_rows():
        sheet.append([cell.replace(microsecond=0) if isinstance(cell, datetime) else cell for cell in row])
    book.save(export.folder / "export.xlsx")
    return Mapping(source=SourceTerms("excel", Path("export.xlsx"), MappingProxyType({"sheet": "stays"})))


def _save_database(table: pl.DataFrame, export: Export) -> Mapping:
    path = export.folder / "export.db"
    path.unlink(missing_ok=True)
    texts = _texts(table).rename({"systolic": "sys_bp", "glucose": "gluc_ser"})
    kinds = ", ".join(f'"{name}" {"REAL" if kind.is_float() else "TEXT"}' for name, kind in texts.schema.items())
    places = ", ".join("?" * texts.width)
    database = sqlite3.connect(path)
    try:
        with database:
            database.execute(f"CREATE TABLE stays ({kinds})")
            database.executemany(f"INSERT INTO stays VALUES ({places})", texts.iter_rows())  # noqa: S608 - places only
    finally:
        database.close()
    options = MappingProxyType({"url": "sqlite:///export.db", "query": _QUERY})
    answers = {"systolic": Answer(source="sys_bp"), "glucose": Answer(source="gluc_ser")}
    return Mapping(source=SourceTerms("sql", None, options), columns=MappingProxyType(answers))


def _texts(table: pl.DataFrame) -> pl.DataFrame:
    """Times as ISO 8601 texts."""
    return table.with_columns(pl.selectors.datetime().dt.strftime(_TIME))


def write_notes(export: Export) -> Written:
    """``notes.csv``: a patient, a note and its department in each row."""
    departments = [str(name) for name in export.generator.choice(DEPARTMENTS, export.patients)]
    table = pl.DataFrame(
        {
            "patient_id": [f"SYNTHETIC-{export.site}-{index:05d}" for index in range(export.patients)],
            "department": departments,
            "note": [note(name, export.generator) for name in departments],
        }
    )
    table.write_csv(export.folder / "notes.csv")
    return Written(Mapping(source=SourceTerms("csv", Path("notes.csv"))), table.height)


def write_series(export: Export) -> Written:
    """``stays.csv`` and ``measurements.csv`` (patient, time, code, value), the latter in no useful order."""
    draw = export.generator
    ill = draw.random(export.patients) < _MORTALITY
    first = datetime(2024, 3, 1)  # noqa: DTZ001 - hospitals write local time without a zone
    names = [f"SYNTHETIC-{export.site}-{index:05d}" for index in range(export.patients)]
    admitted = [first + timedelta(hours=float(hours)) for hours in draw.uniform(0, 8000, export.patients).round(1)]
    said = ~ill if Defect.SWAPPED_LABEL in export.defects else ill
    stays = pl.DataFrame({"patient_id": names, "admitted": admitted, "finding": said.astype(int)})
    events = [
        (name, start + timedelta(hours=hours), code, value)
        for name, start, each in zip(names, admitted, ill, strict=True)
        for hours, code, value in vital_signs(bool(each), draw)
    ]
    measured = pl.DataFrame(events, schema=["patient_id", "taken", "quantity", "value"], orient="row")
    _texts(stays).write_csv(export.folder / "stays.csv")
    _texts(measured.sample(fraction=1.0, shuffle=True, seed=int(draw.integers(1 << 31)))).write_csv(
        export.folder / "measurements.csv"
    )
    options = {"patient": "patient_id", "time": "taken", "code": "quantity", "value": "value"}
    mapping = Mapping(
        source=SourceTerms("csv", Path("stays.csv")),
        events=SourceTerms("csv", Path("measurements.csv"), MappingProxyType(dict(options))),
    )
    return Written(mapping, measured.height, float(ill.mean()))
