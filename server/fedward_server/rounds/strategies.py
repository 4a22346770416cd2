"""The manifest's strategy as one of Flower's own.

Whom to ask is the round loop's decision, so every strategy is told to sample all nodes that it is shown
(`fraction_train` 1, minimum 1: `sample_nodes` then neither waits nor leaves anybody out) and to evaluate none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from fedward_shared.contracts.study import StrategyTerms, Study
from fedward_shared.errors import StudyFileError
from fedward_shared.manifest.strategies import STRATEGIES, option_value

if TYPE_CHECKING:
    from flwr.serverapp.strategy import FedAvg

__all__ = ["build_strategy", "check_options"]


class _Sampling(TypedDict):
    fraction_train: float
    fraction_evaluate: float
    min_train_nodes: int
    min_evaluate_nodes: int
    min_available_nodes: int


class _Adaptive(TypedDict):
    eta: float
    eta_l: float
    beta_1: float
    beta_2: float
    tau: float


_EVERYBODY: _Sampling = {
    "fraction_train": 1.0,
    "fraction_evaluate": 0.0,
    "min_train_nodes": 1,
    "min_evaluate_nodes": 0,
    "min_available_nodes": 1,
}


def check_options(terms: StrategyTerms) -> None:
    """Whether the strategy exists and takes these options.

    Raises:
        StudyFileError: it does not; every mistake is listed.
    """
    if terms.name not in STRATEGIES:
        raise StudyFileError(
            f"[strategy] name: there is no strategy {terms.name!r}", hint=f"Choose one of: {', '.join(STRATEGIES)}."
        )
    known = STRATEGIES[terms.name]
    problems = [
        f"[strategy.options] {name}: {terms.name} has no such option" for name in terms.options if name not in known
    ] + [
        f"[strategy.options] {name} = {value}: must be {known[name].rule}"
        for name, value in terms.options.items()
        if name in known and not known[name].allows(value)
    ]
    if problems:
        raise StudyFileError(
            f"the options of strategy {terms.name} do not fit",
            problems=tuple(problems),
            hint=f"It takes: {', '.join(known) or 'none'}.",
        )


def build_strategy(study: Study) -> FedAvg:
    """A new strategy object; its state is that before round 1.

    Raises:
        StudyFileError: see `check_options`.
    """
    from flwr.serverapp.strategy import FedAdam, FedAvg, FedAvgM, FedProx, FedYogi

    terms = study.strategy
    check_options(terms)
    match terms.name:
        case "fedprox":
            return FedProx(**_EVERYBODY, proximal_mu=study.training.proximal_mu)
        case "fedadam":
            return FedAdam(**_EVERYBODY, **_adaptive(terms))
        case "fedyogi":
            return FedYogi(**_EVERYBODY, **_adaptive(terms))
        case "fedavgm":
            return FedAvgM(
                **_EVERYBODY,
                server_learning_rate=_option(terms, "server_learning_rate"),
                server_momentum=_option(terms, "server_momentum"),
            )
        case _:
            return FedAvg(**_EVERYBODY)


def _adaptive(terms: StrategyTerms) -> _Adaptive:
    return {
        "eta": _option(terms, "eta"),
        "eta_l": _option(terms, "eta_l"),
        "beta_1": _option(terms, "beta_1"),
        "beta_2": _option(terms, "beta_2"),
        "tau": _option(terms, "tau"),
    }


def _option(terms: StrategyTerms, name: str) -> float:
    return option_value(terms.name, terms.options, name)
