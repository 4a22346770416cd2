"""Methods x strategies x ε x seeds: the cells of a comparison, put together as the rows of its tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import inf, isinf

from fedward_shared.errors import UsageError
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_simulations.grid.cell import BASELINES, TRAINED, Cell

__all__ = ["LEAVE_ONE_OUT", "METHODS", "Asked", "Way", "planned"]

LEAVE_ONE_OUT = "leave_one_out"
"""The federated method once for each hospital, which takes no part and whose rows are all judged."""
METHODS = ("federated", "local", "centralised", *BASELINES, LEAVE_ONE_OUT)
"""What `--methods` takes."""
_NAMES = {"fedavg": "FedAvg", "fedprox": "FedProx", "fedadam": "FedAdam", "fedyogi": "FedYogi", "fedavgm": "FedAvgM"}
_TITLES = {
    "federated": ("Federated", "federated"),
    "local": ("Each hospital alone", "alone"),
    "centralised": ("All rows in one place", "centralised"),
    "logistic_regression": ("Logistic regression, all rows in one place", "logistic"),
    "gradient_boosting": ("Gradient boosting, all rows in one place", "boosting"),
    LEAVE_ONE_OUT: ("Federated without the hospital", "without it"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What is compared. An empty strategy is the study's own; ε = ∞ is training without privacy.

    Raises:
        UsageError: something is unknown, missing or twice there.
    """

    methods: tuple[str, ...]
    strategies: tuple[str, ...] = ("",)
    epsilons: tuple[float, ...] = (inf,)
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        for name, given, known in (
            ("method", self.methods, METHODS),
            ("strategy", self.strategies, ("", *STRATEGIES)),
        ):
            if unknown := [one for one in given if one not in known]:
                raise UsageError(
                    f"there is no {name} {unknown[0]!r}", hint=f"There are: {', '.join(filter(None, known))}"
                )
        for name, values in (
            ("method", self.methods),
            ("strategy", self.strategies),
            ("ε", self.epsilons),
            ("seed", self.seeds),
        ):
            if not values or len(set(values)) < len(values):
                raise UsageError(f"of every {name} one is needed, and each once")


@dataclass(frozen=True, slots=True)
class Way:
    """One row of the tables: a way of training, with its cells seed by seed.

    A seed has one cell, or where hospitals are left out one for each.
    """

    key: str
    title: str
    short: str
    cells: tuple[tuple[Cell, ...], ...]

    @property
    def leaves_out(self) -> bool:
        """Whether hospitals are left out of training in turn."""
        return bool(self.cells[0][0].held_out)

    @property
    def first(self) -> Cell:
        """Any of its cells, for what all have in common."""
        return self.cells[0][0]


def planned(asked: Asked, sites: Sequence[str]) -> tuple[Way, ...]:
    """The rows of a comparison, in the order of tables: baselines, alone, centralised, federated, hospitals left out.

    Only federated training has strategies. Alone, training with privacy stands beside training without; all rows in
    one place are for training without. Baselines know neither ε nor (as fitted here) chance, so they have one seed.
    """
    return tuple(_rows(asked, sites))


def _rows(asked: Asked, sites: Sequence[str]) -> Iterator[Way]:
    for method in (*BASELINES, "local", "centralised", "federated", LEAVE_ONE_OUT):
        if method not in asked.methods:
            continue
        strategies = asked.strategies if method in {"federated", LEAVE_ONE_OUT} else ("",)
        epsilons = asked.epsilons if method in {"federated", LEAVE_ONE_OUT, "local"} else (inf,)
        seeds = asked.seeds[:1] if method in BASELINES else asked.seeds
        for strategy, epsilon in product(strategies, epsilons):
            cells = tuple(_cells(method, strategy, epsilon, seed, sites) for seed in seeds)
            yield _way(method, strategy, epsilon, cells)


def _cells(method: str, strategy: str, epsilon: float, seed: int, sites: Sequence[str]) -> tuple[Cell, ...]:
    trained = method if method in (*TRAINED, *BASELINES) else "federated"
    held_out = sites if method == LEAVE_ONE_OUT else ("",)
    return tuple(Cell(trained, seed, strategy, epsilon, site) for site in held_out)


def _way(method: str, strategy: str, epsilon: float, cells: tuple[tuple[Cell, ...], ...]) -> Way:
    title, short = _TITLES[method]
    name = _NAMES.get(strategy, "")
    private = not isinf(epsilon)
    plain = method in {"federated", LEAVE_ONE_OUT, "local"}
    said = [title, name, f"ε = {epsilon:g}" if private else ("no privacy" if plain else "")]
    brief = [short, name, f"ε {epsilon:g}" if private else ""]
    key = "-".join(filter(None, (method, strategy, f"eps{epsilon:g}" if private else "")))
    return Way(key, ", ".join(filter(None, said)), " ".join(filter(None, brief)), cells)
