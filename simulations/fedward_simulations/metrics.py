"""What the reports say about scores: AUC with interval, pooled and within hospital, accuracy, Brier, calibration.

A pooled AUC flatters: where hospitals differ in prevalence, knowing only the hospital already ranks patients.
So every pooled figure stands beside the mean within hospitals and beside `hospital_only`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedward_shared.errors import UsageError

__all__ = [
    "MINIMUM_PER_CLASS",
    "CalibrationBin",
    "Estimate",
    "Run",
    "Scored",
    "accuracy",
    "auc",
    "brier",
    "calibration",
    "comparable_sites",
    "estimate_auc",
    "hospital_only",
]

MINIMUM_PER_CLASS = 5
"""A hospital counts in the mean within hospitals with at least this many test patients of each class."""
_RESAMPLES = 2000
_LEVEL = 0.95
_THRESHOLD = 0.5

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Scored:
    """A hospital's test patients: their classes (0 or 1) and the model's probabilities of class 1, both (n,)."""

    labels: Classes
    scores: Floats


Run = Mapping[str, Scored]
"""One model's scores of every hospital's test patients, by site name."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Patients with like scores: their number, mean score, and the share that had the disease."""

    patients: int
    predicted: float
    observed: float


def auc(labels: Classes, scores: Floats) -> float:
    """Area under the ROC curve: the chance that a patient of class 1 scores above one of class 0, ties half.

    Raises:
        UsageError: one of the classes is absent.
    """
    return float(_kernel(labels, scores).mean())


def estimate_auc(runs: Sequence[Run], groups: Sequence[Sequence[str]]) -> Estimate:
    """Median over `runs` (seeds) of the mean over `groups` of the AUC among a group's patients together.

    One group of all hospitals is the pooled AUC; one group a hospital, the mean within hospitals. The interval is a
    percentile bootstrap over patients, within hospital and class (2000 resamples, the same for every run).
    """
    rng = np.random.default_rng(0)
    values = np.zeros(len(runs))
    resampled = np.zeros((len(runs), _RESAMPLES))
    for group in groups:
        labels = np.concatenate([runs[0][site].labels for site in group])
        counts = _resamples([runs[0][site].labels for site in group], rng)
        positive, negative = counts[:, labels == 1], counts[:, labels == 0]
        for index, run in enumerate(runs):
            kernel = _kernel(labels, np.concatenate([run[site].scores for site in group]))
            values[index] += kernel.mean() / len(groups)
            resampled[index] += ((positive @ kernel) * negative).sum(axis=1) / kernel.size / len(groups)
    outside = (1 - _LEVEL) / 2
    low, high = np.quantile(np.median(resampled, axis=0), [outside, 1 - outside])
    return Estimate(float(np.median(values)), float(low), float(high))


def comparable_sites(run: Run) -> tuple[str, ...]:
    """The hospitals with at least `MINIMUM_PER_CLASS` test patients of each class, in the order of `run`."""
    return tuple(
        site for site, scored in run.items() if np.bincount(scored.labels, minlength=2).min() >= MINIMUM_PER_CLASS
    )


def hospital_only(train_prevalence: Mapping[str, float], run: Run) -> float:
    """Pooled AUC of a score that knows nothing but the hospital: the share of disease among its training patients."""
    labels = np.concatenate([scored.labels for scored in run.values()])
    scores = np.concatenate([np.full(len(scored.labels), train_prevalence[site]) for site, scored in run.items()])
    return auc(labels, scores)


def accuracy(run: Run) -> float:
    """Share of all patients whose score lies on the right side of one half."""
    right = [(scored.scores > _THRESHOLD) == (scored.labels == 1) for scored in run.values()]
    return float(np.concatenate(right).mean())


def brier(run: Run) -> float:
    """Mean squared distance of score and outcome over all patients: 0 is perfect, .25 a coin (Brier 1950)."""
    distances = [(scored.scores - scored.labels) ** 2 for scored in run.values()]
    return float(np.concatenate(distances).mean())


def calibration(run: Run, bins: int = 8) -> tuple[CalibrationBin, ...]:
    """Patients in `bins` groups of nearly equal size by score: what was predicted beside what came true."""
    scores = np.concatenate([scored.scores for scored in run.values()])
    labels = np.concatenate([scored.labels for scored in run.values()])
    groups = [group for group in np.array_split(np.argsort(scores, kind="stable"), bins) if len(group)]
    return tuple(CalibrationBin(len(g), float(scores[g].mean()), float(labels[g].mean())) for g in groups)


def _kernel(labels: Classes, scores: Floats) -> Floats:
    """Shape (positives, negatives): 1 where the positive scores higher, ½ where equal."""
    positive, negative = scores[labels == 1], scores[labels == 0]
    if not positive.size or not negative.size:
        raise UsageError("an AUC needs patients of both classes", hint="Use a data set with both among its test rows.")
    difference = positive[:, None] - negative[None, :]
    return np.asarray((np.sign(difference) + 1) / 2, dtype=np.float64)


def _resamples(labels: Sequence[Classes], rng: np.random.Generator) -> Floats:
    """How often each patient is drawn in each resample: shape (resamples, patients); sizes of classes stay."""
    columns = []
    for group in labels:
        counts = np.zeros((_RESAMPLES, len(group)))
        for value in (0, 1):
            chosen = np.flatnonzero(group == value)
            if chosen.size:
                counts[:, chosen] = rng.multinomial(chosen.size, np.full(chosen.size, 1 / chosen.size), _RESAMPLES)
        columns.append(counts)
    return np.concatenate(columns, axis=1)
