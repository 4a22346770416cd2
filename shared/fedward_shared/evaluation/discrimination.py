"""How well a model tells classes apart: AUC, and what follows from the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fedward_shared.evaluation.ranking import Ranking
from fedward_shared.evaluation.scored import Bools, Floats, Ints

__all__ = ["Areas", "Confusion", "OperatingPoint", "accuracy", "balanced_accuracy", "macro_f1"]


class Areas:
    """AUC of each of the classes `told` against the rest, and their mean: the statistic (resamples, 1 + told).

    The mean (macro, one against the rest: Hand & Till, Machine Learning 45, 2001) needs all of them.
    """

    def __init__(self, labels: Ints, scores: Floats, told: Sequence[int]) -> None:
        self._positive = [labels == index for index in told]
        self._rankings = [Ranking(scores[:, index]) for index in told]

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        areas = [
            ranking.area(weights * positive, weights * ~positive)
            for ranking, positive in zip(self._rankings, self._positive, strict=True)
        ]
        return np.stack([np.mean(areas, axis=0), *areas], axis=1)


class Confusion:
    """The likeliest class beside the true one: the statistic (accuracy, balanced accuracy, macro-F1).

    Balanced accuracy is the mean sensitivity of the classes that there are (Brodersen et al., ICPR 2010); macro-F1 the
    mean F1 of the classes that there are or that were predicted.
    """

    def __init__(self, labels: Ints, scores: Floats) -> None:
        predicted = scores.argmax(axis=1) if len(scores) else labels
        classes = np.arange(scores.shape[1])
        self._true = (labels[:, None] == classes).astype(np.float64)
        self._predicted = (predicted[:, None] == classes).astype(np.float64)
        self._both = self._true * self._predicted

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        true, predicted, both = weights @ self._true, weights @ self._predicted, weights @ self._both
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = both.sum(axis=1) / true.sum(axis=1)
            balanced = np.where(true > 0, both / true, 0).sum(axis=1) / (true > 0).sum(axis=1)
            seen = true + predicted > 0
            f1 = np.where(seen, 2 * both / (true + predicted), 0).sum(axis=1) / seen.sum(axis=1)
        return np.stack([exact, balanced, f1], axis=1)


class OperatingPoint:
    """Somebody acts where the risk is at least `threshold`: the statistic (sensitivity, specificity, PPV, NPV)."""

    def __init__(self, risk: Floats, positive: Bools, threshold: float) -> None:
        acted = risk >= threshold
        cells = [acted & positive, ~acted & positive, ~acted & ~positive, acted & ~positive]
        self._cells = np.stack(cells, axis=1).astype(np.float64)

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        hit, missed, spared, false = (weights @ self._cells).T
        with np.errstate(divide="ignore", invalid="ignore"):
            figures = [hit / (hit + missed), spared / (spared + false), hit / (hit + false), spared / (spared + missed)]
        return np.stack(figures, axis=1)


def accuracy(labels: Ints, scores: Floats) -> float:
    """Share of rows whose likeliest class is the true one. `scores` (rows, classes)."""
    return _one(labels, scores, 0)


def balanced_accuracy(labels: Ints, scores: Floats) -> float:
    """Mean over the classes that there are of the share that was found."""
    return _one(labels, scores, 1)


def macro_f1(labels: Ints, scores: Floats) -> float:
    """Mean over classes of 2 · found / (there + predicted)."""
    return _one(labels, scores, 2)


def _one(labels: Ints, scores: Floats, figure: int) -> float:
    return float(Confusion(labels, scores)(np.ones((1, len(labels))))[0, figure])
