"""How a study is told to average in another way, and which options each way starts from."""

from __future__ import annotations

from dataclasses import dataclass, field

from fedward_shared.errors import UsageError
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.recipes.averaging import PROXIMAL_MU, SERVER_OPTIONS
from fedward_simulations.baselines import Terms

__all__ = ["Overrides", "averaged_by"]

_MU = "mu"


@dataclass(frozen=True, slots=True)
class Overrides:
    """Options by strategy and name that replace the defaults, as ``fedadam.eta=0.05``; FedProx knows ``fedprox.mu``."""

    values: tuple[tuple[str, str, float], ...] = field(default=())

    @classmethod
    def read(cls, written: tuple[str, ...]) -> Overrides:
        """Reads ``STRATEGY.OPTION=NUMBER``.

        Raises:
            UsageError: one is written otherwise, or names what does not exist.
        """
        return cls(tuple(_read(one) for one in written))

    def of(self, strategy: str) -> dict[str, float]:
        """Those of one strategy."""
        return {name: value for owner, name, value in self.values if owner == strategy}


def averaged_by(terms: Terms, strategy: str, overrides: Overrides) -> Terms:
    """The study with this strategy; its own is kept as it was declared, but for `overrides`.

    Raises:
        UsageError: there is no such strategy.
    """
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no strategy {strategy!r}", hint=f"There are: {', '.join(STRATEGIES)}")
    changed = overrides.of(strategy)
    mu = changed.pop(_MU, None)
    declared = terms["strategy"]
    own = str(declared["name"]) == strategy
    options = {**(declared.get("options", {}) if own else SERVER_OPTIONS[strategy]), **changed}
    training = dict(terms["training"])
    if not own:
        training["proximal_mu"] = PROXIMAL_MU if strategy == "fedprox" else 0.0
    if mu is not None:
        training["proximal_mu"] = mu
    return {**terms, "strategy": {**declared, "name": strategy, "options": options}, "training": training}


def _read(written: str) -> tuple[str, str, float]:
    place, equals, number = written.partition("=")
    strategy, dot, name = place.strip().partition(".")
    hint = "Write it as fedadam.eta=0.1; FedProx takes fedprox.mu=0.1."
    if not (equals and dot):
        raise UsageError(f"{written!r} is no option of a strategy", hint=hint)
    known = (*STRATEGIES.get(strategy, ()), *((_MU,) if strategy == "fedprox" else ()))
    if name not in known:
        raise UsageError(f"strategy {strategy!r} has no option {name!r}", hint=hint)
    try:
        return strategy, name, float(number)
    except ValueError as error:
        raise UsageError(f"the value of option {place.strip()!r} is no number", hint=hint) from error
