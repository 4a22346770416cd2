"""Runs one quality case: imports, the inner choice on training rows, then every method once on the rows that judge.

The choice never sees a row that judges it: `FEDERATED` cross-validates within the training rows of its own seed (five
folds, by patient, class and site), `LEFT_OUT` leaves another hospital out of those that train. Methods without privacy
take what was chosen at ε = ∞. What choosing costs in privacy is not accounted: a real study declares constants that
were found elsewhere, and `Case.chosen` says so.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from pathlib import Path

import numpy as np

import fedward_client
from benchmarks.quality_cases import FEDERATED, LEFT_OUT, Case, Variant
from fedward_shared.errors import UsageError
from fedward_shared.evaluation.scored import Scored
from fedward_shared.manifest.contract import contract_digest
from fedward_shared.manifest.resolve import load_draft
from fedward_simulations.baselines import published_terms, terms_of, without_site
from fedward_simulations.grid.bench import Bench, Task
from fedward_simulations.grid.cell import Cell, Fold
from fedward_simulations.grid.result import Result
from fedward_simulations.grid.running import State, run_grid

__all__ = ["Asked", "CaseRun", "Told", "best", "trial_seed"]

FOLDS = 5
_TOLERANCE = 0.002

Notify = Callable[[str, State], None]
Scores = Mapping[str, Scored]


@dataclass(frozen=True, slots=True)
class Asked:
    """One row of the table. `left_out` is the site that is left out (`LEFT_OUT` only)."""

    method: str
    epsilon: float
    seed: int
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it: scores by site, the variant and what each one reached while choosing (empty: no choice).

    `spent` is the largest ε of any site, None without privacy; `seconds` what training took on one core.
    """

    asked: Asked
    run: Scores
    variant: Variant
    tried: Mapping[str, float]
    spent: float | None
    seconds: float


class CaseRun:
    """One case on one machine.

    Args:
        case: what is run.
        data: the folder of `--data`.
        cache: where imports and finished cells are kept; a second run trains nothing.
        seeds: instead of the case's own.
        jobs: processes; None: one a core.
        notify: told of progress.
    """

    def __init__(
        self, case: Case, data: Path, cache: Path, *, seeds: Sequence[int], jobs: int | None, notify: Notify
    ) -> None:
        self._case = case
        self._data = data
        self._cache = cache
        self._seeds = seeds
        self._jobs = jobs
        self._notify = notify
        self._folders: dict[int, Mapping[str, Path]] = {}

    def there(self) -> bool:
        """Makes the imports, or finds them; False where the data are not there."""
        return all(self._imported(seed if self._case.splits else 0) for seed in self._seeds)

    def rows(self) -> list[Told]:
        """Every row of the case, after `there`; method by method.

        Raises:
            FedwardError: a cell failed.
        """
        asked = self._asked()
        choices = self._choices(asked)
        tasks = {one: self._final(one, choices[one][0]) for one in asked}
        results = self._grid("training", list(tasks.values()))
        return [self._told(one, results[tasks[one]], *choices[one]) for one in asked]

    def _asked(self) -> list[Asked]:
        case, found = self._case, []
        for method in (*case.baselines, *case.methods):
            private = method in (FEDERATED, LEFT_OUT)
            for epsilon in case.epsilons if private else (inf,):
                sites = self._sites if method == LEFT_OUT else ("",)
                found += [Asked(method, epsilon, seed, site) for site in sites for seed in self._seeds]
        return found

    @cached_property
    def _sites(self) -> tuple[str, ...]:
        return load_draft(self._case.variants(inf)[0].study.encode()).site_names

    def _choices(self, asked: Sequence[Asked]) -> dict[Asked, tuple[Variant, Mapping[str, float]]]:
        """The variant of each row, and what each one reached."""
        keys = {one: _choice_of(one) for one in asked}
        tasks = {
            key: {variant: self._trials(key, variant) for variant in self._case.variants(key.epsilon)}
            for key in dict.fromkeys(keys.values())
            if len(self._case.variants(key.epsilon)) > 1
        }
        trained = [task for tried in tasks.values() for trials in tried.values() for task in trials]
        results = self._grid("choosing", trained, all_needed=False)
        made: dict[Asked, tuple[Variant, Mapping[str, float]]] = {}
        for key in keys.values():
            if key not in tasks:
                made[key] = (self._case.variants(key.epsilon)[0], {})
            elif key not in made:
                tried = {
                    variant: float(np.mean([self._reached(results.get(task)) for task in trials]))
                    for variant, trials in tasks[key].items()
                }
                made[key] = (
                    best(tried),
                    {variant.name: round(value, 4) for variant, value in tried.items() if np.isfinite(value)},
                )
        return {one: made[key] for one, key in keys.items()}

    def _trials(self, key: Asked, variant: Variant) -> list[Task]:
        """What is trained on training rows to judge a variant."""
        bench = self._bench(variant, key.seed)
        if key.method == LEFT_OUT:
            others = _without(bench, key.left_out)
            return [
                Task(others, Cell(FEDERATED, seed=trial_seed(key.seed, number), epsilon=key.epsilon, held_out=site))
                for number, site in enumerate(others.sites)
            ]
        return [
            Task(
                bench,
                Cell(
                    FEDERATED,
                    seed=trial_seed(key.seed, number),
                    epsilon=key.epsilon,
                    fold=Fold(number, FOLDS, key.seed),
                ),
            )
            for number in range(FOLDS)
        ]

    def _final(self, one: Asked, variant: Variant) -> Task:
        method = FEDERATED if one.method == LEFT_OUT else one.method
        cell = Cell(method, seed=one.seed, epsilon=one.epsilon, held_out=one.left_out)
        return Task(self._bench(variant, one.seed), cell)

    def _told(self, one: Asked, result: Result, variant: Variant, tried: Mapping[str, float]) -> Told:
        return Told(one, result.run, variant, tried, max(result.spent.values(), default=None), result.seconds)

    def _reached(self, result: Result | None) -> float:
        """What a trial reached; NaN where it failed, such as by diverging: its variant then loses."""
        return float("nan") if result is None else self._headline(result.run)

    def _headline(self, run: Scores) -> float:
        return self._case.figures[self._case.headline](run)

    def _grid(self, what: str, tasks: Sequence[Task], *, all_needed: bool = True) -> Mapping[Task, Result]:
        if not tasks:
            return {}

        def notify(state: State) -> None:
            self._notify(f"{self._case.name}: {what}", state)

        finished = run_grid(tasks, cache=self._cache / "cells", jobs=self._jobs, notify=notify)
        if all_needed:
            finished.check()
        return finished.results

    def _bench(self, variant: Variant, seed: int) -> Bench:
        folders = self._imported(seed if self._case.splits else 0)
        if folders is None:
            raise UsageError(f"the data of {self._case.name} are not there")
        return Bench.of(variant.study.encode(), folders)

    def _imported(self, seed: int) -> Mapping[str, Path] | None:
        """The imports of a seed: kept ones, or made now, all or none."""
        if seed not in self._folders:
            place = self._cache / "imports" / f"{self._case.name}-{self._version}" / str(seed)
            if not place.exists() and not self._make(place, seed):
                return None
            self._folders[seed] = {site: place / site for site in self._sites}
        return self._folders[seed]

    @cached_property
    def _version(self) -> str:
        """Changes with the contract, the files below `--data`, and the code that reads and splits them."""
        digest = hashlib.sha256(contract_digest(load_draft(self._case.variants(inf)[0].study.encode()).data))
        digest.update(str(self._data.resolve()).encode())
        for path in sorted(file for file in self._data.resolve().rglob("*") if file.is_file()):
            told = path.stat()
            digest.update(f"\0{path} {told.st_size} {told.st_mtime_ns}".encode())
        importer = Path(str(fedward_client.__file__)).parent / "importer"
        for path in (*sorted(Path(__file__).parent.glob("quality_*.py")), *sorted(importer.rglob("*.py"))):
            digest.update(b"\0" + path.name.encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:16]

    def _make(self, place: Path, seed: int) -> bool:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".making-") as folder:
            made = self._case.imports(self._data, Path(folder) / "work", seed)
            if made is None:
                return False
            ready = Path(folder) / "ready"
            ready.mkdir()
            for site in self._sites:
                shutil.move(made[site], ready / site)
            ready.rename(place)
        return True


def _choice_of(one: Asked) -> Asked:
    """The row whose choice serves this one, too."""
    return one if one.method in (FEDERATED, LEFT_OUT) else Asked(FEDERATED, inf, one.seed)


def best(tried: Mapping[Variant, float]) -> Variant:
    """The first variant within .002 of the best: they are declared in the order of preference."""
    reached = {variant: value for variant, value in tried.items() if np.isfinite(value)}
    if not reached:
        raise UsageError("no variant could be trained and judged", hint="Look at one alone, with fedward-sim compare.")
    good = max(reached.values()) - _TOLERANCE
    return next(variant for variant, value in reached.items() if value >= good)


def trial_seed(seed: int, number: int) -> int:
    """The seed of a trial's noise: another one for each, and never that of the run that is judged."""
    return (1 + number) * 1_000_003 + seed


def _without(bench: Bench, site: str) -> Bench:
    folders = {name: folder for name, folder in bench.folders if name != site}
    return Bench.of(published_terms(without_site(terms_of(bench.study), site)), folders)
