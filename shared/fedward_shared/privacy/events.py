"""What happened to a patient's records, apart from what it costs (that is `accounting`).

Ledgers store events, not ε: budgets of several studies compose tightly only while the mechanisms are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fedward_shared.errors import UsageError

__all__ = ["Event", "NoPrivacy", "SampledGaussian", "from_json", "to_json"]

_MOST_STEPS = 2**53


@dataclass(frozen=True, slots=True)
class SampledGaussian:
    """`steps` releases of a sum of vectors with L2 norm at most C each, under noise N(0, (σC)²) per coordinate.

    Every unit (patient) takes part in a step independently with probability `sampling_rate` (Poisson sampling).
    Neighbours differ by adding or removing one unit.
    """

    noise_multiplier: float
    sampling_rate: float
    steps: int

    def __post_init__(self) -> None:
        if not 0 <= self.noise_multiplier < float("inf"):
            raise UsageError(f"a noise multiplier is a number from 0 up, not {self.noise_multiplier}")
        if not 0 <= self.sampling_rate <= 1:
            raise UsageError(f"a sampling rate lies between 0 and 1; {self.sampling_rate} does not")
        _check_steps(self.steps)


@dataclass(frozen=True, slots=True)
class NoPrivacy:
    """`steps` steps without clipping or noise: they cost an infinite ε, however few they are (at least one)."""

    steps: int

    def __post_init__(self) -> None:
        _check_steps(self.steps)


Event = SampledGaussian | NoPrivacy


def to_json(event: Event) -> dict[str, str | float | int]:
    """The event as a flat object that JSON can hold; floats survive to the bit."""
    if isinstance(event, NoPrivacy):
        return {"kind": "no-privacy", "steps": event.steps}
    return {
        "kind": "sampled-gaussian",
        "noise_multiplier": event.noise_multiplier,
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
    raise UsageError(
        "a record in the ledger is no privacy event that this version knows",
        hint="It was written by a newer Fedward, or damaged. Update Fedward, or restore the ledger.",
    )


def _check_steps(steps: int) -> None:
    if isinstance(steps, bool) or not 0 <= steps <= _MOST_STEPS:
        raise UsageError(f"a number of steps is a whole number from 0 up, not {steps}")
