"""What a person at the site is shown: frozen dataclasses of plain values (`dataclasses.asdict` gives JSON).

Hashes are hex, times are seconds since 1970 (UTC), sizes are bytes; an ε may be infinite.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "ChainCheck",
    "ColumnView",
    "DataSetChoice",
    "DataSetSpend",
    "DecisionView",
    "JournalEntry",
    "LedgerRow",
    "OfferView",
    "Status",
    "StudySummary",
    "StudyView",
    "TensorView",
]


@dataclass(frozen=True, slots=True)
class StudySummary:
    """A line in the list of studies. `state` is proposed, approved, rejected or withdrawn."""

    study: str
    name: str
    title: str
    state: str
    offered_at: int
    decided_by: str
    decided_at: int
    data_set: str
    rounds_reserved: int
    rounds: int
    concluded: bool


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column that the study reads: its type, unit, and what values it may have."""

    name: str
    type: str
    unit: str
    values: str


@dataclass(frozen=True, slots=True)
class TensorView:
    """A tensor of the model: it comes in as weights, and its change leaves in each round."""

    name: str
    shape: tuple[int, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class DataSetChoice:
    """An imported data set that fits the study's contract, and what approving would make of its budget.

    `spent` is ε so far; `after` is ε once this study and all others approved on the data set have run to their
    ends, repetitions included.
    """

    data_set: str
    version: str
    spent: float
    after: float
    max_epsilon: float
    covered: bool


@dataclass(frozen=True, slots=True)
class StudyView:
    """Everything that somebody who approves a study needs to know."""

    study: str
    name: str
    title: str
    purpose: str
    contact: str
    state: str
    decided_by: str
    decided_at: int
    data_set: str
    study_key: str
    """Fingerprint of the key that signed the study: the consortium's, pinned when the site joined."""
    code_version: str
    model: str
    model_options: tuple[tuple[str, str], ...]
    label: str
    classes: tuple[str, ...]
    columns: tuple[ColumnView, ...]
    shape: tuple[int, ...]
    unit: str
    patient_column: str
    split_column: str
    sites: tuple[str, ...]
    own_size: int
    strategy: str
    rounds: int
    spare_attempts: int
    local_steps: int
    sampling_rate: float
    clip_norm: float
    noise_multiplier: float
    max_weight: float
    tensors: tuple[TensorView, ...]
    bytes_in_per_round: int
    bytes_out_per_round: int
    epsilon: float
    """ε of the whole study for a patient of this site, computed here and not taken from the study file."""
    delta: float
    unsafe_no_privacy: bool
    data_sets: tuple[DataSetChoice, ...]
    problems: tuple[str, ...]
    """Why it could not be approved now; empty where it could."""
    also_read: tuple[tuple[str, str], ...] = ()
    """Columns that are read and are no inputs: each name, and what for."""
    rules: tuple[str, ...] = ()
    """Who is in the cohort, who is held out, and which events count: in words."""
    follow_up: str = ""
    """Of a study of survival, the longest time that counts, with its unit; else empty."""
    start: str = ""
    """Where the weights of the first round come from: source, licence and digest of a file; empty where drawn."""
    uses: tuple[tuple[str, str], ...] = ()
    """What is declared of the model's use: each heading, and the words. They go into its card."""
    backbone: str = ""
    """The frozen network whose features the model sees instead of the records, in words."""


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision that was recorded and signed."""

    study: str
    name: str
    state: str
    by: str
    at: int
    data_set: str
    epsilon: float


@dataclass(frozen=True, slots=True)
class OfferView:
    """A study that came as a file; `known` says whether it had reached this site before."""

    study: str
    name: str
    title: str
    state: str
    known: bool


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One reservation. `event` says what was charged; `replied` whether its reply was made."""

    study: str
    name: str
    round: int
    attempt: int
    data_set: str
    dataset_version: str
    event: str
    at: int
    replied: bool


@dataclass(frozen=True, slots=True)
class DataSetSpend:
    """What a data set has cost a patient so far, over all studies and all imports under its name."""

    data_set: str
    epsilon: float
    max_epsilon: float
    delta: float
    reservations: int
    studies: int


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One entry of the journal; `says` are its fields in words."""

    sequence: int
    at: int
    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """The outcome of verifying ledger and journal. `problem` is empty where both hold."""

    holds: bool
    ledger_rows: int
    journal_entries: int
    problem: str


@dataclass(frozen=True, slots=True)
class Status:
    """How the vault stands. `locked` says why no training is allowed; empty where it is."""

    site: str
    vault_key: str
    study_key: str
    locked: str
    ledger_rows: int
    ledger_head: str
    journal_entries: int
    journal_head: str
    studies_waiting: int
    studies_approved: int
    stored_replies: int
    data_sets: tuple[str, ...]
    max_epsilon: float
    delta: float
    allow_unsafe_no_privacy: bool
