"""Quality of survival models: breast cancer in six regions (TCGA-BRCA as FLamby splits it)."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality_cases import Aim, Case, Variant
from benchmarks.quality_figures import c_index
from benchmarks.quality_studies import SPLIT, UNIT, import_sites, study_text
from fedward_shared.recipes.schedules import Schedule

__all__ = ["SURVIVAL", "TCGA"]

_FOLDER = "tcga_brca"
_SIZES = {"region-0": 250, "region-1": 155, "region-2": 165, "region-3": 130, "region-4": 130, "region-5": 40}
_DAYS = 9000.0
"""Beyond the longest time that there is, so that no time is cut and the C-index is that of exact days."""
_ENDS = (365.0, 730.0, 1095.0, 1825.0, 2555.0, 3650.0, 5475.0, _DAYS)
_STATES = (
    "ethnicity_not hispanic or latino",
    "ethnicity_not reported",
    "race_asian",
    "race_black or african american",
    "race_not reported",
    "race_white",
    "ajcc_pathologic_m_MX",
    "ajcc_pathologic_n_N0 (i-)",
    "ajcc_pathologic_n_N1",
    "ajcc_pathologic_n_N1a",
    "ajcc_pathologic_n_N2",
    "ajcc_pathologic_n_N2a",
    "ajcc_pathologic_stage_Stage IA",
    "ajcc_pathologic_stage_Stage IIA",
    "ajcc_pathologic_stage_Stage IIB",
    "ajcc_pathologic_stage_Stage IIIA",
    "ajcc_pathologic_stage_Stage IIIC",
    "ajcc_pathologic_t_T1c",
    "ajcc_pathologic_t_T2",
    "ajcc_pathologic_t_T3",
    "ajcc_staging_system_edition_5th",
    "ajcc_staging_system_edition_6th",
    "ajcc_staging_system_edition_7th",
    "icd_10_code_C50.9",
    "morphology_8500/3",
    "morphology_8520/3",
    "primary_diagnosis_Infiltrating duct carcinoma, NOS",
    "primary_diagnosis_Lobular carcinoma, NOS",
    "prior_malignancy_yes",
    "synchronous_malignancy_Not Reported",
    "treatment_or_therapy_not reported",
    "treatment_or_therapy_yes",
    "tumor_stage_stage i",
    "tumor_stage_stage ia",
    "tumor_stage_stage iia",
    "tumor_stage_stage iib",
    "tumor_stage_stage iiia",
    "tumor_stage_stage iiic",
)
"""FLamby's 38 inputs beside age, each 0 or 1."""

Tables = dict[str, Any]


def _data() -> Tables:
    columns: Tables = {
        "age_at_index": {
            "type": "number",
            "unit": "years",
            "range": [18, 110],
            "centre": 58,
            "scale": 26,
            "missing": [""],
        }
    }
    for name in _STATES:
        columns[name] = {"type": "category", "values": ["1"], "missing": ["", "0"]}
    label = {
        "column": "E",
        "classes": [["0.0"], ["1.0"]],
        "names": ["alive when last seen", "died"],
        "follow_up": {"column": "T", "unit": "days", "maximum": _DAYS},
    }
    return {"kind": "table", "patient": UNIT, "split": SPLIT, "label": label, "columns": columns}


def _variants(schedules: Mapping[str, Schedule]) -> tuple[Variant, ...]:
    model = {"name": "cox", "options": {"intervals": list(_ENDS)}}
    return tuple(
        Variant(title, study_text("breast-cancer", model, _data(), _SIZES, schedule))
        for title, schedule in schedules.items()
    )


@lru_cache(maxsize=8)
def _declared(epsilon: float) -> tuple[Variant, ...]:
    if epsilon < inf:
        return _variants({"30 rounds": Schedule(30, 1, 1.0, "sgd", 10, 1.0)})
    return _variants({"100 rounds": Schedule(100, 1, 2.0, "sgd", 5, 1.0)})


def _import(data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    del seed
    place = data / _FOLDER
    if not place.is_dir():
        return None
    with (place / "train_test_split.csv").open(encoding="utf-8", newline="") as file:
        sides = {row["pid"]: row["fold2"].split("_") for row in csv.DictReader(file)}
    rows: dict[str, list[dict[str, str]]] = {site: [] for site in _SIZES}
    held: dict[str, list[bool]] = {site: [] for site in _SIZES}
    with (place / "brca.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["pid"] in sides:
                side, region = sides[row["pid"]]
                rows[f"region-{region}"].append(row)
                held[f"region-{region}"].append(side == "test")
    test = {site: np.array(own, dtype=np.bool_) for site, own in held.items()}
    return import_sites(folder, _declared(inf)[0].study, rows, test)


TCGA = Case(
    name="tcga-brca",
    title="Death with breast cancer in six regions (TCGA-BRCA, 1,088 patients)",
    protocol="FLamby's fixed split fold2 (222 patients judge, 32 of whom died), C-index on exact days of all six "
    "regions together",
    chosen="intervals, rounds and rates by five-fold cross-validation on the 866 training patients",
    imports=_import,
    variants=_declared,
    figures={"C-index": c_index},
    aims=(Aim(0.847),),
    shortfall="cross-validation on training patients prefers a Cox model that is stopped early to one fitted to "
    "the end; on these 222 patients the latter happens to be better, as the plain baseline shows. Its interval is wide "
    "and nothing was tuned on them",
    notes=(
        "12 patients are censored at time 0 and are kept, as FLamby keeps them: they take part in no pair",
        "test regions hold 14, 4, 8, 3, 2 and 1 deaths, so a region's own C-index is noise",
        "FLamby's own figures on this split: FedAdam .842, FedAvg .735, pooled training .704; a pooled Cox .847",
    ),
)

SURVIVAL: tuple[Case, ...] = (TCGA,)
"""The cases, in the order in which they run."""
