"""A recipe: a family's schedule made into the tables of study.toml, for sites of agreed sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from fedward_shared.errors import UsageError
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.recipes.averaging import PROXIMAL_MU, SERVER_OPTIONS
from fedward_shared.recipes.schedules import FAMILIES, Schedule

__all__ = ["Recipe", "recipe"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a study would declare; `options` are the strategy's own."""

    model: str
    schedule: Schedule
    sizes: Mapping[str, int]
    sampling_rates: Mapping[str, float]
    normalisers: Mapping[str, float]
    strategy: str
    options: Mapping[str, float]
    proximal_mu: float
    private: bool
    warnings: tuple[str, ...]


def recipe(model: str, sizes: Mapping[str, int], *, private: bool = True, strategy: str = "fedavg") -> Recipe:
    """The recipe of `model` for sites that agreed on `sizes` training patients each.

    Raises:
        UsageError: there is no such model or strategy.
    """
    if model not in FAMILIES:
        raise UsageError(f"there is no recipe for {model!r}", hint=f"There are: {', '.join(sorted(FAMILIES))}")
    if strategy not in STRATEGIES:
        raise UsageError(f"there is no strategy {strategy!r}", hint=f"There are: {', '.join(STRATEGIES)}")
    family = FAMILIES[model]
    schedule = family.private if private else family.plain
    rates = {site: min(1.0, _rounded(schedule.batch / size)) if schedule.batch else 1.0 for site, size in sizes.items()}
    everybody = sum(sizes.values())
    return Recipe(
        model=model,
        schedule=schedule,
        sizes=dict(sizes),
        sampling_rates=rates,
        normalisers={site: float(max(1, round(size * rates[site]))) for site, size in sizes.items()},
        strategy=strategy,
        options=SERVER_OPTIONS[strategy],
        proximal_mu=PROXIMAL_MU if strategy == "fedprox" else 0.0,
        private=private,
        warnings=_warnings(model, everybody, family.fewest) if private else (),
    )


def _warnings(model: str, patients: int, fewest: int) -> tuple[str, ...]:
    if patients >= fewest:
        return ()
    few = f"{patients} patients are few for {model} under differential privacy"
    return (f"{few}: it needs about {fewest}. Try a smaller family, or a backbone with a logistic head.",)


def _rounded(rate: float) -> float:
    """Up to two digits, because a sampling rate is a figure that people read."""
    digits = 100 if rate >= 0.01 else 10_000  # noqa: PLR2004  # two digits that count
    return ceil(rate * digits) / digits
