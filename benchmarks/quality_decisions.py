"""Figures of the most likely class: what a model of several classes decides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fedward_shared.evaluation.scored import Scored, pooled

__all__ = ["balanced_accuracy", "macro_f1", "most_likely"]

Scores = Mapping[str, Scored]


def most_likely(run: Scores) -> float:
    """Share of all rows whose most likely class is theirs."""
    table = _confusions(run)
    return float(np.trace(table) / table.sum())


def balanced_accuracy(run: Scores) -> float:
    """The mean over classes of the share that is found, over the rows of all sites together; NaN if one is absent."""
    table = _confusions(run)
    with np.errstate(invalid="ignore"):
        return float(np.mean(np.diag(table) / table.sum(axis=1)))


def macro_f1(run: Scores) -> float:
    """The mean over classes of F1, over the rows of all sites together; 0 for one never there nor found."""
    table = _confusions(run)
    both = table.sum(axis=0) + table.sum(axis=1)
    return float(np.mean(2 * np.diag(table) / np.maximum(both, 1)))


def _confusions(run: Scores) -> NDArray[np.int64]:
    """(classes, classes): rows are true, columns decided."""
    everybody = pooled(run.values())
    classes = everybody.scores.shape[1]
    found = everybody.labels * classes + everybody.scores.argmax(axis=1)
    return np.bincount(found, minlength=classes * classes).reshape(classes, classes)
