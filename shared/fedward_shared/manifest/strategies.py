"""The strategies a study may name, and the options of each: one table that the manifest and the coordinator read.

The names of the options are those of Flower's classes (`flwr.serverapp.strategy`). FedProx has none: its μ is
`[training] proximal_mu`, because it acts at the sites.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["STRATEGIES", "StrategyOption", "option_value"]


@dataclass(frozen=True, slots=True)
class StrategyOption:
    """One option: its default, and the numbers that make sense (`minimum` itself only where `closed`)."""

    default: float
    minimum: float = 0.0
    below: float = math.inf
    closed: bool = False

    def allows(self, value: float) -> bool:
        """Whether the option may have this value."""
        return (value > self.minimum or (self.closed and value == self.minimum)) and value < self.below

    @property
    def rule(self) -> str:
        """Completes "must be …"."""
        low = f"a number {'from' if self.closed else 'above'} {self.minimum:g}"
        return low if math.isinf(self.below) else f"{low} and below {self.below:g}"


def _adaptive(eta: float, eta_l: float) -> Mapping[str, StrategyOption]:
    return MappingProxyType(
        {
            "eta": StrategyOption(eta),
            "eta_l": StrategyOption(eta_l),
            "beta_1": StrategyOption(0.9, below=1.0, closed=True),
            "beta_2": StrategyOption(0.99, below=1.0, closed=True),
            "tau": StrategyOption(1e-3),
        }
    )


_NONE: Mapping[str, StrategyOption] = MappingProxyType({})

STRATEGIES: Mapping[str, Mapping[str, StrategyOption]] = MappingProxyType(
    {
        "fedavg": _NONE,
        "fedprox": _NONE,
        "fedadam": _adaptive(0.1, 0.1),
        "fedyogi": _adaptive(0.01, 0.0316),
        "fedavgm": MappingProxyType(
            {
                "server_learning_rate": StrategyOption(1.0),
                "server_momentum": StrategyOption(0.0, below=1.0, closed=True),
            }
        ),
    }
)


def option_value(strategy: str, options: Mapping[str, float], name: str) -> float:
    """The declared value of an option, or its default."""
    return options.get(name, STRATEGIES[strategy][name].default)
