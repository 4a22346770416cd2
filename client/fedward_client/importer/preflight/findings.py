"""What preflight concludes: one sentence a finding, what to do about it and, where a mapping mends it, the answer.

Texts name columns, counts and shares, never a cell. Only a proposal's `values` hold category spellings, which a person
must see to answer; reports print findings, not proposals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

__all__ = ["Defect", "Finding", "Kind", "Proposal", "Severity", "Verdict"]


class Severity(StrEnum):
    """How much a finding matters; in the order in which a data manager acts."""

    STOPS = "stopping the import"
    WRONG = "probably wrong"
    LOOK = "to look at"
    NOTE = "for your information"


class Defect(StrEnum):
    """What a finding is about: stable names for tests, tables and scripts."""

    ABSENT_COLUMN = "absent column"
    REJECTED = "too many rows rejected"
    NO_ROWS = "no rows"
    WRONG_UNIT = "wrong unit"
    MIXED_UNITS = "mixed units"
    SHIFTED_DIGITS = "shifted digits"
    DECIMAL_SIGN = "decimal sign"
    MISSING_CODES = "codes for missing"
    TIMES = "times that are none"
    THOUSANDS = "thousands separators"
    NOT_NUMBERS = "cells that are no numbers"
    OUT_OF_RANGE = "out of range"
    SPELLINGS = "unknown spellings"
    EMPTY_COLUMN = "empty column"
    UNREADABLE = "unreadable files"
    ARRAY_SCALE = "arrays of another scale"
    LOST_EVENTS = "lost events"
    OUTSIDE_WINDOW = "outside the window"
    AFTER_OUTCOME = "after the outcome"
    SWAPPED_LABEL = "swapped label"
    AGAINST_DIRECTION = "against the expected direction"
    LEAK = "leak"
    MISSING_TELLS = "missingness tells the label"
    ONE_CLASS = "one class only"
    DRIFT = "drift"
    LABEL_DRIFT = "drift of the label"
    SIZE = "cohort size"
    OVER = "more records than are used"
    NO_PATIENT = "rows without a patient"
    LIKE_IDS = "ids that differ only in writing"
    DUPLICATES = "duplicates"
    SHARED_RECORDS = "equal records of different patients"
    CONFLICTS = "conflicting labels"
    STRADDLING = "patients on both sides of the split"


class Kind(StrEnum):
    """What of a mapping a proposal sets."""

    COLUMN = "column"
    """`source`: the source's column; empty where none is like it."""
    UNIT = "unit"
    """`unit`: what the source has."""
    DECIMAL = "decimal"
    """`decimal`, for the whole source."""
    FORM = "form"
    """`form`: how a column of times is written."""
    OPTION = "option"
    """`option`: a name and value of `[source]`."""
    SPELLINGS = "spellings"
    """`values` and `missing`: spellings there, and what each stands for; empty where nothing is guessed."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A change of the mapping that would mend a finding: what `kind` says, and nothing else.

    `strong` evidence is accepted by `--yes`, but for the spellings that are `unsure`. `choices` are what a person may
    answer instead, best first.
    """

    kind: Kind
    column: str
    source: str = ""
    unit: str = ""
    decimal: str = ""
    form: str = ""
    option: tuple[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    missing: tuple[str, ...] = ()
    unsure: frozenset[str] = frozenset()
    strong: bool = False
    choices: tuple[str, ...] = ()

    def surely(self) -> Proposal:
        """This proposal without the spellings that are unsure."""
        values = {there: here for there, here in self.values.items() if there not in self.unsure}
        missing = tuple(there for there in self.missing if there not in self.unsure)
        return replace(self, values=MappingProxyType(values), missing=missing, unsure=frozenset())


@dataclass(frozen=True, slots=True)
class Finding:
    """`text` says what was seen, `advice` what to do. `column` is the contract's name, or "" for the whole."""

    severity: Severity
    defect: Defect
    column: str
    text: str
    advice: str
    proposal: Proposal | None = None


class Verdict(StrEnum):
    """Whether a site can import."""

    READY = "ready"
    AFTER_ANSWERS = "ready after answers"
    NOT_READY = "not ready"
