"""Settings are chosen by cross-validation on training rows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.evaluation.scored import Scored
from fedward_simulations.grid.bench import Bench, Task
from fedward_simulations.grid.cell import Cell, Fold, Variant
from fedward_simulations.grid.choosing import choose, choose_task
from tests.support.grids import STUDY, import_two_sites

VARIANTS = [Variant.of(f"rate {rate:g}", {"training.learning_rate": rate}) for rate in (1e-4, 0.5)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return import_two_sites(tmp_path_factory.mktemp("data"))


def likelihood(run: Mapping[str, Scored]) -> float:
    told = [scored.scores[np.arange(scored.rows), scored.labels] for scored in run.values()]
    return float(np.log(np.concatenate(told)).mean())


def test_the_variant_that_learns_more_is_chosen_and_nothing_is_trained_twice(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    rows: list[int] = []

    def metric(run: Mapping[str, Scored]) -> float:
        rows.append(sum(scored.rows for scored in run.values()))
        return likelihood(run)

    found = choose(STUDY, folders, VARIANTS, metric=metric, cache=tmp_path, folds=3, jobs=1)
    assert found.variant == VARIANTS[1]
    assert [one.task.cell.variant for one in found.tried] == VARIANTS
    assert all(one.value == pytest.approx(np.mean(one.folds)) and len(one.folds) == 3 for one in found.tried)
    assert rows == rows[:3] * 2
    assert sum(rows[:3]) == 75 + 50, "all training rows once, and no test row"
    kept = len(list(tmp_path.rglob("result.json")))
    assert choose(STUDY, folders, VARIANTS, metric=metric, cache=tmp_path, folds=3, jobs=1) == found
    assert len(list(tmp_path.rglob("result.json"))) == kept == 6


def test_of_equally_good_ones_the_first_is_taken(folders: dict[str, Path], tmp_path: Path) -> None:
    found = choose(STUDY, folders, VARIANTS, metric=lambda _: 0.5, cache=tmp_path, folds=2, jobs=1)
    assert found.variant == VARIANTS[0]


def test_candidates_may_differ_in_anything_but_the_rows_that_they_hold_out(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    bench = Bench.of(STUDY, folders)
    tasks = [Task(bench, Cell(method)) for method in ("centralised", "logistic_regression")]
    found = choose_task(tasks, metric=likelihood, cache=tmp_path, folds=2, repeats=2, jobs=1)
    assert all(len(one.folds) == 4 for one in found.tried)
    for wrong in (Cell("federated", held_out="north"), Cell("federated", fold=Fold(0))):
        with pytest.raises(UsageError, match="hold out"):
            choose_task([Task(bench, wrong)], metric=likelihood, cache=tmp_path)
    with pytest.raises(UsageError, match="a candidate"):
        choose_task([], metric=likelihood, cache=tmp_path)


def test_a_candidate_that_cannot_be_trained_loses(folders: dict[str, Path], tmp_path: Path) -> None:
    wild = Variant.of("wild", {"limits.max_weight": 1e-4})
    choice = choose(STUDY, folders, [wild, VARIANTS[1]], metric=likelihood, cache=tmp_path, folds=2, jobs=1)
    assert choice.variant == VARIANTS[1]
    assert [np.isfinite(tried.value) for tried in choice.tried] == [False, True]


def test_where_no_candidate_can_be_trained_the_reason_is_told(folders: dict[str, Path], tmp_path: Path) -> None:
    wild = Variant.of("wild", {"limits.max_weight": 1e-4})
    with pytest.raises(FedwardError, match=r"2 of 2 cells failed"):
        choose(STUDY, folders, [wild], metric=likelihood, cache=tmp_path, folds=2, jobs=1)
