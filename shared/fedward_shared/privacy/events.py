"""What happened to a patient's records, apart from what it costs (that is `accounting`).

Ledgers store events, not ε: budgets of several studies compose tightly only while the mechanisms are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedward_shared.errors import UsageError

__all__ = ["AdaptiveGaussian", "Event", "NoPrivacy", "SampledGaussian", "from_json", "to_json"]

_MOST_STEPS = 2**53


@dataclass(frozen=True, slots=True)
class SampledGaussian:
    """`steps` releases of a sum of vectors with L2 norm at most C each, under noise N(0, (σC)²) per coordinate.

    Every unit (patient) takes part in a step independently with probability `sampling_rate` (Poisson sampling).
    Neighbours differ by adding or removing one unit. Clipping per layer is this event, too: C is then √ΣC_l².
    """

    noise_multiplier: float
    sampling_rate: float
    steps: int

    def __post_init__(self) -> None:
        _check_noise(self.noise_multiplier)
        _check_rate(self.sampling_rate)
        _check_steps(self.steps)


@dataclass(frozen=True, slots=True)
class AdaptiveGaussian:
    """As `SampledGaussian`, and from the same units a noised count in each step, by which C adapts to the data.

    The count is Σ ±½ over the units that take part (+½: its norm is at most C), under noise N(0, σ_b²);
    `count_noise` is σ_b. Source: Andrew, Thakkar, McMahan and Ramaswamy 2021, algorithm 1.
    """

    noise_multiplier: float
    count_noise: float
    sampling_rate: float
    steps: int

    def __post_init__(self) -> None:
        _check_noise(self.noise_multiplier)
        _check_noise(self.count_noise)
        _check_rate(self.sampling_rate)
        _check_steps(self.steps)


@dataclass(frozen=True, slots=True)
class NoPrivacy:
    """`steps` steps without clipping or noise: they cost an infinite ε, however few they are (at least one)."""

    steps: int

    def __post_init__(self) -> None:
        _check_steps(self.steps)


Event = SampledGaussian | AdaptiveGaussian | NoPrivacy


def to_json(event: Event) -> dict[str, str | float | int]:
    """The event as a flat object that JSON can hold; floats survive to the bit."""
    match event:
        case NoPrivacy():
            return {"kind": "no-privacy", "steps": event.steps}
        case SampledGaussian():
            return {
                "kind": "sampled-gaussian",
                "noise_multiplier": event.noise_multiplier,
                "sampling_rate": event.sampling_rate,
                "steps": event.steps,
            }
        case AdaptiveGaussian():
            return {
                "kind": "adaptive-gaussian",
                "noise_multiplier": event.noise_multiplier,
                "count_noise": event.count_noise,
                "sampling_rate": event.sampling_rate,
                "steps": event.steps,
            }


def from_json(record: Mapping[str, object]) -> Event:
    """The event that `to_json` wrote.

    Raises:
        UsageError: the record is no event. An unknown kind is never skipped: a cost would go missing.
    """
    match dict(record):
        case {"kind": "no-privacy", "steps": int(steps), **rest} if not rest:
            return NoPrivacy(steps)
        case {
            "kind": "sampled-gaussian",
            "noise_multiplier": float() | int() as sigma,
            "sampling_rate": float() | int() as rate,
            "steps": int(steps),
            **rest,
        } if not rest:
            return SampledGaussian(float(sigma), float(rate), steps)
        case {
            "kind": "adaptive-gaussian",
            "noise_multiplier": float() | int() as sigma,
            "count_noise": float() | int() as count,
            "sampling_rate": float() | int() as rate,
            "steps": int(steps),
            **rest,
        } if not rest:
            return AdaptiveGaussian(float(sigma), float(count), float(rate), steps)
    raise UsageError(
        "a record in the ledger is no privacy event that this version knows",
        hint="It was written by a newer Fedward, or damaged. Update Fedward, or restore the ledger.",
    )


def _check_noise(multiplier: float) -> None:
    if not 0 <= multiplier < float("inf"):
        raise UsageError(f"a noise multiplier is a number from 0 up, not {multiplier}")


def _check_rate(rate: float) -> None:
    if not 0 <= rate <= 1:
        raise UsageError(f"a sampling rate lies between 0 and 1; {rate} does not")


def _check_steps(steps: int) -> None:
    if isinstance(steps, bool) or not 0 <= steps <= _MOST_STEPS:
        raise UsageError(f"a number of steps is a whole number from 0 up, not {steps}")
