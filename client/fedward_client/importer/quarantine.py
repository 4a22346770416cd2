"""Why a record was not taken. None of these tells a value, and no list of them leaves the site."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Reason", "Rejection", "UnreadableError"]


class Reason(StrEnum):
    """What is wrong, as the end of a sentence that begins with the column's (or file's) name."""

    MISSING = "is missing"
    NOT_A_NUMBER = "is no number"
    OUT_OF_RANGE = "is outside its range"
    NOT_ALLOWED = "is not one of the allowed values"
    NO_CLASS = "is none of the classes"
    NO_SPLIT = "is neither train nor test"
    NO_PATIENT = "is no patient's id (empty, too long, or with invisible characters)"
    NO_ENCOUNTER = "names no stay (empty, too long, or with invisible characters)"
    NO_TIME = "is no date and time"
    AFTER_OUTCOME = "is not before the outcome"
    RAGGED = "has another number of cells than the header"
    NO_FILE = "names no file in the folder"
    OUTSIDE = "leads out of the folder"
    UNREADABLE = "cannot be read as what it claims to be"
    TOO_LARGE = "is larger than the limit"
    BURNED_IN = "may show a name or date in the picture"
    WRONG_SHAPE = "has another shape, lead or orientation than the study needs"
    NOT_FINITE = "holds values that are not finite"
    UNIT_UNKNOWN = "has a unit that cannot be converted"
    WITHDRAWN = "was withdrawn (entered in error, cancelled or refuted)"
    UNCONFIRMED = "is not confirmed"
    MODIFIED = "says that its own meaning is modified"
    DUPLICATE = "is the same record of the same patient again"


@dataclass(frozen=True, slots=True)
class Rejection:
    """One thing wrong with one row; `column` is the contract's name, or "(row)". `row` counts as the source does."""

    row: int
    column: str
    reason: Reason


class UnreadableError(Exception):
    """A decoder gives up on one record; the importer goes on with the next. Carries a reason and nothing else."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(str(reason))
        self.reason = reason
