"""Every figure that is told of a model, and the statistics behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from fedward_shared.evaluation.bootstrap import Statistic
from fedward_shared.evaluation.calibration import BrierScore, Recalibration
from fedward_shared.evaluation.concordance import Concordance
from fedward_shared.evaluation.discrimination import Areas, Confusion, OperatingPoint
from fedward_shared.evaluation.outcome import ClassOutcome, Outcome, SurvivalOutcome
from fedward_shared.evaluation.scored import Bools, Floats, Scored
from fedward_shared.evaluation.survival import AtHorizon

__all__ = ["Battery", "Figure", "Key", "Kind", "main_key"]

_TWO = 2


class Figure(StrEnum):
    """What a figure is called in files."""

    AUC = "auc"
    C_INDEX = "c_index"
    ACCURACY = "accuracy"
    BALANCED_ACCURACY = "balanced_accuracy"
    MACRO_F1 = "macro_f1"
    BRIER = "brier"
    OBSERVED_EXPECTED = "observed_expected"
    IN_THE_LARGE = "calibration_in_the_large"
    INTERCEPT = "calibration_intercept"
    SLOPE = "calibration_slope"
    SENSITIVITY = "sensitivity"
    SPECIFICITY = "specificity"
    POSITIVE_VALUE = "positive_predictive_value"
    NEGATIVE_VALUE = "negative_predictive_value"
    OBSERVED = "observed_risk"
    PREDICTED = "mean_predicted_risk"


@dataclass(frozen=True, slots=True)
class Key:
    """Which figure: `at` is a threshold of risk or a horizon, `of` the class that is told from the rest."""

    figure: Figure
    at: float | None = None
    of: int | None = None


def main_key(outcome: Outcome) -> Key:
    """The figure by which models are told apart: AUC (the mean over classes), or the C-index."""
    return Key(Figure.C_INDEX if isinstance(outcome, SurvivalOutcome) else Figure.AUC)


class Kind(StrEnum):
    """What a figure depends on, and so how patients are drawn again for its interval."""

    RANKS = "ranks"
    """How classes compare with each other, however large they are: drawn within hospital and class."""
    LEVELS = "levels"
    """How frequent the outcome is, too: drawn within hospital, so that its share varies as it would."""


class Battery:
    """All figures of one kind, for some rows, as one statistic: its columns are `keys`.

    Args:
        scored: the rows of all hospitals.
        rows: which of them are judged.
        outcome: what is predicted.
        kind: which figures.
        thresholds: of risk, at which sensitivity and specificity are told (two classes).
    """

    def __init__(
        self,
        scored: Scored,
        rows: Bools | None,
        outcome: Outcome,
        kind: Kind,
        thresholds: Sequence[float] = (),
    ) -> None:
        self._rows = None if rows is None else np.flatnonzero(rows)
        part = scored if rows is None else scored.where(rows)
        if kind is Kind.RANKS:
            told = _ranks(part, outcome)
        elif isinstance(outcome, ClassOutcome):
            told = _of_classes(part, outcome, thresholds)
        else:
            told = _of_survival(part, outcome)
        self._statistics = [statistic for _, statistic in told]
        self.keys: tuple[Key, ...] = tuple(key for keys, _ in told for key in keys)

    def __call__(self, weights: Floats) -> Floats:
        """(resamples, rows of all) -> (resamples, keys)."""
        own = weights if self._rows is None else weights[:, self._rows]
        return np.concatenate([statistic(own) for statistic in self._statistics], axis=1)


_Told = list[tuple[tuple[Key, ...], Statistic]]


def _ranks(part: Scored, outcome: Outcome) -> _Told:
    if isinstance(outcome, SurvivalOutcome):
        followed, lost = outcome.followed(part.labels), outcome.time_lost(part.scores)
        return [((Key(Figure.C_INDEX),), Concordance(lost, followed.times, followed.events))]
    each = tuple(Key(Figure.AUC, of=index) for index in outcome.told)
    return [((Key(Figure.AUC), *each), Areas(part.labels, part.scores, outcome.told))]


def _of_classes(part: Scored, outcome: ClassOutcome, thresholds: Sequence[float]) -> _Told:
    two = len(outcome.names) == _TWO
    told: _Told = [
        (
            (Key(Figure.ACCURACY), Key(Figure.BALANCED_ACCURACY), Key(Figure.MACRO_F1)),
            Confusion(part.labels, part.scores),
        ),
        ((Key(Figure.BRIER),), BrierScore(part.labels, part.scores)),
    ]
    if two:
        risk, positive = part.scores[:, 1], part.labels == 1
        fit = (Figure.OBSERVED_EXPECTED, Figure.IN_THE_LARGE, Figure.INTERCEPT, Figure.SLOPE)
        told.append((tuple(Key(figure) for figure in fit), Recalibration(risk, positive)))
        point = (Figure.SENSITIVITY, Figure.SPECIFICITY, Figure.POSITIVE_VALUE, Figure.NEGATIVE_VALUE)
        for threshold in thresholds:
            keys = tuple(Key(figure, at=threshold) for figure in point)
            told.append((keys, OperatingPoint(risk, positive, threshold)))
    return told


def _of_survival(part: Scored, outcome: SurvivalOutcome) -> _Told:
    followed = outcome.followed(part.labels)
    told: _Told = []
    names = (Figure.AUC, Figure.BRIER, Figure.OBSERVED_EXPECTED, Figure.OBSERVED, Figure.PREDICTED)
    for horizon in outcome.horizons:
        keys = tuple(Key(figure, at=horizon) for figure in names)
        risk = outcome.risk(part.scores, horizon)
        told.append((keys, AtHorizon(risk, followed, outcome.moment(horizon))))
    return told
