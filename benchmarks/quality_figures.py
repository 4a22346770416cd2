"""Figures of a model's scores on every site's test rows, as quality cases name them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from fedward_shared.evaluation.concordance import concordance
from fedward_shared.evaluation.ranking import auc
from fedward_shared.evaluation.scored import Scored, pooled

__all__ = ["accuracy", "area", "brier", "c_index", "mean_accuracy", "within"]

MINIMUM = 5
"""Test patients of each class that a site needs to count in `within`."""

Scores = Mapping[str, Scored]


def area(run: Scores) -> float:
    """AUC of class 1 over the rows of all sites together; NaN where one class is absent."""
    everybody = pooled(run.values())
    value = auc(everybody.scores[:, 1], everybody.labels == 1)
    return float("nan") if value is None else value


def within(run: Scores) -> float:
    """The mean over sites of their own AUC, of those with at least five test rows of each class."""
    own = [area({site: scored}) for site, scored in run.items() if _enough(scored)]
    return float(np.mean(own)) if own else float("nan")


def accuracy(run: Scores) -> float:
    """Share of all rows whose risk is on the right side of one half."""
    everybody = pooled(run.values())
    return float(((everybody.scores[:, 1] > 0.5) == (everybody.labels == 1)).mean())  # noqa: PLR2004


def mean_accuracy(run: Scores) -> float:
    """The unweighted mean over sites of their accuracy."""
    return float(np.mean([accuracy({site: scored}) for site, scored in run.items()]))


def brier(run: Scores) -> float:
    """Mean squared distance of risk and outcome over all rows."""
    everybody = pooled(run.values())
    return float(((everybody.scores[:, 1] - (everybody.labels == 1)) ** 2).mean())


def c_index(run: Scores) -> float:
    """Harrell's C-index over the rows of all sites together, by the mean risk over intervals; NaN without pairs."""
    everybody = pooled(run.values())
    ticks, happened = (everybody.labels // 2).astype(np.float64), everybody.labels % 2 == 1
    value = concordance(everybody.scores.mean(axis=1), ticks, happened)
    return float("nan") if value is None else value


def _enough(scored: Scored) -> bool:
    return bool(np.bincount(scored.labels, minlength=2).min() >= MINIMUM)
