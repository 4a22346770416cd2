"""Chooses among settings by cross-validation on training rows: no test row is ever opened for it.

What choosing itself would cost in privacy is not accounted, as is usual: a real study declares settings that were found
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from pathlib import Path
from statistics import fmean

from fedward_shared.errors import UsageError
from fedward_shared.evaluation.scored import Scored
from fedward_simulations.grid.bench import Bench, Task
from fedward_simulations.grid.cell import Cell, Fold, Variant
from fedward_simulations.grid.running import Notify, quiet, run_grid

__all__ = ["Choice", "Metric", "Tried", "choose", "choose_task"]

Metric = Callable[[Mapping[str, Scored]], float]
"""A figure of held-out rows by site; larger is better."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one candidate reached: its figure in every fold, and their mean."""

    task: Task
    value: float
    folds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """The best candidate (of equally good ones the first), and what all of them reached, in the order given."""

    best: Task
    tried: tuple[Tried, ...]

    @property
    def variant(self) -> Variant:
        """The best candidate's variant."""
        return self.best.cell.variant


def choose(
    study: bytes,
    folders: Mapping[str, Path],
    variants: Sequence[Variant],
    *,
    metric: Metric,
    cache: Path,
    cell: Cell | None = None,
    folds: int = 5,
    repeats: int = 1,
    jobs: int | None = None,
    notify: Notify = quiet,
) -> Choice:
    """Picks a variant of one study; see `choose_task`. `cell` says how it is trained (default: federated, ε = ∞)."""
    bench, template = Bench.of(study, folders), cell or Cell("federated")
    candidates = [Task(bench, replace(template, variant=variant)) for variant in variants]
    return choose_task(candidates, metric=metric, cache=cache, folds=folds, repeats=repeats, jobs=jobs, notify=notify)


def choose_task(
    candidates: Sequence[Task],
    *,
    metric: Metric,
    cache: Path,
    folds: int = 5,
    repeats: int = 1,
    jobs: int | None = None,
    notify: Notify = quiet,
) -> Choice:
    """Picks the candidate with the best mean of `metric` over the held-out folds of training rows.

    One that fails in a fold, or has no figure there, loses. All candidates see the same folds: patients are dealt out
    by class and site, anew in every repeat. Every fold gets
    its own seed for noise, derived from the cell's. Folds are cells like others: finished ones are not trained again.

    Args:
        candidates: tasks without a fold; they may differ in study, variant, strategy or method.
        metric: judges the held-out rows of one fold, all sites together; the candidates' mean over folds decides.
        cache: the folder of finished cells.
        folds: parts of the training patients, at least 2.
        repeats: how often patients are dealt out anew.
        jobs: see `run_grid`.
        notify: see `run_grid`.

    Raises:
        UsageError: there is nothing to choose from, or a candidate holds rows out already.
        FedwardError: no candidate could be trained in every fold.
    """
    if not candidates or folds < 2 or repeats < 1:  # noqa: PLR2004  # training and held-out rows
        raise UsageError("choosing needs a candidate, two folds and one repeat at least")
    if any(task.cell.fold or task.cell.held_out for task in candidates):
        raise UsageError("a candidate must not hold out rows of its own")
    tasks = {
        candidate: [_fold(candidate, number, folds, repeat) for repeat in range(repeats) for number in range(folds)]
        for candidate in candidates
    }
    everything = [task for parts in tasks.values() for task in parts]
    finished = run_grid(everything, cache=cache, jobs=jobs, notify=notify)
    tried = []
    for candidate, parts in tasks.items():
        results = [finished.results.get(part) for part in parts]
        values = tuple(nan if result is None else metric(result.run) for result in results)
        tried.append(Tried(candidate, fmean(values), values))
    judged = [one for one in tried if isfinite(one.value)]
    if not judged:
        finished.check()
        raise UsageError("no candidate has a figure in every fold", hint="Take fewer folds, or another metric.")
    return Choice(max(judged, key=lambda one: one.value).task, tuple(tried))


def _fold(task: Task, number: int, count: int, repeat: int) -> Task:
    seed = (1 + repeat * count + number) * 1_000_003 + task.cell.seed
    return replace(task, cell=replace(task.cell, seed=seed, fold=Fold(number, count, seed=repeat)))
