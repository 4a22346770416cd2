"""What a model card says, each figure from one source: the published study, the report on who took part, or a file.

The fields follow Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019), and the Coalition for Health AI's
applied model card (2025): identity, developer, use, data, training, privacy, participation, performance, warnings.
Text that nobody declared is empty here, and printed as not declared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "Card",
    "DataFacts",
    "Evaluation",
    "Identity",
    "OnnxFacts",
    "Participation",
    "PrivacyFacts",
    "Provenance",
    "SiteFacts",
    "TrainingFacts",
    "Use",
]


@dataclass(frozen=True, slots=True)
class Identity:
    """Which model this is. `exported` is in seconds since 1970 (UTC); `study` is the study's hash (hex)."""

    name: str
    title: str
    study: str
    family: str
    options: Mapping[str, Any]
    parameters: int
    coordinator: str
    contact: str
    exported: int


@dataclass(frozen=True, slots=True)
class Use:
    """What it is for. Only `purpose` must be declared."""

    purpose: str
    intended_use: str
    intended_users: str
    out_of_scope: str
    licence: str


@dataclass(frozen=True, slots=True)
class DataFacts:
    """What it was trained on, as declared: no figure here follows from a patient's record."""

    unit: str
    kind: str
    shape: tuple[int, ...]
    inputs: Mapping[str, Any]
    label: str
    classes: tuple[str, ...]
    scores: tuple[str, ...]
    follow_up: Mapping[str, Any] | None
    time_zero: str | None
    included: tuple[str, ...]
    held_out: str
    records_per_patient: int
    contract: str


@dataclass(frozen=True, slots=True)
class TrainingFacts:
    """How it was trained."""

    strategy: str
    strategy_options: Mapping[str, float]
    rounds_declared: int
    rounds_completed: int
    attempts: int
    quorum: int
    local_steps: int
    optimizer: str
    learning_rate: float
    momentum: float
    weight_decay: float
    proximal_mu: float
    precision: str
    augmented: Mapping[str, Any] | None
    average_last: int
    started: float | None
    ended: float | None


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """One hospital: declared size, sampling rate, noise, the most that it can have spent, and when it took part.

    `epsilon_at_most` is None where nothing was protected. `missed` counts, by reason, the attempts without it.
    """

    name: str
    declared_size: int
    sampling_rate: float
    noise_multiplier: float
    epsilon_at_most: float | None
    rounds_joined: int
    missed: Mapping[str, int]
    final_model: str


@dataclass(frozen=True, slots=True)
class PrivacyFacts:
    """What was promised to each unit at each hospital."""

    protected: bool
    unit: str
    delta: float
    clip_norm: float
    target_epsilon: float | None
    steps_per_site: int


@dataclass(frozen=True, slots=True)
class Participation:
    """Who was there in each attempt, in order: (round, attempt, counted, sites)."""

    attempts: tuple[tuple[int, int, bool, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Figures from a file that somebody gave, as they stand there.

    `same_study`: the file names this very study. `figures` are (what, value), values as written in the file.
    """

    file: str
    sha256: str
    simulation: bool
    same_study: bool
    provenance: tuple[tuple[str, str], ...]
    figures: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OnnxFacts:
    """How model.onnx was made, and whether it was compared with PyTorch (`runtime` "": it was not)."""

    opset: int
    versions: Mapping[str, str]
    runtime: str
    records: int
    largest_difference: float
    tolerance: float


@dataclass(frozen=True, slots=True)
class Provenance:
    """Versions, and weights that were made elsewhere."""

    code_version: str
    exported_with: str
    protocol: int
    start: Mapping[str, Any] | None
    backbone: Mapping[str, Any] | None
    study_key: str
    onnx: OnnxFacts | None


@dataclass(frozen=True, slots=True)
class Card:
    """The whole card. `limits` are sentences that follow from the facts above them."""

    identity: Identity
    use: Use
    data: DataFacts
    training: TrainingFacts
    privacy: PrivacyFacts
    sites: tuple[SiteFacts, ...]
    participation: Participation
    evaluation: Evaluation | None
    subgroups: tuple[str, ...]
    provenance: Provenance
    limits: tuple[str, ...] = field(default=())
    format: int = 1
