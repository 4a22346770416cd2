"""The study files of generated hospitals: one question for each source type, every key of the contract in use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedward_shared.version import PROTOCOL, VERSION

__all__ = [
    "ADMISSIONS",
    "EVENTS",
    "NOTES",
    "PICTURES",
    "SCANS",
    "SERIES",
    "SIGNALS",
    "SURVIVAL",
    "Question",
    "study_text",
]


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: title, `[model]` with options, and `[data]`, as TOML."""

    title: str
    model: str
    data: str
    rate: float = 1.0
    learning_rate: float = 0.5


def study_text(name: str, question: Question, sizes: Mapping[str, int]) -> str:
    """A whole study.toml; `sizes` are the declared training patients of each site."""
    sites = "\n".join(
        f"[sites.{site}]\nsize = {size}\nsampling_rate = {question.rate}\nnormaliser = {float(size * question.rate)}\n"
        for site, size in sizes.items()
    )
    return _STUDY.format(
        name=name,
        title=question.title,
        protocol=PROTOCOL,
        version=VERSION,
        model=question.model.strip(),
        data=question.data.strip(),
        sites=sites.strip(),
        learning_rate=question.learning_rate,
        quorum=len(sizes),
    )


_STUDY = """\
# SYNTHETIC: a study over generated hospitals. Nobody's data; figures mean nothing.
[study]
name = "{name}"
title = "SYNTHETIC: {title}"
purpose = "Try a federation, its importers and its reports on data of nobody, with a known truth."
contact = "nobody@example.org"
protocol = {protocol}
code_version = "{version}"

{model}

{data}

{sites}

[training]
local_steps = 2
learning_rate = {learning_rate}

[strategy]
name = "fedavg"
rounds = 10
quorum = {quorum}
deadline_seconds = 90
spare_attempts = 2
average_last = 3

[privacy]
clip_norm = 1.0
delta = 1e-5
target_epsilon = 3.0

[limits]
max_weight = 50.0
"""

_LOGISTIC = '[model]\nname = "logistic"'

_READMITTED = """
[data.label]
column = "readmitted"
classes = [["no", "0"], ["yes", "1"]]
names = ["not readmitted", "readmitted"]
"""

_NUMBERS = """
[data.columns.age]
type = "number"
unit = "years"
range = [18, 110]
centre = 65
scale = 12
required = true
reference = [45, 57, 65, 73, 85]
higher_in = "readmitted"

[data.columns.sex]
type = "category"
values = ["female", "male"]
missing = [""]
reference = [0.48, 0.52]
{smoker}
[data.columns.bmi]
type = "number"
unit = "kg/m^2"
range = [12, 70]
centre = 27
scale = 5
missing = [""]
missing_indicator = true
reference = [18.8, 23.6, 27, 30.4, 35.2]
higher_in = "readmitted"
{bmi}
[data.columns.systolic]
type = "number"
unit = "mmHg"
range = [50, 260]
centre = 132
scale = 20
missing = [""]
reference = [100, 119, 132, 145, 164]
{systolic}
[data.columns.glucose]
type = "number"
unit = "mmol/L"
substance = "glucose"
range = [1.5, 40]
centre = 6.6
scale = 2
missing = [""]
reference = [4.6, 5.4, 6.3, 7.4, 9.7]
higher_in = "readmitted"
{glucose}
[data.columns.creatinine]
type = "number"
unit = "umol/L"
substance = "creatinine"
range = [20, 1500]
centre = 92
scale = 35
missing = [""]
reference = [55, 75, 92, 113, 153]
higher_in = "readmitted"
{creatinine}
[data.columns.lactate]
type = "number"
unit = "mmol/L"
substance = "lactate"
range = [0.2, 20]
centre = 1.6
scale = 0.8
missing = [""]
missing_indicator = true
fill = 1.6
reference = [0.8, 1.2, 1.6, 2.1, 3.1]
higher_in = "readmitted"
window = [-24, 0]
{lactate}
"""

ADMISSIONS = Question(
    title="readmission within 30 days, from one row a stay",
    model=_LOGISTIC,
    data="""\
[data]
kind = "table"
patient = "patient_id"
time_zero = "admitted"
holdout = { share = 0.25, key = "synthetic-1" }

[[data.include]]
column = "age"
range = [18, 110]
"""
    + _READMITTED
    + """time = "readmitted_at"
reference = [0.68, 0.32]
"""
    + _NUMBERS.format(
        smoker="""
[data.columns.smoker]
type = "category"
values = ["no", "yes"]
synonyms = { "never" = "no", "current" = "yes" }
missing = [""]
reference = [0.75, 0.25]
""",
        bmi="",
        systolic="",
        glucose="",
        creatinine="",
        lactate='time = "lactate_at"\n',
    ),
)
"""Rows of a table: CSV, Parquet, Excel, a database's query."""

SURVIVAL = Question(
    title="survival from the day of admission",
    model='[model]\nname = "cox"\n\n[model.options]\nintervals = 8\nexpected_share = 0.3',
    data="""\
[data]
kind = "table"
patient = "patient_id"
holdout = { share = 0.25, key = "synthetic-1" }

[data.label]
column = "status"
classes = [["alive", "0"], ["dead", "1"]]
names = ["alive", "dead"]

[data.label.follow_up]
column = "days"
unit = "days"
maximum = 1826
"""
    + _NUMBERS.partition("[data.columns.lactate]")[0]
    .format(smoker="", bmi="", systolic="", glucose="", creatinine="")
    .replace('"readmitted"', '"dead"')
    + """
[data.columns.smoker]
type = "category"
values = ["no", "yes"]
missing = [""]
reference = [0.75, 0.25]

[evaluation]
horizons = [365, 1096, 1826]
""",
    learning_rate=1.0,
)
"""Patients who are followed up, with times in the hospital's own unit."""


def EVENTS(codes: Mapping[str, tuple[str, ...]]) -> Question:  # noqa: N802 - a question with a gap, used like the others
    """The same question from long-form records (OMOP, FHIR); `codes` are those of each column and of the outcome."""

    def timing(name: str, window: str) -> str:
        listed = ", ".join(f'"{code}"' for code in codes[name])
        return f"codes = [{listed}]\n{window}"

    outcome = ", ".join(f'"{code}"' for code in codes["outcome"])
    recent = "window = [-24, 0]\n"
    return Question(
        title="readmission within 30 days, from coded records",
        model=_LOGISTIC,
        data="""\
[data]
kind = "table"
patient = "patient_id"
time_zero = "admitted"
holdout = { share = 0.25, key = "synthetic-1" }
"""
        + _READMITTED
        + f"codes = [{outcome}]\nwindow = [1, 720]\nreference = [0.68, 0.32]\n"
        + _NUMBERS.format(
            smoker="",
            bmi=timing("bmi", recent),
            systolic=timing("systolic", recent + 'pick = "mean"\n'),
            glucose=timing("glucose", recent),
            creatinine=timing("creatinine", recent),
            lactate=timing("lactate", 'pick = "highest"\n'),
        ),
    )


def _tensor(title: str, model: str, label: str, form: str, **numbers: float) -> Question:
    head = """\
[data]
kind = "tensor"
patient = "patient_id"
holdout = { share = 0.25, key = "synthetic-1" }
"""
    return Question(title, model, head + label + form, **numbers)


_ILL = """
[data.label]
column = "finding"
classes = [["0", "normal"], ["1", "ill"]]
names = ["normal", "ill"]
reference = [0.6, 0.4]
"""

PICTURES = _tensor(
    "a shadow on the lung, from one film a patient",
    '[model]\nname = "cnn"\n\n[model.options]\nchannels = [8, 16]\nhidden = 32',
    _ILL,
    """
[data.image]
file = "file"
channels = 1
height = 64
width = 64
fit = "pad"
centre = 0.4
scale = 0.25
""",
    rate=0.25,
    learning_rate=0.3,
)
"""Pictures beside a label table, or DICOM files."""

SCANS = _tensor(
    "a nodule, from one scan a patient",
    _LOGISTIC,
    _ILL,
    """
[data.volume]
file = "file"
depth = 16
height = 24
width = 24
spacing = [2.0, 2.0, 2.0]
window = [-300, 1400]
""",
    rate=0.25,
)
"""NIfTI volumes beside a label table."""

SIGNALS = _tensor(
    "atrial fibrillation, from one ten-second ECG a patient",
    '[model]\nname = "gru"\n\n[model.options]\nhidden = 16\nlayers = 1',
    _ILL,
    """
[data.signal]
file = "file"
leads = ["I", "II", "V1", "V5"]
rate = 50
seconds = 6
unit = "mV"
limit = 5
scale = 0.3
""",
    rate=0.25,
    learning_rate=0.3,
)
"""WFDB records beside a label table."""

SERIES = Question(
    title="death in hospital, from two days of vital signs",
    model='[model]\nname = "gru"\n\n[model.options]\nhidden = 16\nlayers = 1',
    data="""\
[data]
kind = "tensor"
patient = "patient_id"
time_zero = "admitted"
holdout = { share = 0.25, key = "synthetic-1" }
"""
    + _ILL
    + """
[data.series]
window = [0, 48]
step = 2
masks = true
deltas = true
hold = true

[data.series.channels.heart_rate]
unit = "beats/min"
range = [20, 250]
centre = 85
scale = 18

[data.series.channels.map]
unit = "mmHg"
range = [20, 200]
centre = 80
scale = 14
pick = "mean"

[data.series.channels.temperature]
unit = "degC"
range = [30, 43]
centre = 37
scale = 0.8

[data.series.channels.lactate]
unit = "mmol/L"
substance = "lactate"
range = [0.2, 25]
centre = 1.8
scale = 1
pick = "highest"
""",
    rate=0.25,
    learning_rate=0.3,
)
"""Measurements in long form beside a table of stays."""

NOTES = _tensor(
    "which department a note belongs to",
    _LOGISTIC,
    """
[data.label]
column = "department"
classes = [["cardiology"], ["neurology"], ["pulmonology"]]
names = ["cardiology", "neurology", "pulmonology"]
""",
    """
[data.text]
column = "note"
form = "bag"
buckets = 1024
ngrams = 1
""",
    learning_rate=2.0,
)
"""Free text in a table."""
