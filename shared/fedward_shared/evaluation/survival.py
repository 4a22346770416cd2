"""Risks up to a horizon, where not everybody was watched that long: inverse probability of censoring weights (IPCW).

Who had the event before the horizon counts as 1 / G(just before its time), who was watched up to it as 1 / G(just
before it), where G is the probability of still being watched; who left earlier counts through them. G is that of all
rows together (Uno, Cai, Tian & Wei, JASA 102, 2007; Graf, Schmoor, Sauerbrei & Schumacher, Stat Med 18, 1999).
"""

from __future__ import annotations

import numpy as np

from fedward_shared.evaluation.kaplan_meier import Followed
from fedward_shared.evaluation.ranking import Ranking
from fedward_shared.evaluation.scored import Floats, Ints

__all__ = ["AtHorizon", "ObservedInGroups"]


class AtHorizon:
    """The statistic (time-dependent AUC, Brier, observed / expected, observed risk, mean predicted risk).

    `risk` (rows,) is the predicted risk of the event up to `horizon`. AUC: cases had the event up to the horizon,
    controls were watched up to it without the event (cumulative, dynamic). Observed risk is 1 - Kaplan-Meier.
    """

    def __init__(self, risk: Floats, followed: Followed, horizon: float) -> None:
        self._risk, self._followed, self._horizon = risk, followed, horizon
        self._ranking = Ranking(risk)
        self._case = followed.events & (followed.times <= horizon)
        self._control = ~self._case & (followed.times >= horizon)

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        own, until = self._followed.watched_before(weights, self._horizon)
        with np.errstate(divide="ignore", invalid="ignore"):
            cases = np.where(self._case & (weights > 0), weights / own, 0.0)
            controls = np.where(self._control, weights, 0.0)
            area = self._ranking.area(cases, controls)
            at_end = np.where(controls.any(axis=1), (controls @ self._risk**2) / until, 0.0)
            brier = (cases @ (1 - self._risk) ** 2 + at_end) / weights.sum(axis=1)
            observed = 1 - self._followed.survival_at(weights, self._horizon)
            predicted = weights @ self._risk / weights.sum(axis=1)
            ratio = observed / predicted
        return np.stack([area, brier, ratio, observed, predicted], axis=1)


class ObservedInGroups:
    """The statistic (resamples, groups): 1 - Kaplan-Meier at a horizon in each group of rows."""

    def __init__(self, groups: Ints, followed: Followed, horizon: float) -> None:
        members = [np.flatnonzero(groups == number) for number in range(int(groups.max()) + 1 if len(groups) else 0)]
        self._parts = [(rows, Followed(followed.times[rows], followed.events[rows])) for rows in members]
        self._horizon = horizon

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        columns = [1 - part.survival_at(weights[:, rows], self._horizon) for rows, part in self._parts]
        return np.stack(columns, axis=1) if columns else np.zeros((len(weights), 0))
