"""Who was in the training data? The likelihood-ratio attack (LiRA, Carlini et al. 2022, online, algorithm 1).

Few models serve both as shadows and, in turn, as the target: each is attacked with all others. A patient's confidence
under models that trained with him, and under those that did not, is taken as Gaussian with a variance common to all
patients, which needs fewer shadows (their section VI.B). The score is the ratio of the two likelihoods.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from fedward_shared.evaluation.ranking import auc

if TYPE_CHECKING:
    from fedward_simulations.audit.shadows import Shadows

__all__ = ["RATES", "Attack", "Interval", "attack", "roc"]

Floats = npt.NDArray[np.float64]
RATES = (0.01, 0.001)
"""The false positive rates at which an attack is judged: few accusations, nearly all of them right."""
_RESAMPLES = 200
_LEVEL = 0.95
_POINTS = 200
_SMALLEST = 1e-12


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval, by bootstrap over patients."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Attack:
    """How well members are told from others: AUC, TPR at each of `RATES`, and the ROC curve (FPR, TPR)."""

    models: int
    patients: int
    auc: Interval
    true_positive_rates: tuple[Interval, ...]
    curve: tuple[tuple[float, float], ...]


def attack(shadows: Shadows, *, seed: int) -> Attack:
    """Attacks every model with all others, and bootstraps over patients (`seed` of the resampling)."""
    scores = _scores(shadows)
    members = shadows.members
    random = np.random.default_rng(seed)
    figures = _figures(scores, members)
    patients = scores.shape[1]
    resampled = []
    for _ in range(_RESAMPLES):
        drawn = random.integers(0, patients, patients)
        resampled.append(_figures(scores[:, drawn], members[:, drawn]))
    edges = np.quantile(np.stack(resampled), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    intervals = [
        Interval(float(value), float(low), float(high)) for value, low, high in zip(figures, *edges, strict=True)
    ]
    return Attack(len(scores), patients, intervals[0], tuple(intervals[1:]), roc(scores.ravel(), members.ravel()))


def roc(scores: Floats, members: npt.NDArray[np.bool_]) -> tuple[tuple[float, float], ...]:
    """(FPR, TPR) at about 200 false positive rates, evenly spaced in their logarithm."""
    others = np.sort(scores[~members])
    rates = np.geomspace(1 / max(2, len(others)), 1.0, _POINTS)
    return tuple((float(rate), _true_positive_rate(scores[members], others, rate)) for rate in rates)


def _figures(scores: Floats, members: npt.NDArray[np.bool_]) -> Floats:
    flat, who = scores.ravel(), members.ravel()
    others = np.sort(flat[~who])
    return np.array([auc(flat, who) or 0.5, *(_true_positive_rate(flat[who], others, rate) for rate in RATES)])


def _true_positive_rate(members: Floats, others: Floats, rate: float) -> float:
    """The share of members above the threshold that at most `rate` of the others (sorted) exceed."""
    if not len(others) or not len(members):
        return 0.0
    threshold = others[len(others) - 1 - int(rate * len(others))] if rate < 1 else -np.inf
    return float((members > threshold).mean())


def _scores(shadows: Shadows) -> Floats:
    """(models, patients): the log likelihood ratio of each, by all other models."""
    return np.stack([_ratios(shadows, target) for target in range(len(shadows.members))])


def _ratios(shadows: Shadows, target: int) -> Floats:
    others = np.arange(len(shadows.members)) != target
    confidence, members = shadows.confidence[others], shadows.members[others]
    with_, without = (_mean(confidence, chosen) for chosen in (members, ~members))
    centred = confidence - np.where(members, with_, without)
    spread = max(float(np.square(centred).sum() / max(1, centred.size - 2 * centred.shape[1])), _SMALLEST)
    own = shadows.confidence[target]
    return np.asarray(((own - without) ** 2 - (own - with_) ** 2) / (2 * spread))


def _mean(values: Floats, chosen: npt.NDArray[np.bool_]) -> Floats:
    """Per patient, the mean over the chosen models; over all models where none was chosen."""
    counts = chosen.sum(axis=0)
    mean = (values * chosen).sum(axis=0) / np.maximum(counts, 1)
    return np.asarray(np.where(counts > 0, mean, values.mean(axis=0)), dtype=np.float64)
