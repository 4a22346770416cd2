"""A finished cell is never trained again, a changed one always is, and one that fails takes no other with it."""

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
import tomlkit

from fedward_shared.errors import FedwardError, UsageError
from fedward_simulations.grid import code
from fedward_simulations.grid.bench import Bench, Task, studies_of
from fedward_simulations.grid.cell import BASELINES, TRAINED, Cell, Variant
from fedward_simulations.grid.running import Finished, State, run_grid
from fedward_simulations.grid.store import key_of
from tests.support.grids import SITES, STUDY, import_two_sites

PLAIN = Cell("federated")
HARMLESS = {"errors.py", "files.py"}
"""Of what training loads: what cannot change a result."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return import_two_sites(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory, folders: dict[str, Path]) -> Path:
    """A cache that holds `PLAIN`."""
    folder = tmp_path_factory.mktemp("cache")
    run_grid([Task(Bench.of(STUDY, folders), PLAIN)], cache=folder, jobs=1).check()
    return folder


def trained(tasks: list[Task], cache: Path) -> tuple[Finished, int]:
    """What came out, and how many cells were trained for it."""
    states: list[State] = []
    finished = run_grid(tasks, cache=cache, jobs=1, notify=states.append)
    return finished, states[-1].finished - states[-1].reused


def test_every_method_scores_the_test_rows_of_every_site(folders: dict[str, Path], cache: Path) -> None:
    bench = Bench.of(STUDY, folders)
    tasks = [Task(bench, Cell(method)) for method in (*TRAINED, *BASELINES)]
    tasks.append(Task(bench, Cell("local", epsilon=3.0)))
    finished, _ = trained(tasks, cache)
    finished.check()
    reference = finished.results[tasks[0]].run
    assert {site: scored.rows for site, scored in reference.items()} == {"north": 15, "south": 10}
    for task in tasks:
        result = finished.results[task]
        for site, scored in result.run.items():
            assert np.array_equal(scored.labels, reference[site].labels)
            assert scored.scores.sum(axis=1) == pytest.approx(1)
            assert scored.scores.std() > 0
        assert set(result.spent) == (set(SITES) if task.cell.private else set())
        assert all(0 < value <= 3 for value in result.spent.values())
        assert bool(result.model) == (task.cell.method in {"federated", "centralised"})


def test_a_finished_cell_is_not_trained_again(folders: dict[str, Path], cache: Path) -> None:
    task = Task(Bench.of(STUDY, folders), PLAIN)
    first, _ = trained([task], cache)
    second, count = trained([task, task], cache)
    assert count == 0
    assert np.array_equal(first.results[task].run["north"].scores, second.results[task].run["north"].scores)


def test_a_comment_changes_the_study_and_a_study_that_comes_to_the_same_does_not(
    folders: dict[str, Path], cache: Path
) -> None:
    same = Task(Bench.of(b"# a remark\n" + STUDY, folders), PLAIN)
    assert trained([same], cache)[1] == 0
    spelled_out = Task(Bench.of(STUDY, folders), replace(PLAIN, strategy="fedavg"))
    assert trained([spelled_out], cache)[1] == 0, "fedavg is the study's own strategy"


CHANGES: dict[str, Callable[[Task], Task]] = {
    "seed": lambda task: replace(task, cell=replace(task.cell, seed=1)),
    "method": lambda task: replace(task, cell=replace(task.cell, method="centralised")),
    "epsilon": lambda task: replace(task, cell=replace(task.cell, epsilon=2.0)),
    "strategy": lambda task: replace(task, cell=replace(task.cell, strategy="fedadam")),
    "held out": lambda task: replace(task, cell=replace(task.cell, held_out="south")),
    "variant": lambda task: replace(
        task, cell=replace(task.cell, variant=Variant.of("fast", {"training.learning_rate": 1.0}))
    ),
    "study": lambda task: replace(
        task, bench=replace(task.bench, study=task.bench.study.replace(b"rounds = 3", b"rounds = 4"))
    ),
}


@pytest.mark.parametrize("change", list(CHANGES))
def test_a_changed_cell_is_trained(change: str, folders: dict[str, Path], cache: Path, tmp_path: Path) -> None:
    task = Task(Bench.of(STUDY, folders), PLAIN)
    (kept,) = cache.rglob(key_of(task, studies_of(task.bench, task.cell)))
    shutil.copytree(kept, tmp_path / kept.relative_to(cache))
    finished, count = trained([task, CHANGES[change](task)], tmp_path)
    finished.check()
    assert count == 1


def test_other_data_are_trained_on(cache: Path, tmp_path: Path) -> None:
    assert trained([Task(Bench.of(STUDY, import_two_sites(tmp_path, shift=1)), PLAIN)], cache)[1] == 1


def test_changed_code_trains_again(folders: dict[str, Path], cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(code, "_LIBRARIES", ("numpy",))
    code.code_digest.cache_clear()
    try:
        assert trained([Task(Bench.of(STUDY, folders), PLAIN)], cache)[1] == 1
    finally:
        code.code_digest.cache_clear()


@pytest.mark.parametrize("name", ["result.json", "scores.npz", "model.safetensors"])
@pytest.mark.parametrize("damage", ["cut", "changed", "removed"])
def test_a_damaged_result_is_told_and_trained_again(
    name: str, damage: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    task = Task(Bench.of(STUDY, folders), PLAIN)
    before, _ = trained([task], tmp_path)
    (file,) = tmp_path.rglob(name)
    content = file.read_bytes()
    file.unlink()
    if damage != "removed":
        file.write_bytes(content[: len(content) // 2] if damage == "cut" else content[:-9] + b"?" + content[-8:])
    states: list[State] = []
    after = run_grid([task], cache=tmp_path, jobs=1, notify=states.append)
    assert (states[-1].redone, states[-1].reused, states[-1].finished) == (1, 0, 1)
    assert np.array_equal(after.results[task].model["linear.bias"], before.results[task].model["linear.bias"])


def test_half_written_results_of_killed_runs_are_removed_and_fresh_ones_are_not(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    old, fresh = (tmp_path / "cells" / "ab" / f".cell-{name}" for name in ("old", "fresh"))
    for place in (old, fresh):
        place.mkdir(parents=True)
        (place / "scores.npz").write_bytes(b"half")
    os.utime(old, (0, 0))
    trained([Task(Bench.of(STUDY, folders), PLAIN)], tmp_path)
    assert not old.exists()
    assert fresh.exists()


def test_a_cell_that_fails_is_named_and_the_others_go_on(folders: dict[str, Path], tmp_path: Path) -> None:
    bench = Bench.of(STUDY, folders)
    wild = Task(bench, Cell("federated", variant=Variant.of("wild", {"limits.max_weight": 1e-4})))
    fine = Task(bench, PLAIN)
    finished, count = trained([wild, fine], tmp_path)
    assert set(finished.results) == {fine}
    assert count == 1
    with pytest.raises(FedwardError, match=r"1 of 2 cells failed\n  federated, wild, seed 0: an update of north"):
        finished.check()
    assert not list(tmp_path.glob("open-*"))
    assert not list(tmp_path.rglob(".cell-*"))


def test_an_unexpected_error_tells_where_and_no_value(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Mrs Smith, 54")

    monkeypatch.setattr("fedward_simulations.grid.work.train", broken)
    task = Task(Bench.of(STUDY, folders), PLAIN)
    (problem,) = run_grid([task], cache=tmp_path, jobs=1).failures.values()
    assert problem.startswith("ValueError (test_running.py, line")
    assert "Smith" not in problem


def test_what_does_not_fit_is_told_before_anything_is_trained(folders: dict[str, Path], tmp_path: Path) -> None:
    bench = Bench.of(STUDY, folders)
    for cell, told in (
        (Cell("federated", strategy="fedmagic"), "no strategy 'fedmagic'"),
        (Cell("federated", held_out="west"), "no site west"),
        (Cell("federated", variant=Variant.of("more", {"data.split": "x"})), "which rows there are"),
        (Cell("federated", variant=Variant.of("deep", {"strategy.name.x": 1})), "no table"),
    ):
        with pytest.raises(UsageError, match=told):
            run_grid([Task(bench, PLAIN), Task(bench, cell)], cache=tmp_path, jobs=1)
    assert not list(tmp_path.rglob("result.json"))


def test_a_study_without_test_rows_can_only_leave_one_out(folders: dict[str, Path], tmp_path: Path) -> None:
    document = tomllib.loads(STUDY.decode())
    del document["data"]["split"]
    study = tomlkit.dumps(document).encode()
    bench = Bench.of(study, import_under(study, tmp_path))
    finished, _ = trained([Task(bench, PLAIN), Task(bench, replace(PLAIN, held_out="south"))], tmp_path / "cache")
    assert "no rows are held out for testing" in finished.failures[Task(bench, PLAIN)]
    (result,) = finished.results.values()
    assert {site: scored.rows for site, scored in result.run.items()} == {"south": SITES["south"]}


def import_under(study: bytes, folder: Path) -> dict[str, Path]:
    """The two sites' tables under another contract."""
    return import_two_sites(folder, study=study)


def test_one_site_is_left_out_of_training_and_judged_on_all_its_rows(folders: dict[str, Path], cache: Path) -> None:
    bench = Bench.of(STUDY, folders)
    for method in ("federated", "centralised", "logistic_regression"):
        finished, _ = trained([Task(bench, Cell(method, held_out="north"))], cache)
        (result,) = finished.results.values()
        assert {site: scored.rows for site, scored in result.run.items()} == {"north": SITES["north"]}
    private = Task(bench, Cell("federated", held_out="north", epsilon=2.0))
    assert set(trained([private], cache)[0].results[private].spent) == {"south"}


def test_methods_and_parts_that_do_not_go_together() -> None:
    for wrong in (
        {"method": "gossip"},
        {"method": "federated", "epsilon": 0.0},
        {"method": "gradient_boosting", "epsilon": 3.0},
        {"method": "local", "held_out": "north"},
    ):
        with pytest.raises(UsageError):
            Cell(**wrong)


def test_infinity_is_training_without_privacy() -> None:
    assert not Cell("federated", epsilon=inf).private
    assert Cell("federated", epsilon=3.0).private


def test_in_processes_of_their_own_results_have_the_same_bits(
    folders: dict[str, Path], cache: Path, tmp_path: Path
) -> None:
    bench = Bench.of(STUDY, folders)
    tasks = [Task(bench, Cell("federated", epsilon=3.0)), Task(bench, Cell("gradient_boosting"))]
    apart = run_grid(tasks, cache=tmp_path, jobs=2)
    apart.check()
    together, _ = trained(tasks, cache)
    for task in tasks:
        for site in SITES:
            assert np.array_equal(apart.results[task].run[site].scores, together.results[task].run[site].scores)


_TRAIN = """
import sys
from math import inf
from pathlib import Path
from fedward_shared.manifest.parse import load
from fedward_simulations.grid.bench import Bench, Task, studies_of
from fedward_simulations.grid.cell import Cell
from fedward_simulations.grid.opened import OpenData
from fedward_simulations.grid.work import train

folder = Path(sys.argv[1])
bench = Bench.of((folder / "study.toml").read_bytes(), {site: folder / site for site in ("north", "south")})
data = OpenData(folder / "open")
data.folder.mkdir()
for cell in (Cell("federated", epsilon=3.0), Cell("federated"), Cell("gradient_boosting")):
    manifests = studies_of(bench, cell)
    data.add(load(next(iter(manifests.values()))), dict(bench.folders).values(), None)
    train(Task(bench, cell), manifests, data)
for name, module in sys.modules.items():
    if name.startswith("fedward") and module.__file__:
        print(module.__file__)
"""


def test_the_digest_covers_every_module_of_ours_that_training_loads(tmp_path: Path) -> None:
    """Otherwise a change there would be answered with a stale result."""
    import_two_sites(tmp_path)
    (tmp_path / "study.toml").write_bytes(STUDY)
    told = subprocess.run([sys.executable, "-c", _TRAIN, str(tmp_path)], capture_output=True, text=True, check=True)
    loaded = {Path(line) for line in told.stdout.splitlines()}
    missing = {file.name for file in loaded - set(code.source_files()) if file.name != "__init__.py"}
    assert missing == HARMLESS
