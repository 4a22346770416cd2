"""Where the tables of an OMOP CDM 5.4 hold what is an event, and the UCUM codes of common unit concepts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["DOMAINS", "OPERATORS", "UNITS", "Domain"]


@dataclass(frozen=True, slots=True)
class Domain:
    """One table of events: the columns of its concept, day and time, and of a value (empty: none)."""

    table: str
    concept: str
    date: str
    time: str
    number: str = ""
    text: str = ""
    concept_value: str = ""
    unit: str = ""
    unit_text: str = ""
    operator: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """All of them that may be absent from a small CDM."""
        optional = (self.time, self.number, self.text, self.concept_value, self.unit, self.unit_text, self.operator)
        return tuple(filter(None, optional))


DOMAINS = {
    "measurement": Domain(
        "measurement",
        "measurement_concept_id",
        "measurement_date",
        "measurement_datetime",
        number="value_as_number",
        concept_value="value_as_concept_id",
        unit="unit_concept_id",
        unit_text="unit_source_value",
        operator="operator_concept_id",
    ),
    "observation": Domain(
        "observation",
        "observation_concept_id",
        "observation_date",
        "observation_datetime",
        number="value_as_number",
        text="value_as_string",
        concept_value="value_as_concept_id",
        unit="unit_concept_id",
        unit_text="unit_source_value",
    ),
    "condition_occurrence": Domain(
        "condition_occurrence", "condition_concept_id", "condition_start_date", "condition_start_datetime"
    ),
    "drug_exposure": Domain(
        "drug_exposure",
        "drug_concept_id",
        "drug_exposure_start_date",
        "drug_exposure_start_datetime",
        number="quantity",
    ),
    "procedure_occurrence": Domain(
        "procedure_occurrence", "procedure_concept_id", "procedure_date", "procedure_datetime", number="quantity"
    ),
    "visit_occurrence": Domain("visit_occurrence", "visit_concept_id", "visit_start_date", "visit_start_datetime"),
}

OPERATORS = {4171756: "<", 4171754: "<=", 4171755: ">=", 4172704: ">"}
"""Concepts that say that a value is only a bound; such a value is no number by itself."""

UNITS = {
    8504: "g",
    8554: "%",
    8582: "cm",
    8645: "U/L",
    8713: "g/dL",
    8749: "umol/L",
    8753: "mmol/L",
    8840: "mg/dL",
    8842: "ng/mL",
    8876: "mm[Hg]",
    9529: "kg",
    9531: "kg/m2",
}
"""UCUM codes of the commonest unit concepts, for a CDM without its CONCEPT table."""
