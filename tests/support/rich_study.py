"""A study that uses every key of the data contract for tables, to change one at a time."""

from tests.support.samples import TWO_SITES

__all__ = ["RICH"]

_DATA = """\
[data]
kind = "table"
patient = "patient_id"
encounter = "stay"
time_zero = "admitted"
records_per_patient = 1
holdout = { share = 0.25, key = "heart-2026" }

[[data.include]]
column = "age"
range = [40, 80]

[[data.include]]
column = "ward"
values = ["cardiology", "medicine"]

[data.label]
column = "disease"
classes = [["0"], ["1"]]
names = ["no disease", "disease"]
time = "diagnosed"
reference = [0.6, 0.4]

[data.columns.age]
type = "number"
unit = "years"
range = [18, 110]
centre = 54
scale = 9
missing = ["", "NaN"]
fill = 50
outside = "missing"
reference = [30, 45, 55, 62, 75]
higher_in = "disease"

[data.columns.glucose]
type = "number"
unit = "mmol/L"
substance = "glucose"
range = [1, 60]
centre = 6
scale = 2
codes = ["2345-7", "GLU"]
window = [-48, 0]
pick = "median"

[data.columns.pain]
type = "category"
values = ["1", "2", "3", "4"]
missing = ["", "NaN"]
synonyms = { typical = "1", none = "4" }
fill = "4"
reference = [0.1, 0.2, 0.3, 0.4]
time = "asked"
window = [-24, 0]

"""


def _rich() -> str:
    start, end = TWO_SITES.index("[data]\n"), TWO_SITES.index("[sites.north]")
    text = TWO_SITES[:start] + _DATA + TWO_SITES[end:]
    return text.replace("[strategy]\n", "[training.augment]\ncopies = 4\nnoise = 0.1\n\n[strategy]\n", 1)


RICH = _rich()
"""The sample study of two sites with a time zero, events, a rule, a holdout, references and augmentation."""
