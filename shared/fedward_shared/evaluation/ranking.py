"""How often those who had the outcome score above those who had not: the core of every AUC."""

from __future__ import annotations

import numpy as np

from fedward_shared.evaluation.scored import Bools, Floats

__all__ = ["Ranking", "auc"]


class Ranking:
    """Scores (rows,), sorted once. Equal scores count half (Hanley & McNeil, Radiology 143, 1982)."""

    def __init__(self, scores: Floats) -> None:
        self._order = np.argsort(scores, kind="stable")
        ordered = scores[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(scores) else None

    def area(self, above: Floats, below: Floats) -> Floats:
        """The weighted share of pairs in which the first scores higher.

        `above` and `below` (resamples, rows): how much each row counts as one that should score high, and as one that
        should score low. -> (resamples,), NaN without pairs.
        """
        if self._starts is None:
            return np.full(len(above), np.nan)
        high = np.add.reduceat(above[:, self._order], self._starts, axis=1)
        low = np.add.reduceat(below[:, self._order], self._starts, axis=1)
        pairs = high.sum(axis=1) * low.sum(axis=1)
        wins = (high * (np.cumsum(low, axis=1) - low / 2)).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(pairs > 0, wins / pairs, np.nan), dtype=np.float64)


def auc(scores: Floats, positive: Bools, weights: Floats | None = None) -> float | None:
    """Area under the ROC curve: the chance that a positive row scores above a negative one, ties half.

    None where one class is absent. `weights` (rows,) count each row so often.
    """
    weight = np.ones(len(scores)) if weights is None else weights
    area = float(Ranking(scores).area((weight * positive)[None], (weight * ~positive)[None])[0])
    return None if np.isnan(area) else area
