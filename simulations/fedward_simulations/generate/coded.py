"""Writes admissions as coded records: a small OMOP CDM 5.4 (CSV files) or FHIR R4 resources (NDJSON)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.export import Export, Written
from fedward_simulations.generate.people import Hospital, patients, true_auc

__all__ = ["CODED_DEFECTS", "FHIR_CODES", "OMOP_CODES", "write_fhir", "write_omop"]

CODED_DEFECTS = frozenset({Defect.SHIFT, Defect.SWAPPED_LABEL})
"""What coded records can have: every value carries its unit, so units cannot be wrong in silence."""

_COHORT = 7
_READMISSION = 8870  # a made-up visit kind in this small CDM
_MALE, _FEMALE = 8507, 8532
_MG_PER_MMOL = 18.0156
_SHIFT = 30.0


@dataclass(frozen=True, slots=True)
class _Quantity:
    """One measured quantity: OMOP concept, LOINC code, unit as UCUM and as OMOP concept."""

    name: str
    concept: int
    loinc: str
    ucum: str
    unit_concept: int


_QUANTITIES = (
    _Quantity("bmi", 3038553, "39156-5", "kg/m2", 9531),
    _Quantity("systolic", 3004249, "8480-6", "mm[Hg]", 8876),
    _Quantity("glucose", 3004501, "2345-7", "mg/dL", 8840),
    _Quantity("creatinine", 3020564, "14682-9", "umol/L", 8749),
    _Quantity("lactate", 3047181, "2524-7", "mmol/L", 8753),
)
_CONCEPTS = (
    (_MALE, "MALE", "Gender", "M"),
    (_FEMALE, "FEMALE", "Gender", "F"),
    *((each.unit_concept, each.ucum, "UCUM", each.ucum) for each in _QUANTITIES),
    *((each.concept, each.name, "LOINC", each.loinc) for each in _QUANTITIES),
    (_READMISSION, "readmission (SYNTHETIC)", "SNOMED", "417005"),
)

OMOP_CODES = MappingProxyType(
    {**{each.name: (f"concept:{each.concept}",) for each in _QUANTITIES}, "outcome": (f"concept:{_READMISSION}",)}
)
"""The codes of each column and of the outcome, as the OMOP source says them."""
FHIR_CODES = MappingProxyType(
    {**{each.name: (f"loinc:{each.loinc}",) for each in _QUANTITIES}, "outcome": ("snomed:417005",)}
)
"""The codes of each column and of the outcome, as the FHIR source says them."""


@dataclass(frozen=True, slots=True)
class _Measurement:
    person: int
    at: datetime
    quantity: _Quantity
    value: float


def _hospital(export: Export) -> tuple[Hospital, Written]:
    """A hospital whose patients come at midnight, since OMOP's cohorts have dates only; and its truth."""
    drawn = patients(export.site, export.patients, export.generator)
    hospital = replace(
        drawn, admitted=tuple(at.replace(hour=0, minute=0, second=0, microsecond=0) for at in drawn.admitted)
    )
    if Defect.SHIFT in export.defects:
        hospital = replace(hospital, systolic=hospital.systolic + _SHIFT)
    best = true_auc(hospital.risk, hospital.ill)
    return hospital, Written(Mapping(), len(hospital), float(hospital.ill.mean()), best)


def _said_ill(hospital: Hospital, export: Export) -> Iterator[int]:
    """The patients that the records call readmitted."""
    ill = ~hospital.ill if Defect.SWAPPED_LABEL in export.defects else hospital.ill
    return (int(index) for index in np.flatnonzero(ill))


def _measurements(hospital: Hospital, generator: np.random.Generator) -> list[_Measurement]:
    """Every value that was measured, before admission; two of systolic pressure around the true one."""
    found = []
    for person, at in enumerate(hospital.admitted):
        for quantity in _QUANTITIES:
            value = float(getattr(hospital, quantity.name)[person])
            if np.isnan(value):
                continue
            value = round(value * _MG_PER_MMOL) if quantity.ucum == "mg/dL" else value
            spread = 4.0 if quantity.name == "systolic" else 0.0
            for change in (-spread, spread) if spread else (0.0,):
                before = timedelta(hours=float(generator.uniform(0.5, 20)))
                moment = (at - before).replace(microsecond=0)
                found.append(_Measurement(person, moment, quantity, value + change))
    return found


def write_omop(export: Export) -> Written:
    """``cdm/``: person, cohort, measurement, observation and concept as CSV files."""
    hospital, truth = _hospital(export)
    folder = export.folder / "cdm"
    folder.mkdir(exist_ok=True)
    count = len(hospital)
    people = pl.DataFrame(
        {
            "person_id": np.arange(1, count + 1),
            "gender_concept_id": np.where(hospital.sex == "male", _MALE, _FEMALE),
            "year_of_birth": [at.year - int(age) for at, age in zip(hospital.admitted, hospital.age, strict=True)],
            "race_concept_id": 0,
            "ethnicity_concept_id": 0,
            "person_source_value": hospital.names,
        }
    )
    days = [at.date() for at in hospital.admitted]
    cohort = pl.DataFrame(
        {
            "cohort_definition_id": _COHORT,
            "subject_id": np.arange(1, count + 1),
            "cohort_start_date": days,
            "cohort_end_date": days,
        }
    )
    people.write_csv(folder / "person.csv")
    cohort.write_csv(folder / "cohort.csv")
    _omop_events(folder, hospital, export)
    pl.DataFrame(
        [(*each, "2000-01-01", "2099-12-31") for each in _CONCEPTS],
        schema=["concept_id", "concept_name", "vocabulary_id", "concept_code", "valid_start_date", "valid_end_date"],
        orient="row",
    ).unique("concept_id", maintain_order=True).write_csv(folder / "concept.csv")
    source = MappingProxyType({"cohort": _COHORT})
    answers = {
        "patient_id": Answer(source="person_id"),
        "admitted": Answer(source="cohort_start_date"),
        "sex": Answer(source="gender_concept_id", values=MappingProxyType({"8507": "male", "8532": "female"})),
    }
    mapping = Mapping(
        source=SourceTerms("omop", Path("cdm"), source),
        events=SourceTerms("omop", Path("cdm")),
        columns=MappingProxyType(answers),
    )
    return replace(truth, mapping=mapping)


def _omop_events(folder: Path, hospital: Hospital, export: Export) -> None:
    measured = [
        (
            number,
            each.person + 1,
            each.quantity.concept,
            each.at.date(),
            each.at,
            each.value,
            each.quantity.unit_concept,
            each.quantity.ucum,
        )
        for number, each in enumerate(_measurements(hospital, export.generator), start=1)
    ]
    pl.DataFrame(
        measured,
        schema=[
            *("measurement_id", "person_id", "measurement_concept_id", "measurement_date", "measurement_datetime"),
            *("value_as_number", "unit_concept_id", "unit_source_value"),
        ],
        orient="row",
    ).write_csv(folder / "measurement.csv")
    back = [
        (number, person + 1, _READMISSION, at.date(), at)
        for number, person in enumerate(_said_ill(hospital, export), start=1)
        for at in [_outcome(hospital, person)]
    ]
    pl.DataFrame(
        back,
        schema={
            "observation_id": pl.Int64, "person_id": pl.Int64, "observation_concept_id": pl.Int64,
            "observation_date": pl.Date, "observation_datetime": pl.Datetime("us"),
        },
        orient="row",
    ).write_csv(folder / "observation.csv")  # fmt: skip


def _outcome(hospital: Hospital, person: int) -> datetime:
    after = timedelta(days=float(hospital.outcome_days[person]))
    return (hospital.admitted[person] + after).replace(microsecond=0)


def write_fhir(export: Export) -> Written:
    """``fhir/``: Patient, Encounter, Observation and Condition resources, one NDJSON file each (bulk data export)."""
    hospital, truth = _hospital(export)
    folder = export.folder / "fhir"
    folder.mkdir(exist_ok=True)
    for kind, resources in (
        ("Patient", _people(hospital)),
        ("Encounter", _stays(hospital)),
        ("Observation", _observations(hospital, export.generator)),
        ("Condition", _readmissions(hospital, export)),
    ):
        with (folder / f"{kind}.ndjson").open("w", encoding="utf-8") as file:
            for number, resource in enumerate(resources):
                head = {"resourceType": kind, "id": f"synthetic-{kind.lower()}-{number}", "meta": _SYNTHETIC}
                file.write(json.dumps({**head, **resource}) + "\n")
    mapping = Mapping(
        source=SourceTerms("fhir", Path("fhir"), MappingProxyType({"rows": "Encounter"})),
        events=SourceTerms("fhir", Path("fhir")),
        columns=MappingProxyType(
            {
                "patient_id": Answer(source="patient"),
                "admitted": Answer(source="start"),
                "sex": Answer(source="gender"),
            }
        ),
    )
    return replace(truth, mapping=mapping)


_SYNTHETIC = {
    "tag": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST", "display": "SYNTHETIC"}]
}


def _reference(hospital: Hospital, person: int) -> dict[str, str]:
    return {"reference": f"Patient/{hospital.names[person]}"}


def _people(hospital: Hospital) -> Iterator[dict[str, object]]:
    for person, name in enumerate(hospital.names):
        born = hospital.admitted[person].year - int(hospital.age[person])
        yield {"id": name, "gender": str(hospital.sex[person]), "birthDate": f"{born:04d}-01-01"}


def _stays(hospital: Hospital) -> Iterator[dict[str, object]]:
    for person, at in enumerate(hospital.admitted):
        yield {
            "status": "finished",
            "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "IMP"},
            "subject": _reference(hospital, person),
            "period": {"start": f"{at.isoformat()}Z"},
        }


def _observations(hospital: Hospital, generator: np.random.Generator) -> Iterator[dict[str, object]]:
    for each in _measurements(hospital, generator):
        yield {
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": each.quantity.loinc}]},
            "subject": _reference(hospital, each.person),
            "effectiveDateTime": f"{each.at.isoformat()}Z",
            "valueQuantity": {
                "value": each.value,
                "unit": each.quantity.ucum,
                "system": "http://unitsofmeasure.org",
                "code": each.quantity.ucum,
            },
        }


def _readmissions(hospital: Hospital, export: Export) -> Iterator[dict[str, object]]:
    for person in _said_ill(hospital, export):
        yield {
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": "417005"}]},
            "subject": _reference(hospital, person),
            "onsetDateTime": f"{_outcome(hospital, person).isoformat()}Z",
        }
