"""Survival: when the event happens, where some patients are not watched until then. One output an interval.

Follow-up is cut into declared intervals (`Intervals`). Output j plus a declared constant is a logit l_j, and stands for
the hazard of interval j, which is in turn the cumulative hazard c_j that a patient is exposed to in all of it:

  logistic   c = log(1 + e^l): the probability of the event in j, given none before, is 1/(1 + e^-l)
             (discrete time; Gensheimer & Narasimhan, PeerJ 2019; Brown 1975)
  cloglog    c = e^l: that probability is 1 - exp(-e^l); one term added to all logits then multiplies the hazard
             (grouped proportional hazards; Prentice & Gloeckler, Biometrics 1978)
  piecewise  c = e^l: the hazard is constant within j, and times count exactly (Breslow, Biometrics 1974; Friedman,
             Annals of Statistics 1982). With one log-risk a record and one baseline an interval this is Cox's model:
             as intervals become fine, the maximum tends to that of the partial likelihood, with Breslow's baseline

A record's loss is -log of its likelihood: Σ_j x_j c_j, plus the event's term in the interval in which it happens:
-log(1 - e^-c) for the two discrete ones, -l for piecewise. The exposure x_j is 1 where j was survived. Where a patient
leaves without the event inside of j, the discrete ones count j as survived if at least half of it was watched (the
convention of Gensheimer & Narasimhan), and not at all otherwise; piecewise counts the exact share, also of the event's.

Guarantees (tests/unit/models/test_survival_head.py tests each)
  one record     a loss is a function of that record's outputs and label and of declared constants alone; nobody's risk
                 set enters, so that losses add up over patients and a patient's gradient can be clipped
  finite         losses and gradients are finite for outputs up to 1e20 in size: e^l goes on as a straight line above
                 l = 15, where an interval is survived with a probability below 10^-1000000
  scores         risks lie in [0, 1] and never fall along a row
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import expm1, log, log1p

import torch
from torch import Tensor
from torch.nn import functional

from fedward_shared.contracts.cohort import FollowUp
from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.intervals import Intervals, intervals_of

__all__ = ["Likelihood", "Survival", "survival_head"]

_STEEPEST = 15.0
_FLATTEST = -30.0
_EVEN = 0.5


class Likelihood(StrEnum):
    """What an output means; see the module."""

    LOGISTIC = "logistic"
    CLOGLOG = "cloglog"
    PIECEWISE = "piecewise"


_DEFAULTS = {"cox": Likelihood.PIECEWISE}
"""The likelihood of a family that has one of its own; all others: logistic."""


@dataclass(frozen=True, slots=True)
class Survival:
    """The head of a study that predicts a time.

    With outputs of 0 everybody has one constant hazard, under which a share of `expected_share` has the event by the
    maximum: what a model starts from, and what weight decay draws it to.
    """

    intervals: Intervals
    likelihood: Likelihood
    expected_share: float = _EVEN

    @property
    def outputs(self) -> int:
        """One an interval."""
        return len(self.intervals.ends)

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Each record's -log likelihood, (records,), but for a constant of the record that no weight changes.

        `logits` (records, intervals), `labels` (records,) int64 as `contracts.survival.encode` makes them.
        """
        levels = self._levels(logits)
        exposures, failed = self._history(labels, levels)
        survived = exposures * self._cumulative(levels)
        return (survived + torch.where(failed, self._failing(levels), torch.zeros_like(levels))).sum(dim=1)

    def scores(self, logits: Tensor) -> Tensor:
        """(records, intervals): the risk of the event up to the end of each."""
        return -torch.expm1(-self._cumulative(self._levels(logits)).cumsum(dim=1))

    def _levels(self, logits: Tensor) -> Tensor:
        """The outputs with the declared constants added, in float32 at least."""
        levels = logits if logits.dtype in (torch.float32, torch.float64) else logits.float()
        return levels + torch.tensor(self._offsets(), dtype=levels.dtype, device=levels.device)

    def _offsets(self) -> list[float]:
        hazards = [-log1p(-self.expected_share) * share for share in self.intervals.shares]
        if self.likelihood is Likelihood.LOGISTIC:
            return [log(expm1(hazard)) for hazard in hazards]
        return [log(hazard) for hazard in hazards]

    def _history(self, labels: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
        """(records, intervals) each: the exposure, and whether (bool) the event happened there."""
        ends = torch.tensor(self.intervals.end_ticks, dtype=torch.int64, device=labels.device)
        starts = functional.pad(ends[:-1], (1, 0))
        tick = torch.div(labels, 2, rounding_mode="floor")[:, None]
        happened = (labels % 2 == 1)[:, None]
        failed = happened & (tick <= ends) & ((tick > starts) | (starts == 0))
        if self.likelihood is Likelihood.PIECEWISE:
            watched = (tick - starts).clamp(min=0).minimum(ends - starts)
            return watched.to(levels.dtype) / (ends - starts).to(levels.dtype), failed
        survived = torch.where(happened, tick > ends, 2 * tick >= starts + ends)
        return survived.to(levels.dtype), failed

    def _cumulative(self, levels: Tensor) -> Tensor:
        """The cumulative hazard of all of each interval."""
        if self.likelihood is Likelihood.LOGISTIC:
            return functional.softplus(levels)
        return _exponential(levels)

    def _failing(self, levels: Tensor) -> Tensor:
        """What the event adds to the loss in its interval."""
        match self.likelihood:
            case Likelihood.LOGISTIC:
                return functional.softplus(-levels)
            case Likelihood.CLOGLOG:  # below the clamp, 1 - exp(-e^l) is e^l
                near = _exponential(levels.clamp(min=_FLATTEST))
                return -torch.log(-torch.expm1(-near)) + functional.relu(_FLATTEST - levels)
            case Likelihood.PIECEWISE:
                return -levels


def survival_head(terms: ModelTerms, follow_up: FollowUp) -> Survival:
    """The head that `[model.options]` declares: `intervals`, `likelihood`, `expected_share`.

    Raises:
        UsageError: an option is wrong; it is named.
    """
    likelihood = terms.options.get("likelihood", str(_DEFAULTS.get(terms.name, Likelihood.LOGISTIC)))
    if likelihood not in list(Likelihood):
        raise UsageError(
            f"[model.options] likelihood: one of {', '.join(Likelihood)} is needed, not {likelihood!r}",
        )
    share = terms.options.get("expected_share", _EVEN)
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise UsageError(
            f"[model.options] expected_share: a number above 0 and below 1 is needed, not {share!r}",
            hint="The share of patients expected to have the event by the maximum: a known figure, not the data's.",
        )
    return Survival(intervals_of(terms.options, follow_up), Likelihood(str(likelihood)), float(share))


def _exponential(levels: Tensor) -> Tensor:
    """e^l, as a straight line of the same slope where it would become too large."""
    return torch.exp(levels.clamp(max=_STEEPEST)) * (1 + functional.relu(levels - _STEEPEST))
