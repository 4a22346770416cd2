"""A site's privacy budget and where it stands. ε is per site and patient: two sites that treat one patient add up."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Budget", "Spend"]


@dataclass(frozen=True, slots=True)
class Budget:
    """The most a patient's records in one data set may ever cost: (ε, δ)-DP, add-or-remove one unit."""

    epsilon: float
    delta: float


@dataclass(frozen=True, slots=True)
class Spend:
    """What a data set has cost so far and what a request would make of it, both at the policy's δ."""

    data_set: str
    before: float
    after: float
    budget: Budget

    @property
    def covered(self) -> bool:
        """Whether the budget covers the request."""
        return self.after <= self.budget.epsilon
