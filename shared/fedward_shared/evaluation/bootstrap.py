"""Intervals by drawing patients again (Efron & Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13).

A figure is a function of weights: how often each row counts. Drawing patients with replacement is then a matrix of
weights (resamples, rows), and a figure gives all its resamples at once. The draws are the same each time, so that a
report can be made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from fedward_shared.evaluation.scored import Floats, Ints

__all__ = ["RESAMPLES", "Draws", "Estimate", "Statistic", "estimates"]

RESAMPLES = 1000
_CELLS = 1 << 21
"""Weights in memory at once."""
_BOUNDS = (0.025, 0.975)
_ENOUGH = 0.5

Statistic = Callable[[Floats], Floats]
"""Weights (resamples, rows) -> figures (resamples, figures); NaN where a figure does not exist."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and the bounds of its 95 % interval."""

    value: float
    low: float
    high: float


class Draws:
    """Draws of patients with replacement, within strata, which keep their sizes.

    Args:
        units: (rows,) what tells patients apart.
        strata: (rows,) hospitals, or hospitals and classes; a patient with rows in several is in the largest.
        resamples: how many draws.
        seed: of the draws.
    """

    def __init__(self, units: Ints, strata: Ints, *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        _, patient = np.unique(units, return_inverse=True)
        patient = patient.reshape(-1)
        count = int(patient.max()) + 1 if patient.size else 0
        stratum = np.full(count, np.iinfo(np.int64).min)
        np.maximum.at(stratum, patient, strata)
        order = np.argsort(stratum, kind="stable")
        place = np.empty(count, dtype=np.int64)
        place[order] = np.arange(count)
        _, first, index, sizes = np.unique(stratum[order], return_index=True, return_inverse=True, return_counts=True)
        self._first, self._size = first[index.reshape(-1)], sizes[index.reshape(-1)]
        self._row = place[patient]
        self._resamples = resamples
        self._seed = seed

    def weights(self) -> Iterator[Floats]:
        """How often each row counts: (some resamples, rows), until there were `resamples` of them."""
        count = len(self._size)
        if not count:
            return
        random = np.random.default_rng(self._seed)
        at_once = max(1, _CELLS // max(count, len(self._row)))
        for start in range(0, self._resamples, at_once):
            number = min(at_once, self._resamples - start)
            drawn = self._first + (random.random((number, count)) * self._size).astype(np.int64)
            drawn += np.arange(number)[:, None] * count
            counts = np.bincount(drawn.reshape(-1), minlength=number * count).reshape(number, count)
            yield counts[:, self._row].astype(np.float64)


def estimates(statistics: Sequence[Sequence[Statistic]], rows: int, draws: Draws) -> list[list[Estimate | None]]:
    """Each figure with its percentile interval.

    Args:
        statistics: for each thing that is judged the statistics of its models (seeds), over the same rows: the figure
            is the median over the models, and so is each resample.
        rows: how many rows there are.
        draws: of these rows.

    Returns:
        For each thing its figures in the order of the statistic; None where a figure does not exist, or exists in fewer
        than half of the resamples.
    """
    one = np.ones((1, rows))
    found: list[list[Floats]] = [[] for _ in statistics]
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        values = [np.median([statistic(one)[0] for statistic in each], axis=0) for each in statistics]
        for weights in draws.weights():
            for each, parts in zip(statistics, found, strict=True):
                parts.append(np.median([statistic(weights) for statistic in each], axis=0))
    return [
        _told(value, np.concatenate(parts) if parts else value[None])
        for value, parts in zip(values, found, strict=True)
    ]


def _told(values: Floats, resampled: Floats) -> list[Estimate | None]:
    told: list[Estimate | None] = []
    for value, column in zip(values.tolist(), resampled.T, strict=True):
        known = column[np.isfinite(column)]
        if not np.isfinite(value) or len(known) < _ENOUGH * len(column):
            told.append(None)
            continue
        low, high = np.quantile(known, _BOUNDS)
        told.append(Estimate(value, float(low), float(high)))
    return told
