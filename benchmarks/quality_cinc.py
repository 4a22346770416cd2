"""PhysioNet/CinC Challenge 2012: death in hospital of 4,000 stays, the four kinds of intensive care as sites."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from pathlib import Path
from typing import Any

from benchmarks.imports_studies import CINC_NUMBERS
from benchmarks.quality_cases import Aim, Case, Variant
from benchmarks.quality_figures import area, brier, within
from benchmarks.quality_studies import SPLIT, UNIT, import_sites, quarter_held_out, study_text
from fedward_shared.recipes.schedules import Schedule

__all__ = ["ALL_INPUTS", "FEW_INPUTS"]

_FILE = Path("cinc2012") / "PhysionetChallenge2012-set-a.csv.gz"
_LABEL = "In-hospital_death"
_SIZES = {"ccu": 430, "csru": 650, "sicu": 800, "micu": 1100}
_UNITS = ("CCU", "CSRU", "SICU")
_DEATHS = 0.14
"""About one in seven of these stays ended in death: a published figure of the challenge."""
_SERIES = ("DiasABP", "GCS", "Glucose", "HR", "MAP", "NIDiasABP", "NIMAP", "NISysABP", "RespRate", "SaO2", "Temp")
_ALL = tuple(name for name in CINC_NUMBERS if name not in {f"{stem}_first" for stem in _SERIES})
"""Every input but the first values of series of which median, extremes and last are inputs, too."""

_FINE = {
    "ALP": (40, 80, 120, 250, 500),
    "ALT": (20, 40, 100, 300, 1000),
    "AST": (20, 40, 100, 300, 1000),
    "Age": (40, 50, 60, 70, 75, 80, 90),
    "Albumin": (1.5, 2, 2.5, 3, 3.5, 4),
    "BUN": (7, 15, 20, 30, 40, 60, 80),
    "Bilirubin": (0.5, 1.2, 2, 6, 12),
    "Cholesterol": (100, 150, 200),
    "Creatinine": (0.5, 0.8, 1.2, 2, 3.5, 5),
    "DiasABP": (40, 50, 60, 70, 80, 100),
    "FiO2": (0.3, 0.4, 0.5, 0.7, 1),
    "GCS": (3, 6, 9, 11, 14, 15),
    "Glucose": (70, 100, 140, 180, 250, 350),
    "HCO3": (10, 15, 20, 24, 28, 35),
    "HCT": (20, 25, 30, 35, 40, 46),
    "HR": (40, 60, 80, 100, 120, 140),
    "Height": (150, 160, 170, 180, 190),
    "K": (2.5, 3, 3.5, 4, 4.5, 5, 6),
    "Lactate": (1, 2, 4, 6, 10),
    "MAP": (50, 60, 70, 80, 100, 130),
    "MechVentDuration": (360, 1440, 2000, 2880),
    "MechVentLast8Hour": (0, 1),
    "MechVentStartTime": (60, 300, 720, 1440),
    "Mg": (1.5, 1.8, 2.2, 2.8),
    "NIDiasABP": (40, 50, 60, 70, 80, 100),
    "NIMAP": (50, 60, 70, 80, 100, 130),
    "NISysABP": (70, 90, 100, 120, 140, 160, 200),
    "Na": (120, 130, 135, 140, 145, 150, 160),
    "PaCO2": (25, 35, 45, 55, 70),
    "PaO2": (50, 70, 100, 150, 250, 400),
    "Platelets": (20, 50, 100, 150, 250, 400),
    "RespRate": (6, 10, 15, 20, 25, 35),
    "SaO2": (85, 90, 94, 97, 100),
    "SysABP": (70, 90, 100, 120, 140, 160, 200),
    "Temp": (34, 35, 36, 37, 38, 39),
    "TroponinI": (0.1, 1, 5, 20),
    "TroponinT": (0.03, 0.1, 0.5, 2),
    "UrineOutputSum": (2, 5, 10, 15, 20, 30),
    "WBC": (1, 4, 8, 12, 20, 40),
    "Weight": (45, 60, 75, 90, 120),
    "pH": (7.0, 7.15, 7.25, 7.33, 7.4, 7.5),
}
"""Where risk changes its slope: the steps of SAPS II, APACHE II, SOFA and KDIGO, and round numbers beside them."""
_COARSE = {
    "Age": (30, 60, 85),
    "Albumin": (1.5, 2.7, 4),
    "BUN": (8, 25, 70),
    "Bilirubin": (0.4, 2, 10),
    "GCS": (3, 9, 15),
    "HCO3": (12, 23, 32),
    "HR": (50, 85, 130),
    "Lactate": (1, 2.5, 8),
    "MAP": (45, 75, 105),
    "MechVentLast8Hour": (0, 1),
    "NISysABP": (70, 110, 160),
    "Temp": (35, 37, 39),
    "UrineOutputSum": (1, 8, 25),
}
"""Low, usual, high: two bands a number."""
_FEW = (
    "Age",
    "GCS_last",
    "GCS_median",
    "BUN_last",
    "UrineOutputSum",
    "Bilirubin_last",
    "MechVentLast8Hour",
    "HCO3_last",
    "Lactate_last",
    "HR_median",
    "NISysABP_lowest",
    "Temp_median",
    "Albumin_last",
)
_FLAGGED = frozenset({"Lactate_last", "Albumin_last", "Bilirubin_last"})
"""Ordered for the ill: that they were not ordered tells something."""

Tables = dict[str, Any]


def _data(names: tuple[str, ...], flagged: frozenset[str]) -> Tables:
    columns: Tables = {}
    for name in names:
        unit, low, high, centre, scale = CINC_NUMBERS[name]
        columns[name] = {
            "type": "number",
            "unit": unit,
            "range": [low, high],
            "centre": centre,
            "scale": scale,
            "missing": [""],
            "missing_indicator": name in flagged,
            "outside": "missing",
        }
    for name in _UNITS:
        columns[name] = {"type": "category", "values": ["1"], "missing": ["", "0"]}
    label = {"column": _LABEL, "classes": [["0"], ["1"]], "names": ["survived", "died"]}
    return {"kind": "table", "patient": UNIT, "split": SPLIT, "label": label, "columns": columns}


def _variants(
    names: tuple[str, ...],
    flagged: frozenset[str],
    cuts: Mapping[str, tuple[float, ...]],
    schedules: Mapping[str, Schedule],
) -> tuple[Variant, ...]:
    declared = [f"{name}: {', '.join(f'{cut:g}' for cut in cuts[_stem(name)])}" for name in names]
    options = {"embedding": "piecewise", "cuts": declared, "expected_share": _DEATHS}
    model = {"name": "logistic", "options": options}
    data = _data(names, flagged)
    return tuple(
        Variant(title, study_text("intensive-care", model, data, _SIZES, schedule))
        for title, schedule in schedules.items()
    )


def _stem(name: str) -> str:
    return name if name in _FINE else name.rpartition("_")[0]


@lru_cache(maxsize=8)
def _all(epsilon: float) -> tuple[Variant, ...]:
    schedule = Schedule(30, 1, 5.0, "sgd", 10, 2.0) if epsilon < inf else Schedule(100, 1, 0.5, "sgd", 10, 2.0)
    return _variants(_ALL, frozenset(_ALL), _FINE, {"declared": schedule})


@lru_cache(maxsize=8)
def _few(epsilon: float) -> tuple[Variant, ...]:
    if epsilon < inf:
        schedules = {
            "30 rounds, clip norm 1": Schedule(30, 1, 10.0, "sgd", 10, 1.0),
            "50 rounds, clip norm 2": Schedule(50, 1, 5.0, "sgd", 10, 2.0),
        }
    else:
        schedules = {
            "50 rounds": Schedule(50, 1, 3.2, "sgd", 10, 2.0),
            "100 rounds": Schedule(100, 1, 3.2, "sgd", 10, 2.0),
        }
    return _variants(_FEW, _FLAGGED, _COARSE, schedules)


def _import(study: str, data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    if not (data / _FILE).exists():
        return None
    rows: dict[str, list[dict[str, str]]] = {site: [] for site in _SIZES}
    with gzip.open(data / _FILE, "rt", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            rows[next((unit.lower() for unit in _UNITS if row[unit] == "1"), "micu")].append(row)
    held = {
        site: quarter_held_out([row[_LABEL] == "1" for row in own], seed, number)
        for number, (site, own) in enumerate(rows.items())
    }
    return import_sites(folder, study, rows, held)


def _import_all(data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    return _import(_all(inf)[0].study, data, folder, seed)


def _import_few(data: Path, folder: Path, seed: int) -> Mapping[str, Path] | None:
    return _import(_few(inf)[0].study, data, folder, seed)


_PROTOCOL = (
    "five random splits: a quarter of each class of each kind of care judges, the median over splits counts "
    "(decided before any was looked at)"
)
_NOTES = (
    "one hospital's four kinds of intensive care stand for four sites",
    "set a of the challenge only, in its table of firsts, lasts and extremes, without scores that hold the outcome",
    "most rows that judge had a say in inputs, bands and schedules, chosen on the training rows of one split",
)

ALL_INPUTS = Case(
    name="cinc2012",
    title="Death in hospital after intensive care (CinC 2012, 4,000 stays), all inputs",
    protocol=_PROTOCOL,
    chosen="piecewise-linear inputs with clinical cut points, rounds and rate by five-fold cross-validation on 2,995 "
    "training rows of one fixed split (SHA-256 of the record's number)",
    imports=_import_all,
    splits=True,
    variants=_all,
    figures={"AUC": area, "within": within, "Brier": brier},
    aims=(Aim(0.855),),
    notes=_NOTES,
)

FEW_INPUTS = Case(
    name="cinc2012-few",
    title="Death in hospital after intensive care (CinC 2012), 13 inputs that a clinician would choose",
    protocol=_PROTOCOL,
    chosen="inputs from SAPS II, their number, rounds, rate and clip norm by five-fold cross-validation "
    "at ε = 3 on 2,995 training rows of one fixed split (SHA-256 of the record's number)",
    imports=_import_few,
    splits=True,
    variants=_few,
    figures={"AUC": area, "within": within, "Brier": brier},
    aims=(Aim(0.83, epsilon=3.0),),
    notes=_NOTES,
)
