"""The study files that `study init` writes: complete, commented, and right as they are."""

from __future__ import annotations

from dataclasses import dataclass

from fedward_shared.errors import UsageError
from fedward_shared.manifest import template_data

__all__ = ["KINDS", "head", "template", "training_terms"]

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

# Random changes to training records; several copies of one are averaged, at no cost in ε.
# [training.augment]
# copies = 4
{augment}
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

_PICTURES = """\
# flip = true                # left to right, half of the time; not where left and right differ
# rotate = 10                # degrees either way
# shift = 0.1                # share of each side
# intensity = 0.1            # gain and offset
# noise = 0.05               # standard deviation of what is added after scaling
"""
_RECORDINGS = """\
# shift = 0.1                # share of the time
# intensity = 0.1            # gain
# drop = 0.1                 # chance of each lead to be 0 throughout
# noise = 0.05               # standard deviation of what is added after scaling
"""
_AGED = """\
# intensity = 0.1            # gain; shift and drop are for series without deltas
# noise = 0.05               # standard deviation of what is added after scaling
"""
_OTHERS = """\
# noise = 0.05               # standard deviation of what is added to numbers after scaling
"""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What one template says: the study's name, title and aim, its data, and terms that suit it."""

    name: str
    title: str
    aim: str
    body: str
    augment: str
    sizes: tuple[int, int] = (4000, 3000)
    rate: float = 0.05
    steps: int = 5
    learning_rate: float = 0.2


_KINDS = {
    "table": _Kind(
        "heart-disease",
        "Coronary heart disease from routine findings",
        "predict coronary heart disease",
        template_data.TABLE,
        _OTHERS,
        sizes=(400, 300),
        rate=1.0,
        steps=2,
        learning_rate=0.5,
    ),
    "images": _Kind(
        "chest-x-ray", "Pneumonia from chest X-rays", "recognise pneumonia", template_data.IMAGES, _PICTURES
    ),
    "series": _Kind(
        "icu-mortality",
        "Mortality from two days of intensive care",
        "predict mortality",
        template_data.SERIES,
        _AGED,
    ),
    "signals": _Kind(
        "ecg-finding", "Abnormal electrocardiograms", "tell abnormal ECGs", template_data.SIGNALS, _RECORDINGS
    ),
    "text": _Kind(
        "readmission",
        "Readmission from the discharge summary",
        "predict readmission",
        template_data.TEXT,
        _OTHERS,
    ),
}
KINDS = tuple(_KINDS)
"""The templates there are."""


def template(kind: str = "table") -> str:
    """A study file to start from.

    Raises:
        UsageError: there is no such template.
    """
    found = _KINDS.get(kind)
    if found is None:
        raise UsageError(f"there is no template {kind!r}", hint=f"Choose one of: {', '.join(KINDS)}")
    purpose = f"Find out whether two hospitals together {found.aim} better than each alone."
    terms = training_terms(
        found.sizes, rate=found.rate, steps=found.steps, learning_rate=found.learning_rate, augment=found.augment
    )
    return head(found.name, found.title, purpose) + found.body + terms


def head(name: str, title: str, purpose: str) -> str:
    """The beginning of a study file, up to `[study]`. The texts must not hold quotes, backslashes or line ends."""
    return _HEAD.format(name=name, title=title, purpose=purpose)


def training_terms(
    sizes: tuple[int, int] = (400, 300),
    *,
    rate: float = 1.0,
    steps: int = 2,
    learning_rate: float = 0.5,
    augment: str = _OTHERS,
) -> str:
    """The end of a study file: from two example sites with these numbers of patients to `[limits]`."""
    return _TERMS.format(
        north_size=sizes[0],
        south_size=sizes[1],
        north=sizes[0] * rate,
        south=sizes[1] * rate,
        rate=rate,
        steps=steps,
        learning_rate=learning_rate,
        augment=augment,
    )
