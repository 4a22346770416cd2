"""ε of events at a given δ, as an upper bound on the truth.

Neighbouring relation: add or remove one unit (a patient, or a record where no patient column is declared); both
directions are computed, and the larger counts. Guarantee: (ε, δ)-differential privacy of everything released by the
events together, chosen adaptively.

- Everybody in every step (q = 1): the analytic Gaussian, exact (`gaussian`).
- Otherwise the distribution of the privacy loss, composed numerically (`step_loss`, `composition`): within about 1e-4
  of the truth up to a million steps, within 1e-3 up to ten million, looser beyond.
- Where ε would be in the hundreds, or steps in the billions, a bound by moments, or without sampling: nobody may make
  an accountant work for hours by declaring a tiny σ. It can only raise the figure.

Edge cases: NoPrivacy or σ = 0 costs ∞; q = 0 or no steps cost 0; the order of events, and how steps are split into
events, never matter to the last bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import hypot, inf

from fedward_shared.errors import UsageError
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy

__all__ = ["epsilon", "with_count"]

_SMALLEST_DELTA = 1e-12
_SMALLEST_SIGMA, _LARGEST_SIGMA = 0.01, 1e6
_SMALLEST_RATE, _LARGEST_RATE = 1e-12, 1 - 1e-9
_HOPELESS = 500.0

_Merged = tuple[tuple[float, float, int], ...]
"""Distinct (σ, q) with their steps: the multiset of events."""


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
        key = _manageable(sigma, event.sampling_rate)
        steps[key] = steps.get(key, 0) + event.steps
    return _composed(tuple(sorted((sigma, rate, count) for (sigma, rate), count in steps.items())), delta)


def with_count(noise_multiplier: float, count_noise: float) -> float:
    """The noise multiplier z that a gradient and a count from the same sampled units cost together.

    Per unit, gradient/(σC) and ±½/σ_b are one vector under unit noise: its norm is at most √(σ⁻² + (2σ_b)⁻²) = 1/z.
    Source: Andrew, Thakkar, McMahan and Ramaswamy 2021, theorem 1. Rounded down, and 0 (no privacy) if either is 0.
    """
    if noise_multiplier == 0 or count_noise == 0:
        return 0.0
    return (1 - 1e-15) / hypot(1 / noise_multiplier, 0.5 / count_noise)


def _manageable(sigma: float, rate: float) -> tuple[float, float]:
    """The figures, made worse where floats would not bear them: next to no noise or sampling, or next to all of it."""
    if rate > _LARGEST_RATE or not _SMALLEST_SIGMA <= sigma <= _LARGEST_SIGMA:
        return sigma, 1.0
    return sigma, max(rate, _SMALLEST_RATE)


@lru_cache(maxsize=4096)
def _composed(events: _Merged, delta: float) -> float:
    from fedward_shared.privacy.accounting.gaussian import gaussian_epsilon

    bound = gaussian_epsilon(sum(_weight(sigma, count) for sigma, _, count in events), delta)
    sampled = tuple(event for event in events if event[1] < 1)
    plain = sum(_weight(sigma, count) for sigma, rate, count in events if rate == 1)
    if not sampled or bound == 0 or plain > 1 / _SMALLEST_SIGMA**2:
        return bound
    from fedward_shared.privacy.accounting.composition import composed, moment_bound

    parts = (*sampled, ((1 - 1e-15) / plain**0.5, 1.0, 1)) if plain else sampled
    if bound > _HOPELESS:
        bound = min(bound, moment_bound(parts, delta))
    return bound if bound > _HOPELESS else min(bound, composed(parts, delta))


def _weight(sigma: float, count: int) -> float:
    """1/σ² for each of `count` steps, ∞ where that is beyond floats."""
    return count * (1 / sigma) * (1 / sigma)
