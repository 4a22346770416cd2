"""Every kind of export that can be generated: its question, its writer, the defects that it can have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from fedward_simulations.generate import coded, files, survival, tables
from fedward_simulations.generate.admissions import TABLE_DEFECTS
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.export import Export, Written
from fedward_simulations.generate.studies import (
    ADMISSIONS,
    EVENTS,
    NOTES,
    PICTURES,
    SCANS,
    SERIES,
    SIGNALS,
    SURVIVAL,
    Question,
)

__all__ = ["KINDS", "Kind"]

_TYPED = TABLE_DEFECTS - {Defect.DECIMAL_COMMA}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of export."""

    about: str
    question: Question
    write: Callable[[Export], Written]
    defects: frozenset[Defect] = frozenset()


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "csv": Kind("a CSV file of stays", ADMISSIONS, tables.write_csv, TABLE_DEFECTS),
        "parquet": Kind("a Parquet file of stays", ADMISSIONS, tables.write_parquet, _TYPED),
        "excel": Kind("an Excel sheet of stays", ADMISSIONS, tables.write_excel, _TYPED),
        "sql": Kind("a SQLite database of stays", ADMISSIONS, tables.write_database, _TYPED),
        "omop": Kind("an OMOP CDM 5.4", EVENTS(coded.OMOP_CODES), coded.write_omop, coded.CODED_DEFECTS),
        "fhir": Kind("FHIR R4 resources", EVENTS(coded.FHIR_CODES), coded.write_fhir, coded.CODED_DEFECTS),
        "dicom": Kind(
            "DICOM films and a label table", PICTURES, files.write_dicom, files.FILE_DEFECTS | {Defect.BURNED_IN}
        ),
        "pictures": Kind("PNG films and a label table", PICTURES, files.write_pictures, files.FILE_DEFECTS),
        "nifti": Kind("NIfTI scans and a label table", SCANS, files.write_nifti, files.FILE_DEFECTS),
        "wfdb": Kind("WFDB electrocardiograms and a label table", SIGNALS, files.write_signals, files.FILE_DEFECTS),
        "survival": Kind(
            "a CSV file of patients who are followed up", SURVIVAL, survival.write_survival, survival.SURVIVAL_DEFECTS
        ),
        "series": Kind("measurements in long form", SERIES, tables.write_series, frozenset({Defect.SWAPPED_LABEL})),
        "text": Kind("notes in a CSV file", NOTES, tables.write_notes),
    }
)
"""By the name that the command takes; the names are those of the source types that they try."""
