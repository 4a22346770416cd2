"""Writes patients who are followed up: when the event happened, or until when nobody had seen it.

Times are drawn from proportional hazards with a rising baseline (Weibull), so that Cox's model is the truth: the log of
the hazard ratio is the log-odds that `people` gives the same findings.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fedward_client.importer.mapping import Answer, Mapping, SourceTerms
from fedward_simulations.generate.defects import Defect
from fedward_simulations.generate.export import Export, Written
from fedward_simulations.generate.people import BASELINE, Hospital, patients

__all__ = ["SURVIVAL_DEFECTS", "survival_times", "write_survival"]

SURVIVAL_DEFECTS = frozenset({Defect.SWAPPED_LABEL})
"""What such a table can have."""

_SHAPE = 1.2
_SCALE_DAYS = 4000.0
_LONGEST_DAYS = 2600.0
_LOST = 0.15
_DAYS_A_MONTH = 30.4375

Floats = NDArray[np.float64]


def survival_times(hospital: Hospital, generator: np.random.Generator) -> tuple[Floats, NDArray[np.bool_]]:
    """How long each patient was watched, in days, and whether that ended with the event.

    Watching ends when the study does, which patients joined at different times, and for some earlier.
    """
    relative = np.log(hospital.risk / (1 - hospital.risk)) - BASELINE
    event = _SCALE_DAYS * (generator.exponential(1.0, len(hospital)) / np.exp(relative)) ** (1 / _SHAPE)
    watched = generator.uniform(_LONGEST_DAYS / 4, _LONGEST_DAYS, len(hospital))
    lost = generator.random(len(hospital)) < _LOST
    watched = np.where(lost, watched * generator.random(len(hospital)), watched)
    return np.minimum(event, watched), event <= watched


def write_survival(export: Export) -> Written:
    """``followup.csv``, with times in months; the mapping says so."""
    hospital = patients(export.site, export.patients, export.generator, older=export.generator.normal(0, 4.0))
    days, dead = survival_times(hospital, export.generator)
    told = ~dead if Defect.SWAPPED_LABEL in export.defects else dead
    table = pl.DataFrame(
        {
            "patient_id": hospital.names,
            "age": hospital.age,
            "sex": hospital.sex,
            "smoker": np.where(hospital.smoker, "yes", "no"),
            "bmi": hospital.bmi,
            "systolic": hospital.systolic,
            "glucose": hospital.glucose,
            "creatinine": hospital.creatinine,
            "status": np.where(told, "dead", "alive"),
            "months": (days / _DAYS_A_MONTH).round(3),
        }
    ).fill_nan(None)
    table.write_csv(export.folder / "followup.csv")
    mapping = Mapping(
        source=SourceTerms("csv", Path("followup.csv")),
        columns=MappingProxyType({"days": Answer(source="months", unit="months")}),
    )
    return Written(mapping, table.height, float(dead.mean()))
