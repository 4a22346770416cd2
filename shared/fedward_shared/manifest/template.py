"""The study files that `study init` writes: complete, commented, and right as they are."""

from __future__ import annotations

from dataclasses import dataclass

from fedward_shared.errors import UsageError
from fedward_shared.manifest import template_data
from fedward_shared.recipes.recipe import Recipe, recipe
from fedward_shared.recipes.schedules import FAMILIES

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
# For the model card; what is left out is printed there as not declared.
# intended_use = "Referral from primary care."
# intended_users = "General practitioners"
# out_of_scope = "Children"
# licence = "CC-BY-4.0"                # of the trained model

"""

_TERMS = """\
# ---- The hospitals: agreed constants, never computed from the real rows -------------------------------------------

[sites.north]
size = {north_size}                  # agreed number of training patients; the site's weight in the average
sampling_rate = {north_rate:g}            # a patient's chance to take part in one step
normaliser = {north:g}             # what a step's sum is divided by; usually size * sampling_rate

[sites.south]
size = {south_size}
sampling_rate = {south_rate:g}
normaliser = {south:g}

# ---- What a hospital does in one round ----------------------------------------------------------------------------

[training]
local_steps = {steps}
learning_rate = {learning_rate:g}
optimizer = "{optimizer}"            # sgd, adam, adamw; all of them follow noised gradients
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
rounds = {rounds}
quorum = 2                   # a round with fewer updates fails
deadline_seconds = 600       # a site that has not answered by then is left out of the round
spare_attempts = 2           # failed rounds that may be repeated; ε already counts them
average_last = {average}             # above 1: the result is the mean of the last models, at no cost in ε

[strategy.options]           # fedadam and fedyogi: eta, eta_l, beta_1, beta_2, tau
                             # fedavgm: server_learning_rate, server_momentum

# ---- What a patient's records may cost ----------------------------------------------------------------------------

[privacy]
clip_norm = {clip}              # no patient moves a step's sum by more than this
delta = 1e-5                 # must be the delta of every site's policy, and below one over the smallest size
target_epsilon = 3.0         # publishing works out each site's noise from it (or give noise_multiplier instead)
unsafe_no_privacy = false    # true: no noise at all; sites refuse it unless their policy allows it

[limits]
max_weight = 100.0           # a site refuses weights beyond this; so does the coordinator
"""

_CONTRACT = "# ---- The data contract"
_MODEL = """\
[model]
name = "{model}"
seed = 0               # of the first weights; public

[model.options]        # what is left out has a tested default; docs/models.md lists the options

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
    model: str
    sizes: tuple[int, int] = (4000, 3000)


_KINDS = {
    "table": _Kind(
        "heart-disease",
        "Coronary heart disease from routine findings",
        "predict coronary heart disease",
        template_data.TABLE,
        _OTHERS,
        "logistic",
        sizes=(400, 300),
    ),
    "survival": _Kind(
        "survival",
        "Survival after diagnosis from routine findings",
        "predict survival",
        template_data.SURVIVAL,
        _OTHERS,
        "cox",
        sizes=(400, 300),
    ),
    "images": _Kind(
        "chest-x-ray", "Pneumonia from chest X-rays", "recognise pneumonia", template_data.IMAGES, _PICTURES, "cnn"
    ),
    "series": _Kind(
        "icu-mortality",
        "Mortality from two days of intensive care",
        "predict mortality",
        template_data.SERIES,
        _AGED,
        "gru",
    ),
    "signals": _Kind(
        "ecg-finding", "Abnormal electrocardiograms", "tell abnormal ECGs", template_data.SIGNALS, _RECORDINGS, "cnn1d"
    ),
    "text": _Kind(
        "readmission",
        "Readmission from the discharge summary",
        "predict readmission",
        template_data.TEXT,
        _OTHERS,
        "logistic",
    ),
}
KINDS = tuple(_KINDS)
"""The templates there are."""


def template(kind: str = "", model: str = "") -> str:
    """A study file to start from: of this kind of record, for this model, with the model's recipe.

    Either may be left out: a model has its usual kind, a kind its usual model, and a table is what is usual at all.

    Raises:
        UsageError: there is no such template or model, or the model is none for such records.
    """
    chosen = kind or (_kind_of(model) if model else "table")
    found = _KINDS.get(chosen)
    if found is None:
        raise UsageError(f"there is no template {chosen!r}", hint=f"Choose one of: {', '.join(KINDS)}")
    purpose = f"Find out whether two hospitals together {found.aim} better than each alone."
    body = found.body if model in ("", found.model) else _with_model(found.body, model)
    name = model or found.model
    terms = training_terms(recipe(name, _sizes(found.sizes, FAMILIES[name].fewest)), augment=found.augment)
    text = head(found.name, found.title, purpose) + body + terms
    if model:
        _check_fits(text, chosen, model)
    return text


def head(name: str, title: str, purpose: str) -> str:
    """The beginning of a study file, up to `[study]`. The texts must not hold quotes, backslashes or line ends."""
    return _HEAD.format(name=name, title=title, purpose=purpose)


def training_terms(found: Recipe | None = None, *, augment: str = _OTHERS) -> str:
    """The end of a study file: from two example sites to `[limits]`, with the figures of a recipe.

    Without one: logistic regression at sites of 400 and 300 patients.
    """
    chosen = found or recipe("logistic", {"north": 400, "south": 300})
    return _TERMS.format(
        north_size=chosen.sizes["north"],
        south_size=chosen.sizes["south"],
        north=chosen.normalisers["north"],
        south=chosen.normalisers["south"],
        north_rate=chosen.sampling_rates["north"],
        south_rate=chosen.sampling_rates["south"],
        steps=chosen.schedule.local_steps,
        learning_rate=chosen.schedule.learning_rate,
        optimizer=chosen.schedule.optimizer,
        rounds=chosen.schedule.rounds,
        average=chosen.schedule.average_last,
        clip=chosen.schedule.clip_norm,
        augment=augment,
    )


def _sizes(usual: tuple[int, int], fewest: int) -> dict[str, int]:
    """Example sites large enough for the family: those of the kind, or as many times their patients as it needs."""
    times = max(1, -(-fewest // sum(usual)))
    return {"north": usual[0] * times, "south": usual[1] * times}


def _kind_of(model: str) -> str:
    if model not in FAMILIES:
        raise UsageError(f"there is no model {model!r}", hint=f"Choose one of: {', '.join(sorted(FAMILIES))}")
    return FAMILIES[model].records


def _with_model(body: str, model: str) -> str:
    """The body with another model in place of its own; options are the model's defaults."""
    return _MODEL.format(model=model) + body[body.index(_CONTRACT) :]


def _check_fits(text: str, kind: str, model: str) -> None:
    from fedward_shared.manifest.parse import load
    from fedward_shared.models.registry import check_options

    study = load(text.encode())
    try:
        check_options(study.model, study.data)
    except UsageError as error:
        usual = _kind_of(model)
        raise UsageError(
            f"{model} is no model for {kind}: {error.message}", hint=f"Leave the kind out, or take {usual}."
        ) from error
