"""What a grid trains is what the whole product trains: the same bits, for every strategy, with and without privacy."""

import tomllib
from math import inf
from pathlib import Path

import numpy as np
import pytest
import tomlkit

from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.errors import StudyFailedError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.strategies import STRATEGIES
from fedward_simulations.grid.bench import FEDERATION, Bench, Task, studies_of
from fedward_simulations.grid.cell import Cell
from fedward_simulations.grid.engine import federate
from fedward_simulations.grid.opened import open_data
from fedward_simulations.grid.work import train
from fedward_simulations.inline import run_inline
from fedward_simulations.scores import read_scores
from tests.support.grids import STUDY, import_two_sites


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return import_two_sites(tmp_path_factory.mktemp("data"))


def averaging(last: int) -> bytes:
    """The study with other rounds, and the last models averaged."""
    document = tomllib.loads(STUDY.decode())
    document["strategy"].update(rounds=4, average_last=last)
    document["training"]["deterministic"] = True
    return tomlkit.dumps(document).encode()


@pytest.mark.parametrize("epsilon", [inf, 3.0])
@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_gives_the_model_and_scores_of_the_whole_product_to_the_bit(
    strategy: str, epsilon: float, folders: dict[str, Path], tmp_path: Path
) -> None:
    cell = Cell("federated", seed=5, strategy=strategy, epsilon=epsilon)
    task = Task(Bench.of(averaging(3), folders), cell)
    manifest = studies_of(task.bench, cell)[FEDERATION]
    assert load(manifest).strategy.name == strategy
    whole = run_inline(manifest, folders, seed=5, reports=tmp_path / "reports")
    with open_data(tmp_path) as data:
        data.add(load(manifest), folders.values(), None)
        ours = train(task, {FEDERATION: manifest}, data)
    assert ours.model.keys() == whole.conclusion.model.keys()
    for name, values in whole.conclusion.model.items():
        assert np.array_equal(ours.model[name], values)
    for site, told in whole.sites.items():
        theirs = read_scores(told.report)
        mine = ours.run[site].scores
        assert np.array_equal(mine[:, 1] if theirs.scores.ndim == 1 else mine, theirs.scores)
        assert np.array_equal(ours.run[site].labels, theirs.labels)
        if epsilon < inf:
            assert ours.spent[site] == told.epsilon
        else:
            assert not ours.spent


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("limits", "max_weight", 1e-3), "an update of north would not count"),
        (("strategy", "options", {"eta": 1e6}), "round 1 gave a model that no site would accept"),
    ],
)
def test_what_would_end_the_product_ends_it_here(
    change: tuple[str, str, object], told: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    table, key, value = change
    document = tomllib.loads(STUDY.decode())
    document["strategy"]["name"] = "fedadam"
    document[table][key] = value
    bench = Bench.of(tomlkit.dumps(document).encode(), folders)
    manifest = studies_of(bench, Cell("federated"))[FEDERATION]
    study = load(manifest)
    parts = {site: open_data_set(folder, study.data).train for site, folder in folders.items()}
    with pytest.raises(StudyFailedError, match=told):
        federate(study, parts, seed=0)
    with pytest.raises(StudyFailedError):
        run_inline(manifest, folders, seed=0, reports=tmp_path)
