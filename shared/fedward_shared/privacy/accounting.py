"""What events cost: ε at a given δ, as an upper bound on the truth.

Neighbouring relation: add or remove one unit (a patient, or a record where no patient column is declared).
Guarantee: (ε, δ)-differential privacy of everything released by the events together, chosen adaptively.

- q = 1 throughout: the analytic Gaussian (Balle and Wang 2018, theorem 8), exact; steps compose by the sum of 1/σ².
- Otherwise: privacy loss distributions (Koskela et al. 2020; Doroshenko et al. 2022) by dp-accounting's pessimistic
  estimate, whose rounding always goes towards a larger ε.
- Where the cost is absurd (ε of a hundred and more) sampling is left out of account, which can only raise the
  figure: nobody may make an accountant work for hours by declaring a tiny σ.

Edge cases: NoPrivacy or σ = 0 costs ∞; q = 0 or no steps cost 0; the order of events never matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import exp, expm1, hypot, inf, isfinite, log
from typing import TYPE_CHECKING

from fedward_shared.errors import UsageError
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy, SampledGaussian

if TYPE_CHECKING:
    from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

__all__ = ["calibrate_noise", "epsilon", "with_count"]

_Merged = tuple[tuple[float, float, int], ...]
"""Distinct (σ, q) with their steps: the multiset of events."""

_COARSE, _FINE = 1e-3, 1e-4
_SMALL_SPREAD = 0.01
_SMALLEST_DELTA = 1e-12
_SMALLEST_SIGMA = 0.1
_LARGEST_GAUSSIAN, _LARGEST_SAMPLED = 100.0, 5e3
_TOLERANCE = 0.997
_LARGEST_NOISE = 1e6


def epsilon(events: Sequence[Event], delta: float) -> float:
    """ε of all `events` together at `delta`; ∞ where one of them has no privacy. Never below the truth.

    Raises:
        UsageError: `delta` is not between 1e-12 and 1.
    """
    if not _SMALLEST_DELTA <= delta < 1:
        raise UsageError(f"δ must lie between {_SMALLEST_DELTA} and 1; {delta} does not")
    steps: dict[tuple[float, float], int] = {}
    for event in events:
        if event.steps == 0:
            continue
        if isinstance(event, NoPrivacy):
            return inf
        if event.sampling_rate == 0:
            continue
        sigma = event.noise_multiplier
        if isinstance(event, AdaptiveGaussian):
            sigma = with_count(sigma, event.count_noise)
        if sigma == 0:
            return inf
        key = (sigma, event.sampling_rate)
        steps[key] = steps.get(key, 0) + event.steps
    return _composed(tuple(sorted((sigma, rate, count) for (sigma, rate), count in steps.items())), delta)


@lru_cache(maxsize=256)
def calibrate_noise(*, target_epsilon: float, delta: float, sampling_rate: float, steps: int) -> float:
    """The noise multiplier σ with which `steps` steps at `sampling_rate` cost at most `target_epsilon`.

    ε of the result, by `epsilon` itself, lies in [0.995 × target, target].

    Raises:
        UsageError: no σ up to a million meets the target, or a figure is outside its range.
    """
    if not 0 < target_epsilon < inf:
        raise UsageError(f"a target ε is a number above 0, not {target_epsilon}")
    if steps < 1 or not 0 < sampling_rate <= 1:
        raise UsageError("noise can only be calibrated for at least one step and a sampling rate in (0, 1]")

    def cost(sigma: float) -> float:
        return epsilon((SampledGaussian(sigma, sampling_rate, steps),), delta)

    low = high = 1.0
    while cost(high) > target_epsilon:
        low, high = high, high * 2
        if high > _LARGEST_NOISE:
            raise UsageError(
                f"no noise brings {steps} steps down to ε = {target_epsilon}",
                hint="Declare fewer rounds or local steps, a smaller sampling rate, or a larger ε.",
            )
    while cost(low) <= target_epsilon:
        low, high = low / 2, low
    while cost(high) < _TOLERANCE * target_epsilon and high - low > 1e-9 * high:
        middle = _between(low, high, cost(low), cost(high), target_epsilon)
        low, high = (middle, high) if cost(middle) > target_epsilon else (low, middle)
    return high


def with_count(noise_multiplier: float, count_noise: float) -> float:
    """The noise multiplier z that a gradient and a count from the same sampled units cost together.

    Per unit, gradient/(σC) and ±½/σ_b are one vector under unit noise: its norm is at most √(σ⁻² + (2σ_b)⁻²) = 1/z.
    Source: Andrew, Thakkar, McMahan and Ramaswamy 2021, theorem 1. Rounded down, and 0 (no privacy) if either is 0.
    """
    if noise_multiplier == 0 or count_noise == 0:
        return 0.0
    return (1 - 1e-15) / hypot(1 / noise_multiplier, 0.5 / count_noise)


def _between(low: float, high: float, above: float, below: float, target: float) -> float:
    """A point inside (low, high): log-log interpolation aimed just under the target, kept off the ends."""
    aim = log(target * (1 + _TOLERANCE) / 2)
    share = (log(above) - aim) / (log(above) - log(below)) if isfinite(above) and below > 0 else 0.5
    return exp(log(low) + min(max(share, 0.05), 0.95) * (log(high) - log(low)))


@lru_cache(maxsize=4096)
def _composed(events: _Merged, delta: float) -> float:
    if not events:
        return 0.0
    total = sum(count / sigma**2 for sigma, _, count in events)
    bound = _gaussian(total, delta)
    sampled = [(sigma, rate, count) for sigma, rate, count in events if rate < 1]
    if not sampled or any(sigma < _SMALLEST_SIGMA for sigma, _, _ in sampled):
        return bound
    plain = sum(count / sigma**2 for sigma, rate, count in events if rate == 1)
    # The central limit of a sampled step's loss (Dong, Roth and Su 2019, theorem 11): here only to foresee the work.
    spread = sum(count * min(rate**2 * expm1(min(sigma**-2, 100)), sigma**-2) for sigma, rate, count in sampled)
    if plain > _LARGEST_GAUSSIAN or spread > _LARGEST_SAMPLED:
        return bound
    interval = _FINE if plain + spread < _SMALL_SPREAD else _COARSE
    parts = [_distribution(sigma, rate, count, interval) for sigma, rate, count in sampled]
    if plain:
        parts.append(_distribution(plain**-0.5, 1.0, 1, interval))
    whole = parts[0]
    for part in parts[1:]:
        whole = whole.compose(part)
    return min(bound, float(whole.get_epsilon_for_delta(delta)))


@lru_cache(maxsize=64)
def _distribution(sigma: float, rate: float, count: int, interval: float) -> PrivacyLossDistribution:
    from dp_accounting.pld import privacy_loss_distribution

    step = privacy_loss_distribution.from_gaussian_mechanism(
        sigma, pessimistic_estimate=True, value_discretization_interval=interval, sampling_prob=rate
    )
    return step if count == 1 else step.self_compose(count)


def _gaussian(total: float, delta: float) -> float:
    """ε of Gaussian mechanisms with Σ 1/σ² = `total`: δ(ε) = Φ(μ/2 − ε/μ) − e^ε Φ(−μ/2 − ε/μ), μ = √total."""
    from scipy.special import log_ndtr

    mu = total**0.5

    def too_small(candidate: float) -> bool:
        first = float(log_ndtr(mu / 2 - candidate / mu))
        second = candidate + float(log_ndtr(-mu / 2 - candidate / mu))
        return second < first and exp(first) * -expm1(second - first) > delta

    if not too_small(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while too_small(high):
        low, high = high, high * 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if too_small(middle) else (low, middle)
    return high * (1 + 1e-9)
