"""Folds are made of training patients: every patient once, classes evenly, and no test row anywhere."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fedward_client.vault.training.dataset import Part
from fedward_shared.contracts.cohort import DataContract, DataKind, FollowUp, Label
from fedward_shared.manifest.parse import load
from fedward_simulations.grid.bench import Bench, Task, studies_of
from fedward_simulations.grid.cell import Cell, Fold
from fedward_simulations.grid.opened import OpenData, open_data
from fedward_simulations.grid.rows import chosen, fold_of, joined, rows_of
from tests.support.grids import STUDY, import_two_sites

CLASSES = DataContract(kind=DataKind.TENSOR, label=Label("y", (("0",), ("1",)), ("no", "yes")), shape=(1,))
SURVIVAL = DataContract(
    kind=DataKind.TENSOR,
    label=Label("y", (("0",), ("1",)), ("no", "yes"), follow_up=FollowUp("time", "days", 100.0)),
    shape=(1,),
)


def part(labels: list[int], units: list[int]) -> Part:
    rows = np.arange(len(labels), dtype=np.int64)
    return Part(
        records=rows[:, None].astype(np.float32),
        labels=np.array(labels, dtype=np.int64),
        units=np.array(units, dtype=np.int64),
        count=max(units) + 1,
        rows=rows,
        groups={"odd": rows % 2 == 1},
    )


def test_folds_hold_equally_many_of_each_class_and_all_rows_of_a_patient() -> None:
    labels = [0] * 60 + [1] * 25
    made = fold_of(part(labels, list(range(85))), CLASSES, Fold(0, 5), 0)
    for number in range(5):
        inside = made == number
        assert (inside[:60].sum(), inside[60:].sum()) == (12, 5)
    twice = part([0, 0, 1, 0], [0, 1, 1, 2])
    assert len(fold_of(twice, CLASSES, Fold(0, 2), 0)) == 3


def test_survival_is_stratified_by_the_event_and_not_by_time() -> None:
    labels = [2 * tick for tick in range(40)] + [2 * tick + 1 for tick in range(20)]
    made = fold_of(part(labels, list(range(60))), SURVIVAL, Fold(0, 4), 0)
    for number in range(4):
        assert ((made == number)[:40].sum(), (made == number)[40:].sum()) == (10, 5)


def test_folds_follow_from_the_seed_and_the_site_and_from_no_method() -> None:
    one = part([0, 1] * 30, list(range(60)))
    same = [fold_of(one, CLASSES, Fold(number, 5, seed=1), 0) for number in range(5)]
    assert all(np.array_equal(same[0], other) for other in same)
    assert not np.array_equal(same[0], fold_of(one, CLASSES, Fold(0, 5, seed=2), 0))
    assert not np.array_equal(same[0], fold_of(one, CLASSES, Fold(0, 5, seed=1), 1))


def test_chosen_patients_keep_their_rows_and_are_numbered_anew() -> None:
    some = chosen(part([0, 1, 0, 1, 1], [0, 1, 1, 2, 0]), np.array([True, False, True]))
    assert some.records[:, 0].tolist() == [0, 3, 4]
    assert (some.units.tolist(), some.count) == ([0, 1, 0], 2)
    assert some.labels.tolist() == [0, 1, 1]
    assert some.groups["odd"].tolist() == [False, True, False]


def test_patients_of_different_parts_stay_apart() -> None:
    both = joined([part([0, 1], [0, 1]), part([1, 1, 0], [0, 0, 1])])
    assert (both.units.tolist(), both.count) == ([0, 1, 2, 2, 3], 4)
    assert both.labels.tolist() == [0, 1, 1, 1, 0]
    assert both.groups["odd"].tolist() == [False, True, False, True, False]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Bench, OpenData]]:
    bench = Bench.of(STUDY, import_two_sites(tmp_path))
    study = load(studies_of(bench, Cell("federated"))[""])
    with open_data(tmp_path) as data:
        data.add(study, dict(bench.folders).values(), None)
        yield bench, data


def test_a_fold_never_opens_test_rows(opened: tuple[Bench, OpenData]) -> None:
    bench, data = opened
    study = load(studies_of(bench, Cell("federated"))[""])
    training = {site: data.training(study, folder) for site, folder in bench.folders}
    for folder in data.folder.glob("*/test"):
        for file in folder.iterdir():
            file.unlink()
    seen: dict[str, list[int]] = {site: [] for site in bench.sites}
    for number in range(5):
        rows = rows_of(Task(bench, Cell("federated", fold=Fold(number))), study, data)
        for site, whole in training.items():
            held, kept = rows.judged[site].rows, rows.training[site].rows
            assert not set(held) & set(kept)
            assert set(held) | set(kept) == set(whole.rows)
            seen[site] += held.tolist()
    for site, whole in training.items():
        assert sorted(seen[site]) == sorted(whole.rows), "every training row is judged once"


def test_writing_into_open_data_changes_nobody_elses(opened: tuple[Bench, OpenData]) -> None:
    bench, data = opened
    study = load(studies_of(bench, Cell("federated"))[""])
    folder = dict(bench.folders)["north"]
    mine = data.training(study, folder)
    mine.records[:] = 0
    assert data.training(study, folder).records.any()


def test_what_a_killed_run_left_is_removed_and_what_another_uses_is_not(tmp_path: Path) -> None:
    (tmp_path / "open-1-dead").mkdir()
    with open_data(tmp_path) as first, open_data(tmp_path) as second:
        assert not (tmp_path / "open-1-dead").exists()
        assert first.folder.exists()
        assert second.folder.exists()
    assert not list(tmp_path.glob("open-*"))
