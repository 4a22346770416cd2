"""The inline engine: the real code, the same arithmetic as by hand, and nobody's ledger touched."""

import csv
import hashlib
import json
import tomllib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tomlkit
from numpy.typing import NDArray

from fedward_client.importer.importing import import_here
from fedward_client.importer.order import ImportOrder
from fedward_client.importer.tensors import write_tensor_set
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.errors import FedwardError, UsageError
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import SampledGaussian
from fedward_simulations.baselines import without_privacy
from fedward_simulations.cli import app
from fedward_simulations.importing import check_site, import_into
from fedward_simulations.inline import run_inline
from fedward_simulations.model_files import ModelFiles
from tests.support.frozen import frozen_study, write_pictures
from tests.support.samples import TWO_SITES

SITES = {"north": 150, "south": 100}


def full_batch(text: str = TWO_SITES) -> bytes:
    """The sample study, with every patient in every step."""
    document = tomllib.loads(text)
    for site in document["sites"].values():
        site["sampling_rate"], site["normaliser"] = 1.0, float(site["size"])
    return tomlkit.dumps(document).encode()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One imported set a site, as `fedward-sim run --data` wants them."""
    folder = tmp_path_factory.mktemp("data")
    rng = np.random.default_rng(0)
    for site, patients in SITES.items():
        file = folder / f"{site}.csv"
        with file.open("w", newline="") as out:
            writer = csv.writer(out)
            writer.writerow(["patient_id", "split", "age", "chest_pain", "disease"])
            for number in range(patients + 30):
                age = int(rng.integers(30, 80))
                ill = int(rng.random() < 1 / (1 + np.exp(-(age - 55) / 8)))
                split = "test" if number % 6 == 0 else "train"
                writer.writerow([f"p{number}", split, age, int(rng.integers(1, 5)), ill])
        order = ImportOrder.of_file(file, TWO_SITES.encode(), site)
        import_into(folder, site, partial(import_here, order))
    return folder


def folders(data: Path) -> dict[str, Path]:
    return {site: data / site for site in SITES}


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def by_hand(manifest: bytes, data: Path) -> NDArray[np.float64]:
    """FedAvg of full-batch logistic regression in float64: weights, then bias."""
    study = load(manifest)
    parts = {site: open_data_set(folder, study.data).train for site, folder in folders(data).items()}
    model = np.zeros(study.data.features + 1)
    models = []
    total = sum(site.size for site in study.sites.values())
    for _ in range(study.strategy.rounds):
        average = np.zeros_like(model)
        for name, part in parts.items():
            inputs = np.c_[part.records.astype(np.float64), np.ones(len(part.labels))]
            local = model.copy()
            for _ in range(study.training.local_steps):
                error = 1 / (1 + np.exp(-inputs @ local)) - part.labels
                local -= study.training.learning_rate * (inputs.T @ error) / len(part.labels)
            average += local * study.sites[name].size / total
        model = average
        models.append(model)
    return np.asarray(np.mean(models[-study.strategy.average_last :], axis=0))


@pytest.mark.parametrize("average_last", [1, 2])
def test_without_privacy_it_is_fedavg_to_the_last_digits(data: Path, tmp_path: Path, average_last: int) -> None:
    document = tomllib.loads(full_batch().decode())
    document["strategy"]["average_last"] = average_last
    for site in document["sites"].values():
        site["normaliser"] = 1000.0  # a minibatch that holds everybody
    manifest = without_privacy(tomlkit.dumps(document).encode())
    run = run_inline(manifest, folders(data), seed=0, reports=tmp_path)
    model = run.conclusion.model
    flat = np.concatenate([model["linear.weight"].ravel(), model["linear.bias"]])
    assert flat == pytest.approx(by_hand(manifest, data), abs=1e-5)


def test_the_same_seed_repeats_to_the_bit_and_another_does_not(data: Path, tmp_path: Path) -> None:
    manifest = published(TWO_SITES.encode())
    models = [
        run_inline(manifest, folders(data), seed=seed, reports=tmp_path / str(place)).conclusion.model["linear.weight"]
        for place, seed in enumerate([7, 7, 8])
    ]
    assert np.array_equal(models[0], models[1])
    assert not np.array_equal(models[0], models[2])


def test_every_site_is_charged_each_round_once_and_its_ledger_says_what_that_costs(data: Path, tmp_path: Path) -> None:
    manifest = published(TWO_SITES.encode())
    run = run_inline(manifest, folders(data), seed=0, reports=tmp_path)
    study, resolved = load(manifest), load(manifest).resolved
    assert resolved is not None
    for name, site in run.sites.items():
        noise, rate = resolved.sites[name].noise_multiplier, study.sites[name].sampling_rate
        steps = study.strategy.rounds * study.training.local_steps
        assert site.charged == study.strategy.rounds
        assert site.epsilon == epsilon([SampledGaussian(noise, rate, steps)], study.privacy.delta)
        assert site.epsilon <= resolved.sites[name].epsilon
    assert [len(attempt.took_part) for attempt in run.conclusion.attempts] == [2] * study.strategy.rounds


def test_without_privacy_the_ledger_shows_infinity(data: Path, tmp_path: Path) -> None:
    run = run_inline(without_privacy(TWO_SITES.encode()), folders(data), seed=0, reports=tmp_path)
    assert {site.epsilon for site in run.sites.values()} == {float("inf")}


def test_the_imported_data_and_their_folders_stay_as_they_are(data: Path, tmp_path: Path) -> None:
    before = contents(data)
    run_inline(published(TWO_SITES.encode()), folders(data), seed=0, reports=tmp_path)
    assert contents(data) == before
    assert not list(tmp_path.rglob("ledger.db"))


def test_an_error_in_training_is_told_at_once(data: Path, tmp_path: Path) -> None:
    broken = tmp_path / "south"
    broken.mkdir()
    (broken / "import.json").write_bytes((data / "south" / "import.json").read_bytes())
    given = {"north": data / "north", "south": broken}
    with pytest.raises(FedwardError, match=r"table-00000\.parquet"):
        run_inline(published(TWO_SITES.encode()), given, seed=0, reports=tmp_path)


def test_data_of_another_contract_are_told_before_the_first_round(data: Path, tmp_path: Path) -> None:
    other = published(full_batch(TWO_SITES.replace("centre = 54", "centre = 55")))
    assert b"centre = 55" in other
    with pytest.raises(UsageError, match="north was imported under another data contract"):
        run_inline(other, folders(data), seed=0, reports=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_backbones_missing_weights_are_told_before_the_first_round(tmp_path: Path) -> None:
    tables = f"""[model.backbone]
name = "resnet18"
sha256 = "{"0" * 64}"
source = "nowhere"
licence = "none"

[model.backbone.options]
side = 32
"""
    text = frozen_study(tables)
    for site in SITES:
        write_pictures(tmp_path / "data" / site, text)
    for backbones, told in ((None, "no folder was given"), (tmp_path / "nowhere", "nowhere does not hold them")):
        with pytest.raises(UsageError, match=told):
            run_inline(
                published(text.encode()), folders(tmp_path / "data"), seed=0, reports=tmp_path / "reports",
                files=ModelFiles(backbones=backbones),
            )  # fmt: skip


def test_an_import_for_no_site_of_the_study_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'west' is no site of the study") as failure:
        check_site(TWO_SITES.encode(), "west")
    assert "north, south" in failure.value.hint


def test_a_site_without_data_is_named(data: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="south"):
        run_inline(published(TWO_SITES.encode()), {"north": data / "north"}, seed=0, reports=tmp_path)


def test_the_command_marks_its_result_as_an_unsafe_simulation(data: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_text(TWO_SITES)
    out = tmp_path / "out"
    arguments = ["run", str(study), "--data", str(data), "--out", str(out)]
    app([*arguments, "--seeds", "2"], standalone_mode=False)
    result = json.loads((out / "result.json").read_text())
    assert (result["simulation"], result["unsafe_seeded"], result["rounds"], result["seeds"]) == (True, True, 3, [0, 1])
    assert result["sites"]["north"]["rounds_joined"] == 3
    assert len(result["sites"]["north"]["auc"]) == 2


def test_a_study_of_images_with_three_classes_runs_too(tmp_path: Path) -> None:
    document = tomllib.loads(TWO_SITES)
    document["data"] = {
        "kind": "tensor",
        "shape": [1, 8, 8],
        "label": {"column": "y", "classes": [["0"], ["1"], ["2"]], "names": ["a", "b", "c"]},
    }
    document["model"] = {"name": "cnn", "options": {"channels": [4], "hidden": 8, "groups": 2}}
    manifest = published(tomlkit.dumps(document).encode())
    contract = load(manifest).data
    rng = np.random.default_rng(0)
    for site in SITES:
        labels = rng.integers(0, 3, 40)
        images = rng.normal(labels[:, None, None, None], 1.0, (40, 1, 8, 8)).astype(np.float32)
        split = (np.arange(40) % 4 == 0).astype(np.uint8)
        write_tensor_set(tmp_path / site, contract, x=images, y=labels, unit=np.arange(40), split=split)
    run = run_inline(manifest, folders(tmp_path), seed=0, reports=tmp_path / "reports")
    report = json.loads((run.sites["north"].report / "report.json").read_text())
    assert set(report["test"]["against_the_rest"]) == {"a", "b", "c"}
