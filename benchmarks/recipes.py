"""Are the recipes good ones? `python -m benchmarks.recipes`: every family with its recipe and other learning rates.

Two generated hospitals (`recipes_problems`) train each family with its recipe, and with a third and three times its
learning rate, without privacy and at ε = 3 and 8. The figure is AUC (for survival the C-index) over both hospitals'
test patients, the median over seeds. A recipe holds where no other rate is better by more than .01. Generated data say
how a family trains, not what it is worth in a clinic: that is `python -m benchmarks.quality`.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf
from statistics import median

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.recipes_problems import SITES, Hospital, data_table, hospitals
from fedward_shared.console import run_command
from fedward_shared.contracts.study import Study
from fedward_shared.contracts.survival import events, times
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_shared.recipes.recipe import recipe
from fedward_shared.recipes.schedules import FAMILIES
from fedward_shared.recipes.tables import recipe_tables
from fedward_simulations.grid.engine import federate, scores

__all__ = ["Cell", "main"]

EPSILONS = (inf, 8.0, 3.0)
FACTORS = (0.33, 1.0, 3.0)
CLEARLY = 0.01
_HEAVY = frozenset({"resnet18", "vgg"})
_HEAD = """\
[study]
name = "recipe"
title = "A recipe on generated hospitals"
purpose = "Find out whether the recipe trains."
contact = "nobody@example.org"

[model]
name = "{model}"
seed = {seed}

[model.options]
{options}

"""
_SMALL = {"resnet18": "width = 8", "vgg": "width = 0.125"}


@dataclass(frozen=True, slots=True)
class Cell:
    """One family at one ε (inf: without privacy), with a factor on its recipe's learning rate, or another strategy."""

    model: str
    epsilon: float
    factor: float
    strategy: str = "fedavg"


def main() -> None:
    """Reads the command line, measures, and prints."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recipes", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    parser.add_argument("--models", default="", help="such as logistic,gru (default: all but resnet18 and vgg)")
    parser.add_argument("--strategies", action="store_true", help="compare strategies instead of learning rates")
    parser.add_argument("--patients", type=int, default=2000, help="training patients of each hospital (default 2000)")
    parser.add_argument("--seeds", type=int, default=3, help="repetitions (default 3)")
    chosen = parser.parse_args()
    run_command(lambda: _benchmark(chosen))


def _benchmark(chosen: argparse.Namespace) -> None:
    import torch

    torch.set_num_threads(1)
    models = [name.strip() for name in chosen.models.split(",") if name.strip()] or sorted(set(FAMILIES) - _HEAVY)
    if unknown := [name for name in models if name not in FAMILIES]:
        raise UsageError(f"there is no recipe for {unknown[0]!r}", hint=f"There are: {', '.join(sorted(FAMILIES))}")
    kinds = [(1.0, name) for name in STRATEGIES] if chosen.strategies else [(factor, "fedavg") for factor in FACTORS]
    cells = [Cell(model, epsilon, *kind) for model in models for epsilon in EPSILONS for kind in kinds]
    lines = []
    for cell in track(cells, console=Console(stderr=True), description="recipes"):
        lines.append(_line(cell, chosen.patients, range(chosen.seeds)))
        if chosen.json:
            print(json.dumps(lines[-1]), flush=True)  # the lines are the output
    if not chosen.json:
        Console().print(_table(lines))


def _line(cell: Cell, patients: int, seeds: Sequence[int]) -> dict[str, object]:
    begun = time.perf_counter()
    values = [_value(cell, hospitals(FAMILIES[cell.model].records, patients, seed), patients, seed) for seed in seeds]
    return {
        "model": cell.model,
        "epsilon": None if isinf(cell.epsilon) else cell.epsilon,
        "rate_factor": cell.factor,
        "strategy": cell.strategy,
        "figure": "c_index" if FAMILIES[cell.model].records == "survival" else "auc",
        "median": round(median(values), 4),
        "values": [round(value, 4) for value in values],
        "seconds": round(time.perf_counter() - begun, 1),
    }


def _value(cell: Cell, sites: Mapping[str, Hospital], patients: int, seed: int) -> float:
    study = _study(cell, patients, seed)
    weights = federate(study, {site: sites[site].train for site in SITES}, seed=seed)
    labels = np.concatenate([sites[site].test.labels for site in SITES])
    said = np.concatenate([scores(study, weights, sites[site].test) for site in SITES])
    if study.data.label.follow_up is None:
        from fedward_shared.evaluation.ranking import auc

        return float(auc(said[:, 1], labels == 1) or 0.5)
    from fedward_shared.evaluation.concordance import concordance

    return float(concordance(said.sum(axis=1), times(labels, study.data.label.follow_up), events(labels)) or 0.5)


def _study(cell: Cell, patients: int, seed: int) -> Study:
    found = recipe(cell.model, dict.fromkeys(SITES, patients), private=not isinf(cell.epsilon), strategy=cell.strategy)
    head = _HEAD.format(model=cell.model, seed=seed, options=_SMALL.get(cell.model, ""))
    kind = FAMILIES[cell.model].records
    epsilon = None if isinf(cell.epsilon) else cell.epsilon
    text = head + data_table(kind) + "\n" + recipe_tables(found, epsilon=epsilon, rate_factor=cell.factor)
    return load(published(text.encode()))


def _table(lines: Sequence[Mapping[str, object]]) -> Table:
    """A row for each family and ε. A recipe holds where nothing beside it is clearly better."""
    kinds = list(dict.fromkeys((line["rate_factor"], line["strategy"]) for line in lines))
    compared = "strategy" if len({strategy for _, strategy in kinds}) > 1 else "rate_factor"
    table = Table(box=SIMPLE, title="AUC or C-index of each family with its recipe, and what was put beside it")
    table.add_column("model")
    for name in ("ε", *(str(strategy) if compared == "strategy" else f"rate x {rate}" for rate, strategy in kinds)):
        table.add_column(name, justify="right")
    table.add_column("holds")
    found = {(line["model"], line["epsilon"], line[compared]): float(str(line["median"])) for line in lines}
    shown = [strategy if compared == "strategy" else factor for factor, strategy in kinds]
    own = "fedavg" if compared == "strategy" else 1.0
    for model, epsilon in dict.fromkeys((line["model"], line["epsilon"]) for line in lines):
        values = [found[model, epsilon, kind] for kind in shown]
        holds = max(values) - found[model, epsilon, own] <= CLEARLY
        row = [str(model), "-" if epsilon is None else str(epsilon), *(f"{value:.3f}" for value in values)]
        table.add_row(*row, "yes" if holds else "no")
    return table


if __name__ == "__main__":
    main()
