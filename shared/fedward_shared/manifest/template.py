"""The study files that `study init` writes: complete, commented, and right as they are."""

from __future__ import annotations

from fedward_shared.errors import UsageError

__all__ = ["KINDS", "template"]

_HEAD = """\
# A study: what is trained, on which data, by whom, and what it may cost.
# Everything in this file is public. Change it to fit, then run:  fedward-coordinator study check FILE
# Hospitals see these words before they approve, and approve exactly these bytes.

[study]
name = "{name}"                      # small letters, digits and hyphens
title = "{title}"
purpose = "{purpose}"
contact = "trial-office@example.org"      # whom a hospital can ask

"""

_TABLE = """\
[model]
name = "logistic"      # logistic, mlp (tables); cnn (images); lstm, gru (series)
seed = 0               # of the first weights; public

[model.options]        # mlp: hidden = [64, 32], activation = "relu" or "tanh"

# ---- The data contract: what every hospital's file must look like -------------------------------------------------

[data]
kind = "table"
patient = "patient_id"       # tells patients apart; privacy is promised to patients. Never seen by the model
split = "split"              # a column made beforehand that says "train" or "test"; leave it out to train on all
records_per_patient = 1      # rows of one patient that count at most

[data.label]
column = "disease"
classes = [["0", "no"], ["1", "yes"]]      # for each class, every way in which it is spelt
names = ["no disease", "disease"]

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

[data.columns.cholesterol]
type = "number"
unit = "mg/dl"
range = [60, 700]
centre = 240
scale = 50
missing = ["", "NA", "0"]    # here a 0 means "not measured"; it must lie outside range
missing_indicator = true

[data.columns.sex]
type = "category"
values = ["female", "male"]  # the closed list; one input each
missing = ["", "NA"]

"""

_IMAGES = """\
[model]
name = "cnn"           # cnn for images; logistic and mlp work, too
seed = 0               # of the first weights; public

[model.options]
channels = [8, 16]     # one block of convolution, GroupNorm and pooling each
hidden = 32            # width of the layer after them

# ---- The data contract: one float32 array for each record ---------------------------------------------------------

[data]
kind = "tensor"
shape = [1, 28, 28]          # channels, height, width
patient = "patient_id"       # tells patients apart; privacy is promised to patients
split = "split"              # made beforehand: "train" or "test"
records_per_patient = 1      # images of one patient that count at most

[data.label]
column = "finding"
classes = [["0"], ["1"]]     # for each class, every way in which it is spelt
names = ["normal", "pneumonia"]

"""

_SERIES = """\
[model]
name = "gru"           # lstm or gru for series; logistic and mlp work, too
seed = 0               # of the first weights; public

[model.options]
hidden = 32            # width of the recurrent layer
layers = 1

# ---- The data contract: one float32 array for each record ---------------------------------------------------------

[data]
kind = "tensor"
shape = [48, 12]             # time steps, channels
patient = "patient_id"       # tells patients apart; privacy is promised to patients
split = "split"              # made beforehand: "train" or "test"
records_per_patient = 1      # series of one patient that count at most

[data.label]
column = "outcome"
classes = [["0"], ["1"]]     # for each class, every way in which it is spelt
names = ["survived", "died"]

"""

_TERMS = """\
# ---- The hospitals: agreed constants, never computed from the real rows -------------------------------------------

[sites.north]
size = {north_size}                  # agreed number of training patients; the site's weight in the average
sampling_rate = {rate}          # a patient's chance to take part in one step
normaliser = {north}           # what a step's sum is divided by; usually size * sampling_rate

[sites.south]
size = {south_size}
sampling_rate = {rate}
normaliser = {south}

# ---- What a hospital does in one round ----------------------------------------------------------------------------

[training]
local_steps = {steps}
learning_rate = {learning_rate}
optimizer = "sgd"            # sgd, adam, adamw; all of them follow noised gradients
momentum = 0.0               # of sgd: from 0, below 1 (adam and adamw have betas = [0.9, 0.999])
within_patient = "mean"      # "sum": a patient's rows are added up before they are clipped together
weight_decay = 0.0
proximal_mu = 0.0            # FedProx's pull towards the round's first weights
deterministic = false        # true: the same bits again on the same machine, slower

# ---- How updates become the next model ----------------------------------------------------------------------------

[strategy]
name = "fedavg"              # fedavg, fedprox, fedadam, fedyogi, fedavgm
rounds = 20
quorum = 2                   # a round with fewer updates fails
deadline_seconds = 600       # a site that has not answered by then is left out of the round
spare_attempts = 2           # failed rounds that may be repeated; ε already counts them
average_last = 1             # above 1: the result is the mean of the last models, at no cost in ε

[strategy.options]           # fedadam and fedyogi: eta, eta_l, beta_1, beta_2, tau
                             # fedavgm: server_learning_rate, server_momentum

# ---- What a patient's records may cost ----------------------------------------------------------------------------

[privacy]
clip_norm = 1.0              # no patient moves a step's sum by more than this
delta = 1e-5                 # must be the delta of every site's policy, and below one over the smallest size
target_epsilon = 3.0         # publishing works out each site's noise from it (or give noise_multiplier instead)
unsafe_no_privacy = false    # true: no noise at all; sites refuse it unless their policy allows it

[limits]
max_weight = 100.0           # a site refuses weights beyond this; so does the coordinator
"""

KINDS = ("table", "images", "series")
"""The templates there are."""


def template(kind: str = "table") -> str:
    """A study file to start from.

    Raises:
        UsageError: there is no such template.
    """
    if kind == "table":
        head = ("heart-disease", "Coronary heart disease from routine findings", "predict coronary heart disease")
        numbers = _numbers(north=400, south=300, rate=1.0, steps=2, learning_rate=0.5)
        body = _TABLE
    elif kind == "images":
        head = ("chest-x-ray", "Pneumonia from chest X-rays", "recognise pneumonia")
        numbers = _numbers(north=4000, south=3000, rate=0.05, steps=5, learning_rate=0.2)
        body = _IMAGES
    elif kind == "series":
        head = ("icu-mortality", "Mortality from two days of intensive care", "predict mortality")
        numbers = _numbers(north=4000, south=3000, rate=0.05, steps=5, learning_rate=0.2)
        body = _SERIES
    else:
        raise UsageError(f"there is no template {kind!r}", hint=f"Choose one of: {', '.join(KINDS)}")
    name, title, aim = head
    purpose = f"Find out whether two hospitals together {aim} better than each alone."
    return _HEAD.format(name=name, title=title, purpose=purpose) + body + _TERMS.format(**numbers)


def _numbers(*, north: int, south: int, rate: float, steps: int, learning_rate: float) -> dict[str, object]:
    return {
        "north_size": north,
        "south_size": south,
        "north": north * rate,
        "south": south * rate,
        "rate": rate,
        "steps": steps,
        "learning_rate": learning_rate,
    }
