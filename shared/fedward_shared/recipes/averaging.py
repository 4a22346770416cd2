"""Options that each strategy starts from; `python -m benchmarks.recipes --strategies` puts them beside FedAvg."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["PROXIMAL_MU", "SERVER_OPTIONS"]

SERVER_OPTIONS: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "fedavg": {},
        "fedprox": {},
        "fedadam": {"eta": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3},
        "fedyogi": {"eta": 0.1, "beta_1": 0.9, "beta_2": 0.99, "tau": 1e-3},
        "fedavgm": {"server_learning_rate": 1.0, "server_momentum": 0.5},
    }
)
"""By the strategy's name. β and τ of FedAdam and FedYogi are those of Reddi et al. (2021, arXiv:2003.00295)."""
PROXIMAL_MU = 0.1
"""FedProx's μ where none is declared (Li et al. 2020, arXiv:1812.06127, try 0.001 to 1); all others have none."""
