"""The same events by other accountants: beside our ε in documents and audits, and against it in tests.

No guarantee of the product rests on these figures. Opacus and dp-accounting are imported only when asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import expm1, inf

from fedward_shared.privacy.accounting.cost import epsilon, with_count
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy

__all__ = ["CrossCheck", "cross_check"]

_INTERVAL = 1e-4


@dataclass(frozen=True, slots=True)
class CrossCheck:
    """ε of the same events at the same δ; ∞ where an event has no privacy.

    `pld` is ours, and what the product claims. `dp_accounting` is Google's library by the same method (pessimistic, a
    grid of 1e-4): nearly the same. `opacus_prv` is Opacus' upper bound by numerical composition (Gopi et al. 2021):
    within 0.01 or so. `opacus_rdp` is by Rényi divergences (Mironov et al. 2019): an upper bound, larger by 5 to 15 %.
    `gdp_never_use` is the central limit of Gaussian DP (Bu et al. 2020): an approximation from BELOW where few steps
    or few units count. It is listed because it is met elsewhere, and must never be claimed.
    """

    pld: float
    dp_accounting: float
    opacus_prv: float
    opacus_rdp: float
    gdp_never_use: float


def cross_check(events: Sequence[Event], delta: float) -> CrossCheck:
    """What five accountants say about `events` at `delta`.

    Raises:
        UsageError: `delta` is outside the range of `epsilon`.
    """
    ours = epsilon(events, delta)
    if ours == inf:
        return CrossCheck(inf, inf, inf, inf, inf)
    steps = _steps(events)
    if not steps:
        return CrossCheck(ours, 0.0, 0.0, 0.0, 0.0)
    return CrossCheck(
        pld=ours,
        dp_accounting=_dp_accounting(steps, delta),
        opacus_prv=_opacus("prv", steps, delta),
        opacus_rdp=_opacus("rdp", steps, delta),
        gdp_never_use=_central_limit(steps, delta),
    )


_Steps = list[tuple[float, float, int]]
"""(σ, q, steps)."""


def _steps(events: Sequence[Event]) -> _Steps:
    steps = []
    for event in events:
        if isinstance(event, NoPrivacy) or event.steps == 0 or event.sampling_rate == 0:
            continue
        sigma = event.noise_multiplier
        if isinstance(event, AdaptiveGaussian):
            sigma = with_count(sigma, event.count_noise)
        steps.append((sigma, event.sampling_rate, event.steps))
    return steps


def _opacus(mechanism: str, steps: _Steps, delta: float) -> float:
    import numpy as np
    from opacus.accountants import create_accountant

    accountant = create_accountant(mechanism=mechanism)
    accountant.history = list(steps)
    with np.errstate(divide="ignore"):  # at q = 1 it takes a logarithm of 0, on purpose
        return float(accountant.get_epsilon(delta))


def _dp_accounting(steps: _Steps, delta: float) -> float:
    from dp_accounting.pld import privacy_loss_distribution as pld

    whole = pld.identity(_INTERVAL)
    for sigma, rate, count in steps:
        step = pld.from_gaussian_mechanism(sigma, value_discretization_interval=_INTERVAL, sampling_prob=rate)
        whole = whole.compose(step.self_compose(count))
    return float(whole.get_epsilon_for_delta(delta))


def _central_limit(steps: _Steps, delta: float) -> float:
    """ε of the Gaussian that the central limit puts in the events' place: μ² = Σ T q² (e^(1/σ²) − 1)."""
    from fedward_shared.privacy.accounting.gaussian import gaussian_epsilon

    return gaussian_epsilon(sum(count * rate**2 * expm1(min(sigma**-2, 600)) for sigma, rate, count in steps), delta)
