"""Whose record a row is and on which side of the split: patient, encounter, and who is held out for testing."""

from __future__ import annotations

import hashlib
import math

import polars as pl

from fedward_client.importer.checking.outcomes import Outcome, unless
from fedward_client.importer.quarantine import Reason
from fedward_shared.contracts.cohort import Holdout

__all__ = ["SIDES", "held_out", "named"]

SIDES = ("train", "test")
"""What a split column holds."""

_INVISIBLE = r"[\p{Cc}\p{Cf}\p{Co}]"
_LONGEST_NAME = 200


def named(cell: pl.Expr, reason: Reason) -> Outcome:
    """A text that names somebody or something: 1 to 200 visible characters."""
    fine = cell.str.len_chars().is_between(1, _LONGEST_NAME) & ~cell.str.contains(_INVISIBLE)
    return Outcome(cell, unless(fine, reason))


def held_out(patients: pl.Series, holdout: Holdout) -> pl.Series:
    """`train` or `test` for each patient's name; see `Holdout` for the hash."""
    limit = min(math.ceil(holdout.share * 2**64), 2**64 - 1).to_bytes(8, "big")
    start = hashlib.sha256(f"{holdout.key}:".encode())
    sides: dict[str, bool] = {}
    for patient in patients.unique().to_list():
        hasher = start.copy()
        hasher.update(patient.encode())
        sides[patient] = hasher.digest()[:8] < limit
    if len(sides) == 0:
        return pl.Series([], dtype=pl.String)
    return patients.replace_strict(list(sides), [SIDES[tested] for tested in sides.values()], return_dtype=pl.String)
