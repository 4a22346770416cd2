"""What is drawn of a model: calibration, decision curve, and how risks are spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedward_shared.evaluation.bootstrap import Draws, Estimate, Statistic, estimates
from fedward_shared.evaluation.calibration import Smooth, integrated_index, risk_groups
from fedward_shared.evaluation.decision import NetBenefit, net_benefit_at_horizon, thresholds_between, treat_all
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome, SurvivalOutcome
from fedward_shared.evaluation.scored import Bools, Floats, Ints, Scored
from fedward_shared.evaluation.survival import ObservedInGroups

__all__ = ["Curves", "Decision", "Place", "RiskGroup", "curves_of"]

_BINS = 20


@dataclass(frozen=True, slots=True)
class RiskGroup:
    """Rows with like risks: how many, their mean risk, and the share that had the outcome."""

    rows: int
    predicted: float
    observed: Estimate


@dataclass(frozen=True, slots=True)
class Place:
    """A point of a curve with an interval."""

    at: float
    value: Estimate


@dataclass(frozen=True, slots=True)
class Decision:
    """Net benefit of the model and of treating everybody, by threshold; that of treating nobody is 0.

    `low` and `high` bound the model's 95 % interval; empty for survival.
    """

    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    everybody: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves of one class against the rest (`of`), or of the risk up to a horizon (`at`).

    `spread` counts rows by risk, in 20 bins of equal width from 0 to 1. `index` is the integrated calibration index;
    None for survival, where calibration is shown in groups only.
    """

    groups: tuple[RiskGroup, ...]
    smooth: tuple[Place, ...]
    index: float | None
    decision: Decision
    spread: tuple[int, ...]
    of: int | None = None
    at: float | None = None


def curves_of(scored: Scored, outcome: Outcome, range_of: tuple[float, float], draws: Draws) -> tuple[Curves, ...]:
    """The curves of each class that is told of, or of each horizon."""
    thresholds = thresholds_between(*range_of)
    if isinstance(outcome, ClassOutcome):
        return tuple(_of_class(scored, index, thresholds, draws) for index in outcome.told)
    return tuple(_at_horizon(scored, outcome, horizon, thresholds, draws) for horizon in outcome.horizons)


class _Shares:
    """The statistic: the share of positive rows in each group."""

    def __init__(self, groups: Ints, positive: Bools) -> None:
        self._member = (groups[:, None] == np.arange(int(groups.max()) + 1)).astype(np.float64)
        self._positive = self._member * positive[:, None]

    def __call__(self, weights: Floats) -> Floats:
        return np.asarray((weights @ self._positive) / (weights @ self._member), dtype=np.float64)


def _of_class(scored: Scored, index: int, thresholds: Floats, draws: Draws) -> Curves:
    risk, positive = scored.scores[:, index], scored.labels == index
    groups, smooth = risk_groups(risk), Smooth.of(risk, positive)
    statistics: list[list[Statistic]] = [
        [_Shares(groups, positive)],
        [smooth],
        [NetBenefit(risk, positive, thresholds)],
    ]
    shares, fitted, benefit = estimates(statistics, scored.rows, draws)
    known = [value or Estimate(np.nan, np.nan, np.nan) for value in benefit]
    return Curves(
        groups=_grouped(risk, groups, shares),
        smooth=tuple(Place(float(at), value) for at, value in zip(smooth.places, fitted, strict=True) if value),
        index=integrated_index(risk, smooth),
        decision=Decision(
            thresholds=tuple(thresholds.tolist()),
            model=tuple(value.value for value in known),
            everybody=tuple(treat_all(float(positive.mean()), thresholds).tolist()),
            low=tuple(value.low for value in known),
            high=tuple(value.high for value in known),
        ),
        spread=_spread(risk),
        of=index,
    )


def _at_horizon(scored: Scored, outcome: SurvivalOutcome, horizon: float, thresholds: Floats, draws: Draws) -> Curves:
    risk, followed, moment = (
        outcome.risk(scored.scores, horizon),
        outcome.followed(scored.labels),
        outcome.moment(horizon),
    )
    groups = risk_groups(risk, most=5, each=20)
    (shares,) = estimates([[ObservedInGroups(groups, followed, moment)]], scored.rows, draws)
    observed = float(1 - followed.survival_at(np.ones((1, scored.rows)), moment)[0])
    return Curves(
        groups=_grouped(risk, groups, shares),
        smooth=(),
        index=None,
        decision=Decision(
            thresholds=tuple(thresholds.tolist()),
            model=tuple(net_benefit_at_horizon(risk, followed, moment, thresholds).tolist()),
            everybody=tuple(treat_all(observed, thresholds).tolist()),
        ),
        spread=_spread(risk),
        at=horizon,
    )


def _grouped(risk: Floats, groups: Ints, shares: list[Estimate | None]) -> tuple[RiskGroup, ...]:
    told = []
    for number, share in enumerate(shares):
        inside = groups == number
        if share is not None:
            told.append(RiskGroup(int(inside.sum()), float(risk[inside].mean()), share))
    return tuple(told)


def _spread(risk: Floats) -> tuple[int, ...]:
    places = np.clip((risk * _BINS).astype(np.int64), 0, _BINS - 1)
    return tuple(np.bincount(places, minlength=_BINS).tolist())
