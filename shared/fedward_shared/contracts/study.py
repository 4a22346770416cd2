"""A study as everybody reads it: `study.toml` after checking. Its hash names it everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Literal

from fedward_shared.contracts.augmentation import Augment
from fedward_shared.contracts.cohort import DataContract, Rule

__all__ = [
    "LARGEST_MANIFEST",
    "EvaluationTerms",
    "Limits",
    "ModelTerms",
    "PretrainedTerms",
    "PrivacyTerms",
    "Resolved",
    "ResolvedSite",
    "Scalar",
    "SiteTerms",
    "StrategyTerms",
    "Study",
    "Subgroup",
    "TensorSpec",
    "TrainingTerms",
    "study_id",
]

Scalar = str | int | float | bool

LARGEST_MANIFEST = 1 << 20
"""Bytes of the largest study.toml."""
_ID_DIGITS = 16


def study_id(study_hash: bytes) -> str:
    """What names a study's folder: the first 16 hex digits of its hash (32 bytes)."""
    return study_hash.hex()[:_ID_DIGITS]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One float32 tensor of the model, in the order in which it travels."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)


@dataclass(frozen=True, slots=True)
class PretrainedTerms:
    """Weights made elsewhere, in a local safetensors file: `[model.start]` and `[model.backbone]`.

    `sha256` (hex) is the file's, and the only thing that counts; `source` and `licence` are for people. `name` is that
    of a backbone (empty for a start); a backbone without weights of its own has no `sha256`.
    """

    name: str = ""
    sha256: str = ""
    source: str = ""
    licence: str = ""
    options: Mapping[str, Scalar | tuple[Scalar, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelTerms:
    """`[model]`: a name in the registry, its options, and the seed of the initial weights (public).

    `start` holds the initial weights instead of the seed: only the coordinator needs that file, since the first
    instruction carries them. `backbone` is a frozen network whose features the model sees instead of the records; every
    site has its file, and it never travels.
    """

    name: str
    options: Mapping[str, Scalar | tuple[Scalar, ...]] = field(default_factory=dict)
    seed: int = 0
    start: PretrainedTerms | None = None
    backbone: PretrainedTerms | None = None


@dataclass(frozen=True, slots=True)
class SiteTerms:
    """`[sites.NAME]`: public constants agreed beforehand, never derived from the private number of rows.

    `size` is the site's weight in the average (Flower's num-examples) and its declared number of training units.
    `sampling_rate` q is the probability with which a patient takes part in a step; `normaliser` is what a step's
    clipped, noised sum is divided by (Opacus' expected_batch_size).
    """

    name: str
    size: int
    sampling_rate: float
    normaliser: float


@dataclass(frozen=True, slots=True)
class TrainingTerms:
    """`[training]`: what a site does in one round. The optimizer sees noised gradients only.

    `optimizer` is sgd (with `momentum`), adam or adamw (with `betas`). `within_patient` says whether a patient's
    gradient, which is then clipped, is the mean or the sum of the gradients of the patient's records. `augment` changes
    training records at random, in the vault. `precision` bfloat16 is used in forward and backward pass where the site
    has a GPU; weights, norms, sums and noise stay float32 or better.
    """

    local_steps: int
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    proximal_mu: float = 0.0
    deterministic: bool = False
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    betas: tuple[float, float] = (0.9, 0.999)
    within_patient: Literal["mean", "sum"] = "mean"
    augment: Augment | None = None
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, slots=True)
class StrategyTerms:
    """`[strategy]`: how updates become the next model.

    `spare_attempts` is how many failed rounds the whole study may repeat; each repetition is charged, and noise
    is calibrated for `rounds + spare_attempts`. `average_last` > 1 releases the mean of the last models (free:
    post-processing).
    """

    name: str
    rounds: int
    quorum: int
    deadline_seconds: float
    spare_attempts: int = 0
    average_last: int = 1
    options: Mapping[str, float] = field(default_factory=dict)

    @property
    def charged_rounds(self) -> int:
        """The most reservations a site can ever make for the study."""
        return self.rounds + self.spare_attempts


@dataclass(frozen=True, slots=True)
class PrivacyTerms:
    """`[privacy]`: the clip norm C, and either a target ε (per site) or a noise multiplier σ; noise is N(0, σ²C²)."""

    clip_norm: float
    delta: float
    target_epsilon: float | None = None
    noise_multiplier: float | None = None
    unsafe_no_privacy: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """`[limits]`: largest |weight| a vault accepts; largest L2 norm of an update that counts (None: resolved)."""

    max_weight: float
    max_update_norm: float | None = None


@dataclass(frozen=True, slots=True)
class Subgroup:
    """`[[evaluation.subgroups]]`: patients for whom figures are told on their own, such as women, or those above 65."""

    name: str
    rule: Rule


@dataclass(frozen=True, slots=True)
class EvaluationTerms:
    """`[evaluation]`: what reports look at, declared before results are seen.

    `horizons` are times after time zero in the unit of `FollowUp` (none: thirds of its maximum). `thresholds` is the
    range of risks at which somebody would act: decision curves are drawn over it.
    """

    horizons: tuple[float, ...] = ()
    thresholds: tuple[float, float] = (0.05, 0.5)
    subgroups: tuple[Subgroup, ...] = ()


@dataclass(frozen=True, slots=True)
class ResolvedSite:
    """What publishing computed for a site; the vault computes ε again and does not take it from here."""

    noise_multiplier: float
    epsilon: float
    expected_update_norm: float
    max_update_norm: float


@dataclass(frozen=True, slots=True)
class Resolved:
    """`[resolved]`, written by `study publish`: the tensors that travel, and the constants of each site."""

    tensors: tuple[TensorSpec, ...]
    sites: Mapping[str, ResolvedSite]

    @property
    def parameters(self) -> int:
        """Number of float32 values in one model, and so in one update."""
        return sum(spec.size for spec in self.tensors)


@dataclass(frozen=True, slots=True)
class Study:
    """A checked study. `resolved` is None until it is published.

    What is said about use goes into the model card; nobody has to declare it.
    """

    name: str
    title: str
    purpose: str
    contact: str
    protocol: int
    code_version: str
    model: ModelTerms
    data: DataContract
    sites: Mapping[str, SiteTerms]
    training: TrainingTerms
    strategy: StrategyTerms
    privacy: PrivacyTerms
    limits: Limits
    resolved: Resolved | None = None
    evaluation: EvaluationTerms = field(default_factory=EvaluationTerms)
    intended_use: str = ""
    intended_users: str = ""
    out_of_scope: str = ""
    licence: str = ""

    @property
    def site_names(self) -> tuple[str, ...]:
        """Names in the order of the file; a site's Flower node id is its index here plus one."""
        return tuple(self.sites)

    @property
    def steps_per_site(self) -> int:
        """The most noisy steps a site can ever take for this study."""
        return self.strategy.charged_rounds * self.training.local_steps
