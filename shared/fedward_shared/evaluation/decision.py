"""Whether acting on a model is better than treating everybody or nobody.

Net benefit at threshold p counts true positives, less false ones at the odds of p, which is how much somebody who acts
at risk p minds a false alarm (Vickers & Elkin, Medical Decision Making 26, 2006).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedward_shared.evaluation.kaplan_meier import Followed
from fedward_shared.evaluation.scored import Bools, Floats

__all__ = ["NetBenefit", "net_benefit_at_horizon", "thresholds_between", "treat_all"]

_PLACES = 46


def thresholds_between(low: float, high: float) -> Floats:
    """Risks at which curves are drawn, from `low` to `high` (both above 0 and below 1)."""
    return np.linspace(low, high, _PLACES)


def treat_all(prevalence: float, thresholds: Floats) -> Floats:
    """Net benefit of acting for everybody; that of acting for nobody is 0."""
    return np.asarray(prevalence - (1 - prevalence) * thresholds / (1 - thresholds), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class NetBenefit:
    """The statistic (resamples, thresholds) of risks (rows,): net benefit of acting where risk >= threshold."""

    risk: Floats
    positive: Bools
    thresholds: Floats

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        odds = self.thresholds / (1 - self.thresholds)
        worth = np.where(self.positive[:, None], 1.0, -odds[None])
        gain = (self.risk[:, None] >= self.thresholds) * worth
        return np.asarray(weights @ gain / weights.sum(axis=1)[:, None], dtype=np.float64)


def net_benefit_at_horizon(risk: Floats, followed: Followed, horizon: float, thresholds: Floats) -> Floats:
    """Net benefit (thresholds,) with the share of events among those who would be treated by Kaplan and Meier.

    Vickers, Cronin, Elkin & Gonen, BMC Med Inform Decis Mak 8, 2008.
    """
    found = []
    for threshold in thresholds:
        acted = (risk >= threshold).astype(np.float64)
        share = float(acted.mean()) if len(acted) else 0.0
        event = float(1 - followed.survival_at(acted[None], horizon)[0]) if share else 0.0
        found.append(share * (event - (1 - event) * threshold / (1 - threshold)))
    return np.array(found)
