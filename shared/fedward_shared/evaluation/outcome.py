"""What is predicted, as an evaluation needs it: classes with names, or the time to an event."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fedward_shared.contracts.cohort import TICKS, FollowUp
from fedward_shared.contracts.study import Study
from fedward_shared.contracts.survival import events, times
from fedward_shared.evaluation.kaplan_meier import Followed
from fedward_shared.evaluation.scored import Floats, Ints
from fedward_shared.models.heads.intervals import intervals_of

__all__ = ["ClassOutcome", "Outcome", "SurvivalOutcome", "hospital_scores", "outcome_of"]

_TWO = 2


@dataclass(frozen=True, slots=True)
class ClassOutcome:
    """One of several classes; scores have a column for each."""

    names: tuple[str, ...]

    @property
    def told(self) -> tuple[int, ...]:
        """The classes that figures are told for: of two only the second, since the first says the same."""
        return (1,) if len(self.names) == _TWO else tuple(range(len(self.names)))


@dataclass(frozen=True, slots=True)
class SurvivalOutcome:
    """The time to an event; scores have a column for the risk up to each of `ends`.

    `horizons` are where risks are judged. Both are in the unit of `follow_up`; the last end is its maximum.
    """

    follow_up: FollowUp
    horizons: tuple[float, ...]
    ends: tuple[float, ...]

    def followed(self, labels: Ints) -> Followed:
        """How long each record was watched, in the unit of `follow_up`, and whether the event ended it."""
        return Followed(times(labels, self.follow_up), events(labels))

    def moment(self, horizon: float) -> float:
        """The horizon on the grid that times are rounded to, so that an event on its very day counts."""
        return float(np.rint(horizon / self.follow_up.maximum * TICKS) * (self.follow_up.maximum / TICKS))

    def risk(self, scores: Floats, horizon: float) -> Floats:
        """Predicted risk of the event up to `horizon` (rows,), straight between the ends of intervals."""
        ends = np.array([0.0, *self.ends])
        at = int(np.clip(np.searchsorted(ends, horizon, side="left"), 1, len(ends) - 1))
        share = float(np.clip((horizon - ends[at - 1]) / (ends[at] - ends[at - 1]), 0.0, 1.0))
        before = scores[:, at - 2] if at > 1 else np.zeros(len(scores))
        return np.asarray(before + share * (scores[:, at - 1] - before), dtype=np.float64)

    def time_lost(self, scores: Floats) -> Floats:
        """Mean predicted risk over the follow-up (rows,): the share of it that is expected to be lost to the event.

        One number a record, for the C-index; with proportional hazards it ranks as any horizon's risk does.
        """
        return np.asarray(scores @ np.diff([0.0, *self.ends]) / self.ends[-1], dtype=np.float64)


Outcome = ClassOutcome | SurvivalOutcome


def outcome_of(study: Study) -> Outcome:
    """The outcome of a study. Without declared horizons they are at thirds of the follow-up.

    Raises:
        UsageError: the model's option `intervals` is wrong.
    """
    label = study.data.label
    if label.follow_up is None:
        return ClassOutcome(label.names)
    thirds = tuple(label.follow_up.maximum * part / 3 for part in (1, 2, 3))
    ends = intervals_of(study.model.options, label.follow_up).ends
    return SurvivalOutcome(label.follow_up, study.evaluation.horizons or thirds, ends)


def hospital_scores(labels: Ints, outcome: Outcome) -> tuple[float, ...]:
    """What somebody who knows only the hospital would say of each patient, from its training `labels`.

    One number a score column. Classes: their shares. Survival: 1 - Kaplan-Meier at the end of each interval. All are 0
    without labels.
    """
    columns = len(outcome.names) if isinstance(outcome, ClassOutcome) else len(outcome.ends)
    if not len(labels):
        return (0.0,) * columns
    if isinstance(outcome, ClassOutcome):
        return tuple((np.bincount(labels, minlength=columns) / len(labels)).tolist())
    followed, each = outcome.followed(labels), np.ones((1, len(labels)))
    return tuple(float(1 - followed.survival_at(each, outcome.moment(end))[0]) for end in outcome.ends)
