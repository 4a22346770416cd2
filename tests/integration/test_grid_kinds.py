"""A grid trains what the product trains, whatever a study predicts and whatever its model sees."""

import hashlib
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tomlkit
from safetensors.numpy import save

from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_shared.errors import UsageError
from fedward_shared.manifest.parse import load
from fedward_simulations.baselines import at_epsilon, published_terms, terms_of
from fedward_simulations.generate.command import Request, generate
from fedward_simulations.grid.bench import FEDERATION, Bench, Task, studies_of
from fedward_simulations.grid.cell import BASELINES, TRAINED, Cell, Fold, Variant
from fedward_simulations.grid.comparing import compared
from fedward_simulations.grid.plan import Asked, planned
from fedward_simulations.grid.running import run_grid
from fedward_simulations.importing import import_into
from fedward_simulations.inline import run_inline
from fedward_simulations.model_files import ModelFiles
from fedward_simulations.report.clinical import clinical_page
from fedward_simulations.scores import read_scores
from tests.support.frozen import SCATTERING, frozen_study, write_pictures
from tests.support.grids import STUDY, import_two_sites

SITES = ("north", "south")


def same_as_the_product(task: Task, cache: Path, reports: Path) -> None:
    """Whether a federated cell's scores are those in the sites' own reports."""
    (result,) = run_grid([task], cache=cache, jobs=1).results.values()
    manifest = studies_of(task.bench, task.cell)[FEDERATION]
    whole = run_inline(manifest, dict(task.bench.folders), seed=task.cell.seed, reports=reports, files=task.bench.files)
    groups = [group.name for group in load(manifest).evaluation.subgroups]
    for name, values in whole.conclusion.model.items():
        assert np.array_equal(result.model[name], values)
    for site, told in whole.sites.items():
        theirs, mine = read_scores(told.report, groups), result.run[site]
        assert np.array_equal(mine.scores, theirs.scores)
        assert np.array_equal(mine.labels, theirs.labels)
        assert np.array_equal(mine.units, theirs.units)
        assert mine.groups.keys() == theirs.groups.keys() == set(groups)
        assert all(np.array_equal(mine.groups[name], theirs.groups[name]) for name in groups)


def test_survival(tmp_path: Path) -> None:
    generate(Request(kind="survival", out=tmp_path / "made", sites=SITES, patients=150, seed=3))
    study = (tmp_path / "made" / "study.toml").read_bytes()
    for site in SITES:
        exported = tmp_path / "made" / site
        order = ImportOrder(study, load_mapping(exported / "mapping.toml"), exported, site)
        import_into(tmp_path / "data", site, partial(import_here, order))
    bench = Bench.of(study, {site: tmp_path / "data" / site for site in SITES})
    same_as_the_product(Task(bench, Cell("federated", epsilon=3.0, seed=2)), tmp_path / "cache", tmp_path / "reports")
    ways = planned(Asked((*TRAINED, *BASELINES, "leave_one_out")), SITES)
    tasks = [Task(bench, cell) for way in ways for cells in way.cells for cell in cells]
    finished = run_grid([*tasks, Task(bench, Cell("federated", fold=Fold(1)))], cache=tmp_path / "cache", jobs=1)
    finished.check()
    columns = {scored.scores.shape[1] for result in finished.results.values() for scored in result.run.values()}
    assert len(columns) == 1, "every method tells the risk at the ends of the same intervals"
    for result in finished.results.values():
        for scored in result.run.values():
            assert (np.diff(scored.scores, axis=1) >= 0).all()
    page = clinical_page(compared(bench, ways, finished.results))
    assert "Gradient boosting, all rows in one place" in page


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for seed, site in enumerate(SITES):
        write_pictures(folder / site, frozen_study(), seed=seed)
    return {site: folder / site for site in SITES}


def test_frozen_features_of_pictures(pictures: dict[str, Path], tmp_path: Path) -> None:
    bench = Bench.of(frozen_study().encode(), pictures)
    same_as_the_product(Task(bench, Cell("federated", epsilon=3.0)), tmp_path, tmp_path / "reports")
    tasks = [Task(bench, Cell(method)) for method in (*BASELINES, "local", "centralised")]
    finished = run_grid(tasks, cache=tmp_path, jobs=1)
    finished.check()
    without = Task(Bench.of(frozen_study("").encode(), pictures), Cell("logistic_regression"))
    pixels = run_grid([without], cache=tmp_path, jobs=1).results[without].run["north"].scores
    assert not np.array_equal(pixels, finished.results[tasks[0]].run["north"].scores), "baselines see the features"


def test_given_weights_start_every_method_that_trains_the_studys_model(
    pictures: dict[str, Path], tmp_path: Path
) -> None:
    study = load(studies_of(Bench.of(frozen_study().encode(), pictures), Cell("federated"))[FEDERATION])
    assert study.resolved is not None
    start = save({spec.name: np.full(spec.shape, 0.5, np.float32) for spec in study.resolved.tensors})
    file = tmp_path / "start.safetensors"
    file.write_bytes(start)
    table = f'[model.start]\nsha256 = "{hashlib.sha256(start).hexdigest()}"\nsource = "made up"\nlicence = "none"\n\n'
    bench = Bench.of(frozen_study(table + SCATTERING).encode(), pictures, files=ModelFiles(start=file))
    same_as_the_product(Task(bench, Cell("federated", epsilon=3.0)), tmp_path / "cache", tmp_path / "reports")
    still = Variant.of("still", {"training.learning_rate": 1e-9})
    tasks = [Task(bench, Cell(method, variant=still)) for method in ("federated", "centralised")]
    finished = run_grid(tasks, cache=tmp_path / "cache", jobs=1)
    finished.check()
    for result in finished.results.values():
        assert all(values == pytest.approx(0.5, abs=1e-6) for values in result.model.values())
    absent = Task(Bench.of(bench.study, pictures), Cell("federated"))
    assert "no file was given" in run_grid([absent], cache=tmp_path / "cache", jobs=1).failures[absent]


def test_declared_subgroups(tmp_path: Path) -> None:
    group = b'\n[[evaluation.subgroups]]\nname = "old"\ncolumn = "age"\nrange = [60, 110]\n'
    bench = Bench.of(STUDY + group, import_two_sites(tmp_path / "data"))
    same_as_the_product(Task(bench, Cell("federated", seed=1)), tmp_path / "cache", tmp_path / "reports")
    left = Task(bench, Cell("centralised", held_out="south"))
    (result,) = run_grid([left], cache=tmp_path / "cache", jobs=1).results.values()
    inside = result.run["south"].groups["old"]
    assert 0 < inside.sum() < len(inside)


def test_data_of_another_contract_are_told(tmp_path: Path) -> None:
    folders = import_two_sites(tmp_path / "data")
    document = tomllib.loads(STUDY.decode())
    document["data"]["columns"]["age"]["centre"] = 50
    bench = Bench.of(published_terms(at_epsilon(terms_of(tomlkit.dumps(document).encode()), 3.0)), folders)
    with pytest.raises(UsageError, match="another data contract"):
        run_grid([Task(bench, Cell("federated"))], cache=tmp_path / "cache", jobs=1)
