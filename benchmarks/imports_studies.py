"""The contracts under which `benchmarks.imports` reads public medical data sets. Ranges are physiology, not statistics.

A value outside its range counts as missing here: these sets hold heights of 39 m and pressures of 1 mmHg, and a study
that refused every such patient would have few left.
"""

from __future__ import annotations

__all__ = ["CINC", "CINC_NUMBERS", "ELECTROCARDIOGRAMS", "FILMS", "dialogues", "tcga"]

Terms = tuple[str, float, float, float, float]
"""Unit, range, centre, scale."""

_VITALS = {
    "DiasABP": ("mmHg", 20, 140, 60, 14),
    "GCS": ("", 3, 15, 11, 4),
    "Glucose": ("mg/dL", 20, 1200, 135, 50),
    "HR": ("beats/min", 20, 250, 87, 18),
    "MAP": ("mmHg", 20, 220, 80, 17),
    "NIDiasABP": ("mmHg", 15, 140, 58, 15),
    "NIMAP": ("mmHg", 20, 200, 76, 15),
    "NISysABP": ("mmHg", 40, 260, 118, 23),
    "RespRate": ("breaths/min", 4, 70, 19, 5),
    "SaO2": ("%", 40, 100, 97, 3),
    "Temp": ("degC", 28, 43, 37, 0.9),
}
_LABORATORY = {
    "ALP": ("U/L", 5, 3000, 90, 70),
    "ALT": ("U/L", 1, 20000, 60, 200),
    "AST": ("U/L", 1, 25000, 80, 250),
    "Albumin": ("g/dL", 0.5, 6, 3, 0.7),
    "BUN": ("mg/dL", 1, 250, 24, 20),
    "Bilirubin": ("mg/dL", 0.1, 60, 1.5, 3),
    "Cholesterol": ("mg/dL", 20, 500, 155, 45),
    "Creatinine": ("mg/dL", 0.1, 25, 1.3, 1.2),
    "FiO2": ("", 0.2, 1, 0.6, 0.2),
    "HCO3": ("mmol/L", 3, 60, 23, 4.5),
    "HCT": ("%", 8, 65, 31, 5),
    "K": ("mmol/L", 1.5, 10, 4.1, 0.6),
    "Lactate": ("mmol/L", 0.2, 30, 2.2, 1.7),
    "Mg": ("mmol/L", 0.4, 10, 2, 0.4),
    "Na": ("mmol/L", 95, 180, 139, 5),
    "PaCO2": ("mmHg", 8, 120, 40, 9),
    "PaO2": ("mmHg", 15, 600, 150, 90),
    "Platelets": ("10^9/L", 3, 1500, 200, 100),
    "SysABP": ("mmHg", 30, 280, 120, 24),
    "TroponinI": ("ng/mL", 0, 60, 5, 9),
    "TroponinT": ("ng/mL", 0, 30, 0.8, 2),
    "WBC": ("10^9/L", 0.1, 250, 12, 7),
    "Weight": ("kg", 20, 300, 82, 23),
    "pH": ("", 6.6, 7.9, 7.38, 0.08),
}
_ONCE = {
    "Age": ("years", 15, 110, 64, 17),
    "Height": ("cm", 100, 230, 170, 11),
    "Weight": ("kg", 20, 300, 82, 23),
    "MechVentStartTime": ("minutes", 0, 2880, 300, 500),
    "MechVentDuration": ("minutes", 0, 2880, 1900, 900),
    "MechVentLast8Hour": ("", 0, 1, 0.5, 0.5),
    "UrineOutputSum": ("", 0, 60, 13, 8),
}
_STATES = ("Gender", "CCU", "CSRU", "SICU")


def _number(name: str, terms: Terms) -> str:
    unit, low, high, centre, scale = terms
    return (
        f'[data.columns."{name}"]\ntype = "number"\nunit = "{unit}"\nrange = [{low}, {high}]\ncentre = {centre}\n'
        f'scale = {scale}\nmissing = [""]\nmissing_indicator = true\noutside = "missing"\n'
    )


def _state(name: str, values: str = '["0", "1"]') -> str:
    return f'[data.columns."{name}"]\ntype = "category"\nvalues = {values}\nmissing = [""]\n'


CINC_NUMBERS: dict[str, Terms] = {
    **_ONCE,
    **{f"{stem}_{when}": terms for stem, terms in _VITALS.items()
       for when in ("first", "last", "lowest", "highest", "median")},
    **{f"{stem}_{when}": terms for stem, terms in _LABORATORY.items() for when in ("first", "last")},
}  # fmt: skip
"""Every number of the CinC 2012 table that may be an input; what would tell the outcome is left out."""

CINC = "\n".join(
    [
        """\
[data]
kind = "table"
patient = "recordid"
holdout = { share = 0.25, key = "cinc-2012" }

[data.label]
column = "In-hospital_death"
classes = [["0"], ["1"]]
names = ["survived", "died"]

""",
        *(_number(name, terms) for name, terms in CINC_NUMBERS.items()),
        *map(_state, _STATES),
    ]
)
"""PhysioNet/CinC Challenge 2012, set a: one row a stay."""


def tcga(states: list[str]) -> str:
    """TCGA-BRCA: death within the follow-up; `states` are the columns beside age, which hold 0 or 1."""
    head = """\
[data]
kind = "table"
patient = "pid"
holdout = { share = 0.25, key = "tcga-brca" }

[data.label]
column = "E"
classes = [["0"], ["1"]]
names = ["alive", "died"]

"""
    return "\n".join([head, _number("age_at_index", ("years", 18, 110, 58, 13)), *map(_state, states)])


FILMS = """\
[data]
kind = "tensor"
patient = "film"
holdout = { share = 0.25, key = "pneumonia" }

[data.label]
column = "finding"
classes = [["0"], ["1"]]
names = ["normal", "pneumonia"]

[data.image]
file = "file"
channels = 1
height = 28
width = 28
"""
"""PneumoniaMNIST, written as PNG files beforehand."""

ELECTROCARDIOGRAMS = """\
[data]
kind = "tensor"
patient = "patient_id"
holdout = { share = 0.25, key = "ptb-xl" }

[data.label]
column = "normal"
classes = [["1"], ["0"]]
names = ["normal", "other"]

[data.signal]
file = "file"
leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]
rate = 100
seconds = 10
unit = "mV"
scale = 0.25
"""
"""PTB-XL, written as WFDB records beforehand."""


def dialogues(headers: list[str]) -> str:
    """MTS-Dialog: which section of a note a dialogue becomes."""
    return f"""\
[data]
kind = "tensor"
patient = "ID"
holdout = {{ share = 0.25, key = "mts-dialog" }}

[data.label]
column = "section_header"
classes = {[[header] for header in headers]}
names = {headers}

[data.text]
column = "dialogue"
form = "bag"
buckets = 4096
ngrams = 2
"""
