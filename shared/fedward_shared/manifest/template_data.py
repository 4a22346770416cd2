"""`[model]` and `[data]` of the study files that `study init` writes, one text for each kind of record."""

from __future__ import annotations

__all__ = ["IMAGES", "SERIES", "SIGNALS", "SURVIVAL", "TABLE", "TEXT"]

_WHO = """\
patient = "patient_id"       # tells patients apart; privacy is promised to patients. Never seen by the model
split = "split"              # a column made beforehand that says "train" or "test"; leave it out to train on all
records_per_patient = 1      # {records} of one patient that count at most
# encounter = "stay_id"      # tells a patient's stays apart, where a patient may have several
# holdout = {{ share = 0.2, key = "{key}" }}   # instead of split: this share of patients, by a hash of their id

# Who belongs to the study. Records that a rule leaves out are counted, and are no error.
# [[data.include]]
# column = "age"             # an input, or any other column of the hospital's table
# range = [18, 90]           # or: values = ["yes", "1"]
"""

_TABLE_LABEL = """\

[data.label]
column = "disease"
classes = [["0", "no"], ["1", "yes"]]      # for each class, every way in which it is spelt
names = ["no disease", "disease"]
# reference = [0.6, 0.4]     # the share of patients expected in each class; a hospital is told where its own differ
# time = "diagnosed_at"      # when the outcome happened: records whose time zero is not before it are refused
# codes = ["I21", "I22"]     # instead of a column: "1" where there is an event with one of these codes …
# window = [0, 720]          # … within these hours after time zero, else "0"

"""

_TABLE_COLUMNS = """\

# One table for each input. A number becomes (value - centre) / scale. Centre and scale are round, well-known figures,
# not ones computed from patients. Rows with a value outside `range` are refused at import.
[data.columns.age]
type = "number"
unit = "years"
range = [18, 110]
centre = 54
scale = 10
missing = ["", "NA"]         # what stands for "not measured"; any other text is refused
missing_indicator = false    # true: a second input says whether the value was missing
required = true              # true: rows without it are refused
# outside = "missing"        # a value outside the range counts as not measured, instead of refusing its row

[data.columns.cholesterol]
type = "number"
unit = "mg/dl"
substance = "cholesterol"    # so that a hospital that has mmol/L can convert
range = [60, 700]
centre = 240
scale = 50
missing = ["", "NA", "0"]    # here a 0 means "not measured"; it must lie outside range
missing_indicator = true
# fill = 230                 # stands for a missing value; without it the centre does
# reference = [170, 210, 240, 275, 330]   # values below which 5, 25, 50, 75 and 95 % of patients are expected
# higher_in = "disease"      # the class whose patients have the larger values: tells swapped labels
# time = "drawn_at"          # when the value was taken (needs time_zero in [data]) …
# window = [-720, 0]         # … which counts only within these hours after time zero
# codes = ["2093-3"]         # instead of a column: made of events with these codes, within the window …
# pick = "last"              # … last, first, lowest, highest, mean, median, count, any

[data.columns.sex]
type = "category"
values = ["female", "male"]  # the closed list; one input each
missing = ["", "NA"]
# synonyms = { f = "female", m = "male", "0" = "female", "1" = "male" }
# fill = "female"            # stands for a missing value; without it all inputs of the column are 0
# reference = [0.5, 0.5]     # the share of patients expected with each value

"""

TABLE = (
    """\
[model]
name = "logistic"      # logistic or mlp for tables; docs/models.md says which model is for what
seed = 0               # of the first weights; public

[model.options]        # mlp: hidden = [64, 32], activation = "relu" or "tanh"

# ---- The data contract: what every hospital's file must look like -------------------------------------------------

[data]
kind = "table"
# time_zero = "admitted_at"  # the column with the moment of prediction; windows count hours from it
"""
    + _WHO.format(records="rows", key="heart-2026")
    + _TABLE_LABEL
    + _TABLE_COLUMNS
)

SURVIVAL = (
    """\
[model]
name = "cox"           # cox (one risk for each patient) or hazard (a network with a hazard for each interval)
seed = 0               # of the first weights; public

[model.options]
# intervals = [0.5, 1, 2, 3, 5]   # where intervals end, the last at the maximum; without it, ten equal parts
# expected_share = 0.5       # of patients expected to have the event by the maximum: where training starts from

# ---- The data contract: what every hospital's file must look like -------------------------------------------------

[data]
kind = "table"
# time_zero = "diagnosed_at" # the column with the moment of prediction; windows count hours from it
"""
    + _WHO.format(records="rows", key="survival-2026")
    + """\

[data.label]
column = "died"              # whether watching ended with the event
classes = [["0", "no"], ["1", "yes"]]      # first the end of watching, then the event, with every spelling
names = ["alive when last seen", "died"]

[data.label.follow_up]
column = "years"             # from time zero to the event, or to when the patient was last seen
unit = "years"
maximum = 5                  # who was watched for longer counts as watched until here, without the event
"""
    + _TABLE_COLUMNS.replace('"disease"', '"died"')
    + """\
# What reports look at, declared before results are seen.
[evaluation]
horizons = [1, 3, 5]         # times at which risks are judged

"""
)

IMAGES = (
    """\
[model]
name = "cnn"           # cnn, resnet18 or vgg for images
seed = 0               # of the first weights; public

[model.options]
channels = [8, 16]     # one block of convolution, GroupNorm and pooling each
hidden = 32            # width of the layer after them

# ---- The data contract: one float32 array for each record ---------------------------------------------------------

[data]
kind = "tensor"
shape = [1, 28, 28]          # channels, height, width; may be left out where a table such as [data.image] says it
"""
    + _WHO.format(records="images", key="chest-2026")
    + """\

# How a picture (PNG, JPEG, TIFF or one DICOM frame) becomes the array. Leave the table out for arrays made elsewhere.
[data.image]
file = "file"                # the column of the hospital's table that holds each record's file
channels = 1                 # 1: grey; 3: red, green, blue
height = 28
width = 28
fit = "pad"                  # pad (scaled to lie within), crop (the middle kept), stretch
# window = [-600, 1500]      # centre and width of the values shown, as for CT; else the file type's whole range
centre = 0.5                 # values run from 0 to 1, and become (value - centre) / scale
scale = 0.25

# Instead, for NIfTI images and DICOM series (shape: [1, depth, height, width]):
# [data.volume]
# file = "file"
# depth = 32
# height = 64
# width = 64
# spacing = [5.0, 2.0, 2.0]  # mm between slices, rows and columns; volumes are resampled to it
# window = [40, 400]         # centre and width, such as Hounsfield units

[data.label]
column = "finding"
classes = [["0"], ["1"]]     # for each class, every way in which it is spelt
names = ["normal", "pneumonia"]
# reference = [0.7, 0.3]     # the share of patients expected in each class

"""
)

SERIES = (
    """\
[model]
name = "gru"           # gru, lstm or transformer for series
seed = 0               # of the first weights; public

[model.options]
hidden = 32            # width of the recurrent layer
layers = 1

# ---- The data contract: one float32 array for each record ---------------------------------------------------------

[data]
kind = "tensor"
shape = [48, 12]             # time steps, inputs a step; may be left out where [data.series] says it
time_zero = "predict_at"     # the column with the moment of prediction; windows count hours from it
"""
    + _WHO.format(records="series", key="icu-2026")
    + """\

# How events (patient, time, code, value) become a regular grid. Leave the tables out for arrays made elsewhere.
[data.series]
window = [-48, 0]            # hours after time zero: nothing later is read
step = 1                     # hours
masks = true                 # as many inputs more: was it measured in this step?
deltas = true                # as many inputs more: steps since it was last measured
hold = true                  # a value is carried forward until the next one

[data.series.channels.heart_rate]
codes = ["8867-4", "HR"]     # events with one of these codes, or with the channel's name where there are none
unit = "bpm"
range = [0, 300]
centre = 80
scale = 20
pick = "last"                # of several in one step: last, first, lowest, highest, mean, median, count, any

[data.series.channels.mean_pressure]
codes = ["8478-0", "MAP"]
unit = "mmHg"
range = [10, 250]
centre = 80
scale = 20

[data.series.channels.temperature]
codes = ["8310-5", "Temp"]
unit = "°C"
range = [25, 45]
centre = 37
scale = 1

[data.series.channels.lactate]
codes = ["2524-7", "Lactate"]
unit = "mmol/L"
substance = "lactate"        # so that a hospital that has mg/dL can convert
range = [0, 40]
centre = 2
scale = 2

[data.label]
column = "outcome"
classes = [["0"], ["1"]]     # for each class, every way in which it is spelt
names = ["survived", "died"]
# time = "died_at"           # when the outcome happened: records whose time zero is not before it are refused
# reference = [0.85, 0.15]   # the share of patients expected in each class

"""
)

SIGNALS = (
    """\
[model]
name = "cnn1d"         # cnn1d, cnn_lstm or transformer for signals
seed = 0               # of the first weights; public

[model.options]

# ---- The data contract: one float32 array for each record ---------------------------------------------------------

[data]
kind = "tensor"
"""
    + _WHO.format(records="recordings", key="ecg-2026")
    + """\

# How a recording (WFDB) becomes the array: (rate * seconds) samples of each lead.
[data.signal]
file = "file"                # the column of the hospital's table that holds each record's file
leads = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"]   # found by name, in this order
rate = 50                    # samples a second; recordings are resampled to it
seconds = 10                 # from the start; shorter ones are filled with 0
unit = "mV"
limit = 5                    # larger values are cut
centre = 0                   # values become (value - centre) / scale
scale = 0.25

[data.label]
column = "diagnosis"
classes = [["NORM"], ["MI", "STTC", "CD", "HYP"]]     # for each class, every way in which it is spelt
names = ["normal", "abnormal"]
# reference = [0.45, 0.55]   # the share of patients expected in each class

"""
)

TEXT = (
    """\
[model]
name = "logistic"      # logistic or mlp for words that are counted
seed = 0               # of the first weights; public

[model.options]

# ---- The data contract: one float32 array for each record ---------------------------------------------------------

[data]
kind = "tensor"
"""
    + _WHO.format(records="texts", key="notes-2026")
    + """\

# How free text becomes the array. Words are hashed: there is no vocabulary, which would be made of patients' words.
[data.text]
column = "note"              # the column of the hospital's table that holds the text
form = "bag"                 # bag: how often each word occurs; tokens: the words in order
buckets = 4096               # different words as far as the model can tell
ngrams = 2                   # of a bag: words in the longest group that counts as one
# length = 256               # of tokens: words that are read

[data.label]
column = "outcome"
classes = [["0", "no"], ["1", "yes"]]      # for each class, every way in which it is spelt
names = ["not readmitted", "readmitted"]
# time = "readmitted_at"     # when the outcome happened: records whose time zero is not before it are refused
# reference = [0.85, 0.15]   # the share of patients expected in each class

"""
)
