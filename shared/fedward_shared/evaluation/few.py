"""Intervals of AUC and C-index where few patients had the outcome: drawing them again says too little there.

Five patients on either side that are told apart perfectly are so in every resample: from 1 to 1. The variance
of Hanley and McNeil (Radiology 143, 1982) on the scale of log-odds, with the area kept half a pair away from 0 and 1,
does not collapse. Below `FEW` patients of a class an interval is the wider of both on either side.
"""

from __future__ import annotations

from math import exp, log, sqrt

from fedward_shared.evaluation.bootstrap import Estimate

__all__ = ["FEW", "analytic_interval", "widened"]

FEW = 30
"""From here on intervals of resamples hold about what they promise; of areas near 1 not quite (87 % at .9 and 30)."""
_NORMAL = 1.959964


def widened(estimate: Estimate, positives: int, negatives: int) -> Estimate:
    """The estimate of an area, its interval no narrower than the analytic one where there are few patients."""
    if min(positives, negatives) >= FEW or min(positives, negatives) < 1:
        return estimate
    low, high = analytic_interval(estimate.value, positives, negatives)
    return Estimate(estimate.value, min(estimate.low, low), max(estimate.high, high))


def analytic_interval(area: float, positives: int, negatives: int) -> tuple[float, float]:
    """The 95 % interval of an area under the ROC curve between so many patients, each at least 1."""
    pairs = positives * negatives
    kept = min(max(area, 0.5 / pairs), 1 - 0.5 / pairs)
    first, second = kept / (2 - kept), 2 * kept**2 / (1 + kept)
    spread = kept * (1 - kept) + (positives - 1) * (first - kept**2) + (negatives - 1) * (second - kept**2)
    half = _NORMAL * sqrt(spread / pairs) / (kept * (1 - kept))
    centre = log(kept / (1 - kept))
    return _share(centre - half), _share(centre + half)


def _share(odds: float) -> float:
    """The logistic function, without overflow."""
    return 1 / (1 + exp(-odds)) if odds >= 0 else exp(odds) / (1 + exp(odds))
