"""The tables of study.toml, one class each, exactly as people write them.

A field's description completes the sentence "must be …": it is what a person is told when the field is wrong.
The tables of the data contract are in `schema_data`. What takes two fields or two tables to judge is in `checks`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "MOST",
    "SITE_NAME",
    "AugmentTable",
    "BackboneTable",
    "LimitsTable",
    "Line",
    "ModelTable",
    "OptionsTable",
    "PrivacyTable",
    "ResolvedSiteTable",
    "ResolvedTable",
    "SiteTable",
    "Spelling",
    "Spellings",
    "StartTable",
    "StrategyTable",
    "StudyTable",
    "Table",
    "TensorTable",
    "TrainingTable",
]

SITE_NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
"""What a site's (and a study's) name looks like."""

_NO_CONTROL = r"^[^\p{Cc}\p{Cf}\p{Co}]*$"
_LINES = r"^(?:[^\p{Cc}\p{Cf}\p{Co}]|\n)*$"
MOST = 2**31 - 1
"""The largest whole number that a key may have."""

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_CONTROL)]
Spelling = Annotated[str, Field(max_length=200, pattern=_NO_CONTROL)]
Spellings = Annotated[list[Spelling], Field(max_length=1000)]
Scalar = bool | int | float | Spelling


class Table(BaseModel):
    """Nothing is converted, nothing unknown is let through, no number is NaN or infinite."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class StudyTable(Table):
    """`[study]`."""

    name: str = Field(
        pattern=SITE_NAME, description="a short name of small letters, digits and hyphens (at most 63), in quotes"
    )
    title: Line = Field(description="one line of text (at most 200 characters), in quotes")
    purpose: str = Field(
        min_length=1,
        max_length=2000,
        pattern=_LINES,
        description="the question that the study answers, as text in quotes (at most 2000 characters)",
    )
    contact: Line = Field(description="whom hospitals can ask, one line of text in quotes")
    intended_use: str = Field(
        default="",
        max_length=2000,
        pattern=_LINES,
        description="what the model is to be used for, as text in quotes (at most 2000 characters)",
    )
    intended_users: str = Field(
        default="", max_length=2000, pattern=_LINES, description="who is to use the model, as text in quotes"
    )
    out_of_scope: str = Field(
        default="",
        max_length=2000,
        pattern=_LINES,
        description="what the model must not be used for, as text in quotes",
    )
    licence: Spelling = Field(
        default="", description='the licence of the trained model, such as "CC-BY-4.0", in quotes'
    )
    protocol: int | None = Field(default=None, ge=1, le=MOST, description="a whole number from 1; leave it out")
    code_version: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$",
        description='a version such as "0.1.0", in quotes; leave it out for this program\'s own',
    )


class ModelTable(Table):
    """`[model]`."""

    name: Line = Field(description="the name of a model, in quotes")
    seed: int = Field(default=0, ge=0, le=MOST, description="a whole number from 0 (below 2147483648)")


_SHA256 = r"^[0-9a-f]{64}$"
_SHA256_RULE = "the file's SHA-256: 64 hexadecimal digits in small letters, in quotes"
_SOURCE = "where the weights come from, one line of text in quotes"
_LICENCE = 'their licence, such as "BSD-3-Clause", in quotes'


class StartTable(Table):
    """`[model.start]`."""

    sha256: str = Field(pattern=_SHA256, description=_SHA256_RULE)
    source: Line = Field(description=_SOURCE)
    licence: Line = Field(description=_LICENCE)


class BackboneTable(Table):
    """`[model.backbone]`."""

    name: Line = Field(description="the name of a backbone, in quotes")
    sha256: str | None = Field(default=None, pattern=_SHA256, description=_SHA256_RULE)
    source: Line | None = Field(default=None, description=_SOURCE)
    licence: Line | None = Field(default=None, description=_LICENCE)


class OptionsTable(Table):
    """`[model.options]`, `[model.backbone.options]` and `[strategy.options]`: whose owner checks the names."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, Scalar | Annotated[list[Scalar], Field(max_length=1000)]]


class SiteTable(Table):
    """`[sites.NAME]`."""

    size: int = Field(ge=1, le=MOST, description="a whole number from 1: how many training patients were agreed on")
    sampling_rate: float = Field(
        gt=0, le=1, description="a number above 0 and at most 1: a patient's chance to take part in a step"
    )
    normaliser: float = Field(
        ge=1e-6, le=1e12, description="a number above 0, usually size × sampling_rate: a step's sum is divided by it"
    )


class TrainingTable(Table):
    """`[training]`."""

    local_steps: int = Field(ge=1, le=1_000_000, description="a whole number from 1: steps at a site in each round")
    learning_rate: float = Field(gt=0, le=1e6, description="a number above 0")
    momentum: float = Field(default=0.0, ge=0, lt=1, description="a number from 0 and below 1")
    weight_decay: float = Field(default=0.0, ge=0, le=1e6, description="a number from 0")
    proximal_mu: float = Field(default=0.0, ge=0, le=1e6, description="a number from 0 (FedProx's μ)")
    deterministic: bool = Field(default=False, description="true or false")
    optimizer: Literal["sgd", "adam", "adamw"] = Field(default="sgd", description='"sgd", "adam" or "adamw"')
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(
        default=[0.9, 0.999],
        min_length=2,
        max_length=2,
        description="two numbers from 0 and below 1 (of adam and adamw)",
    )
    within_patient: Literal["mean", "sum"] = Field(default="mean", description='"mean" or "sum"')
    precision: Literal["float32", "bfloat16"] = Field(default="float32", description='"float32" or "bfloat16"')


class AugmentTable(Table):
    """`[training.augment]`."""

    copies: int = Field(
        default=1, ge=1, le=64, description="a whole number from 1 to 64: changed copies whose gradients are averaged"
    )
    flip: bool = Field(default=False, description="true or false")
    rotate: float = Field(default=0.0, ge=0, le=180, description="a number from 0 to 180: degrees either way")
    shift: float = Field(default=0.0, ge=0, le=0.5, description="a number from 0 to 0.5: a share of each side, or time")
    intensity: float = Field(default=0.0, ge=0, lt=1, description="a number from 0 and below 1")
    drop: float = Field(default=0.0, ge=0, lt=1, description="a number from 0 and below 1: a lead's chance to be 0")
    noise: float = Field(
        default=0.0, ge=0, le=100, description="a number from 0 to 100: the standard deviation, after scaling"
    )


class StrategyTable(Table):
    """`[strategy]`."""

    name: Line = Field(description="the name of a strategy, in quotes")
    rounds: int = Field(ge=1, le=100_000, description="a whole number from 1")
    quorum: int = Field(ge=1, le=100_000, description="a whole number from 1: how many sites a round needs")
    deadline_seconds: float = Field(gt=0, le=604_800, description="a number of seconds above 0 (at most a week)")
    spare_attempts: int = Field(
        default=0, ge=0, le=100_000, description="a whole number from 0: how many failed rounds may be repeated"
    )
    average_last: int = Field(
        default=1, ge=1, le=100_000, description="a whole number from 1: how many of the last models are averaged"
    )


class PrivacyTable(Table):
    """`[privacy]`."""

    clip_norm: float = Field(ge=1e-9, le=1e9, description="a number above 0")
    delta: float = Field(gt=0, lt=1, description="a number above 0 and below 1, such as 1e-5")
    target_epsilon: float | None = Field(
        default=None, ge=1e-3, le=1e3, description="a number from 0.001 to 1000, such as 3.0"
    )
    noise_multiplier: float | None = Field(
        default=None, ge=1e-2, le=1e6, description="a number from 0.01 to 1000000, such as 1.1"
    )
    unsafe_no_privacy: bool = Field(default=False, description="true or false")


class LimitsTable(Table):
    """`[limits]`."""

    max_weight: float = Field(gt=0, le=1e30, description="a number above 0: the largest weight a site accepts")
    max_update_norm: float | None = Field(
        default=None, gt=0, le=1e30, description="a number above 0; leave it out to have it worked out"
    )


class TensorTable(Table):
    """One entry of `tensors` in `[resolved]`."""

    name: Line
    shape: list[Annotated[int, Field(ge=1, le=MOST)]] = Field(max_length=8)


class ResolvedTable(Table):
    """`[resolved]`, written by `study publish`."""

    tensors: list[TensorTable] = Field(
        min_length=1, max_length=10_000, description="what `study publish` wrote; publish again instead of editing"
    )


class ResolvedSiteTable(Table):
    """`[resolved.sites.NAME]`, written by `study publish`. ε is `inf` in a study without privacy."""

    noise_multiplier: float = Field(ge=0, description="what `study publish` wrote: a number from 0")
    epsilon: float = Field(ge=0, allow_inf_nan=True, description="what `study publish` wrote: a number from 0")
    expected_update_norm: float = Field(gt=0, description="what `study publish` wrote: a number above 0")
    max_update_norm: float = Field(gt=0, description="what `study publish` wrote: a number above 0")
