"""What a study does to a patient's records at this site, and whether the budget covers it. Pure functions.

Neighbouring relation: add or remove one unit (`DataContract.unit`). ε is per site and unit, at the policy's δ.
Charged are the mechanisms that the manifest declares, never anything that follows from the data: a step that no
patient was drawn for, or a round in which training failed, costs what every other costs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from fedward_client.vault.policy import Policy
from fedward_shared.contracts.study import Study
from fedward_shared.errors import PolicyError
from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import Event, NoPrivacy, SampledGaussian

__all__ = ["Accountant", "check_claims", "covers", "finite", "pld", "round_event", "study_epsilon", "study_event"]

Accountant = Callable[[Sequence[Event], float], float]
"""ε of events together at δ, never below the truth."""

_TOLERANCE = 1e-6


def pld(events: Sequence[Event], delta: float) -> float:
    """The accountant of production (`privacy.accounting`)."""
    return epsilon(events, delta)


def round_event(study: Study, site: str) -> Event:
    """What one reservation is charged."""
    return _event(study, site, study.training.local_steps)


def study_event(study: Study, site: str) -> Event:
    """The most that the whole study can be charged at this site, repetitions included."""
    return _event(study, site, study.steps_per_site)


def study_epsilon(study: Study, site: str, accountant: Accountant = pld) -> float:
    """ε of the whole study at its own δ, computed here and not taken from the manifest."""
    return accountant((study_event(study, site),), study.privacy.delta)


def check_claims(study: Study, site: str, accountant: Accountant = pld) -> float:
    """ε of the whole study, if it is no more than its manifest claims and aims at.

    Raises:
        PolicyError: the declared noise costs more than the manifest says, or there is none and it does not say so.
    """
    real = study_epsilon(study, site, accountant)
    if study.privacy.unsafe_no_privacy:
        return real
    claimed = study.resolved.sites[site].epsilon if study.resolved else 0.0
    target = study.privacy.target_epsilon
    most = claimed if target is None else min(claimed, target)
    if real == inf or real > most * (1 + _TOLERANCE):
        raise PolicyError(
            f"the study claims ε ≤ {most:g} for this site, but its noise gives {real:g}",
            hint="Do not approve it. Tell the coordinator to publish the study again.",
        )
    return real


def finite(events: Sequence[Event]) -> tuple[Event, ...]:
    """Events that have privacy; the others cost ∞ whatever else happens."""
    return tuple(event for event in events if not isinstance(event, NoPrivacy))


def covers(
    policy: Policy, spent: Sequence[Event], more: Sequence[Event], most: Sequence[Event], accountant: Accountant = pld
) -> bool:
    """Whether the budget covers `more` after what was `spent`.

    `most` are events that are known to cost at least as much as both together and that do not change from round to
    round: where even they are covered, which is the usual case, their one computation serves the whole study.
    A policy that allows studies without privacy sets their ∞ aside, and still holds all others to the budget.
    """
    together = (*spent, *more)
    if finite(together) != together and not policy.allow_unsafe_no_privacy:
        return False
    return any(accountant(finite(events), policy.delta) <= policy.max_epsilon for events in (most, together))


def _event(study: Study, site: str, steps: int) -> Event:
    if study.privacy.unsafe_no_privacy or study.resolved is None:
        return NoPrivacy(steps)
    sigma = study.resolved.sites[site].noise_multiplier
    return SampledGaussian(sigma, study.sites[site].sampling_rate, steps)
