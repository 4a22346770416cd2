"""The noise, or the rounds, that an ε allows: searched for with `epsilon` itself, so that the result can be checked."""

from __future__ import annotations

from functools import lru_cache
from math import exp, inf, isfinite, log

from fedward_shared.errors import UsageError
from fedward_shared.privacy.accounting.cost import epsilon
from fedward_shared.privacy.events import SampledGaussian

__all__ = ["calibrate_noise", "calibrate_rounds"]

_TOLERANCE = 0.997
_LARGEST_NOISE = 1e6
_MOST_ROUNDS = 2**20


@lru_cache(maxsize=256)
def calibrate_noise(*, target_epsilon: float, delta: float, sampling_rate: float, steps: int) -> float:
    """The noise multiplier σ with which `steps` steps at `sampling_rate` cost at most `target_epsilon`.

    ε of the result, by `epsilon` itself, lies in [0.995 × target, target].

    Raises:
        UsageError: no σ up to a million meets the target, or a figure is outside its range.
    """
    _check_target(target_epsilon)
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


@lru_cache(maxsize=256)
def calibrate_rounds(
    *, target_epsilon: float, delta: float, noise_multiplier: float, sampling_rate: float, steps_per_round: int
) -> int:
    """The most rounds of `steps_per_round` steps each that cost at most `target_epsilon`; 0 if not even one does.

    By `epsilon` itself: the result fits, and one more round does not (unless it is 2²⁰, where the search ends).

    Raises:
        UsageError: a figure is outside its range.
    """
    _check_target(target_epsilon)
    if steps_per_round < 1:
        raise UsageError(f"a round has at least one step, not {steps_per_round}")

    def fits(rounds: int) -> bool:
        return (
            epsilon((SampledGaussian(noise_multiplier, sampling_rate, rounds * steps_per_round),), delta)
            <= target_epsilon
        )

    low, high = 0, 1
    while fits(high):
        low, high = high, high * 2
        if low >= _MOST_ROUNDS:
            return _MOST_ROUNDS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _check_target(target_epsilon: float) -> None:
    if not 0 < target_epsilon < inf:
        raise UsageError(f"a target ε is a number above 0, not {target_epsilon}")


def _between(low: float, high: float, above: float, below: float, target: float) -> float:
    """A point inside (low, high): log-log interpolation aimed just under the target, kept off the ends."""
    aim = log(target * (1 + _TOLERANCE) / 2)
    share = (log(above) - aim) / (log(above) - log(below)) if isfinite(above) and below > 0 else 0.5
    return exp(log(low) + min(max(share, 0.05), 0.95) * (log(high) - log(low)))
