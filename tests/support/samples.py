"""Sample studies that many tests start from."""

__all__ = ["TWO_SITES"]

TWO_SITES = """\
[study]
name = "heart-disease"
title = "Coronary heart disease from routine findings"
purpose = "Find out whether two hospitals together predict coronary disease better than each alone."
contact = "trial-office@example.org"
protocol = 1
code_version = "0.1.0"

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
column = "disease"
classes = [["0"], ["1"]]
names = ["no disease", "disease"]

[data.columns.age]
type = "number"
unit = "years"
range = [18, 110]
centre = 54
scale = 9
missing = ["", "NaN"]
missing_indicator = false
required = false

[data.columns.chest_pain]
type = "category"
values = ["1", "2", "3", "4"]
missing = ["", "NaN"]

[sites.north]
size = 150
sampling_rate = 1.0
normaliser = 150.0

[sites.south]
size = 100
sampling_rate = 0.5
normaliser = 50.0

[training]
local_steps = 2
learning_rate = 0.5
momentum = 0.0
weight_decay = 0.0
proximal_mu = 0.0
deterministic = false

[strategy]
name = "fedavg"
rounds = 3
quorum = 2
deadline_seconds = 60
spare_attempts = 1
average_last = 1

[strategy.options]

[privacy]
clip_norm = 1.0
delta = 1e-5
target_epsilon = 3.0
unsafe_no_privacy = false

[limits]
max_weight = 100.0
"""
