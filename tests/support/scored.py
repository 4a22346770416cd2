"""Scores that tests of evaluation start from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.cohort import FollowUp
from fedward_shared.contracts.survival import encode
from fedward_shared.evaluation.outcome import ClassOutcome, SurvivalOutcome
from fedward_shared.evaluation.scored import Scored

__all__ = ["FOLLOW_UP", "SURVIVAL", "TWO", "a_hospital", "a_survival_hospital", "two_classes"]

TWO = ClassOutcome(("well", "ill"))
FOLLOW_UP = FollowUp("days", "days", 1000.0)
SURVIVAL = SurvivalOutcome(FOLLOW_UP, (300.0, 600.0, 1000.0), tuple(100.0 * part for part in range(1, 11)))


def two_classes(
    labels: Sequence[int], risks: Sequence[float], groups: Mapping[str, NDArray[np.bool_]] | None = None
) -> Scored:
    """One row a patient."""
    second = np.array(risks, dtype=np.float64)
    return Scored(np.array(labels), np.stack([1 - second, second], axis=1), np.arange(len(labels)), groups or {})


def a_hospital(patients: int, *, seed: int, shift: float = 2.0, prevalence: float = 0.5) -> Scored:
    """Well calibrated risks where `shift` is 1 and prevalence one half; every third patient in the group "third"."""
    random = np.random.default_rng(seed)
    labels = (random.random(patients) < prevalence).astype(np.int64)
    risks = 1 / (1 + np.exp(-random.normal(shift * (labels - 0.5), 1.0)))
    return two_classes(labels.tolist(), risks.tolist(), {"third": np.arange(patients) % 3 == 0})


def a_survival_hospital(patients: int, *, seed: int) -> Scored:
    """True risks of exponential times with censoring; the columns are those of `SURVIVAL`."""
    random = np.random.default_rng(seed)
    strength = random.normal(size=patients)
    times = random.exponential(600 * np.exp(-strength))
    watched = random.uniform(0, 1500, patients)
    labels = encode(np.minimum(times, watched), times <= watched, FOLLOW_UP)
    scores = 1 - np.exp(-np.array(SURVIVAL.ends)[None] / 600 * np.exp(strength)[:, None])
    return Scored(labels, scores, np.arange(patients), {"third": np.arange(patients) % 3 == 0})
