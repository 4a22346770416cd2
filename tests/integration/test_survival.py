"""Survival from end to end: two hospitals' files, their imports, a federated private training, scores and reports."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from fedward_client.imported import read_record
from fedward_client.importer.importing import import_here
from fedward_client.importer.mapping_file import load_mapping
from fedward_client.importer.order import ImportOrder
from fedward_client.vault.training.dataset import open_data_set
from fedward_shared.contracts.survival import events, times
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_simulations.generate.command import Request, generate
from fedward_simulations.importing import import_into
from fedward_simulations.inline import InlineRun, run_inline

SITES = ("north", "south")
PATIENTS = 400


@pytest.fixture(scope="module")
def hospitals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated hospitals with their study, in `made`, and their imports, in `data`."""
    folder = tmp_path_factory.mktemp("survival")
    generate(Request(kind="survival", out=folder / "made", sites=SITES, patients=PATIENTS, seed=3))
    manifest = (folder / "made" / "study.toml").read_bytes()
    for site in SITES:
        exported = folder / "made" / site
        order = ImportOrder(manifest, load_mapping(exported / "mapping.toml"), exported, site)
        import_into(folder / "data", site, partial(import_here, order))
    return folder


@pytest.fixture(scope="module")
def trained(hospitals: Path) -> InlineRun:
    """The study after its rounds, with differential privacy."""
    manifest = published((hospitals / "made" / "study.toml").read_bytes())
    folders = {site: hospitals / "data" / site for site in SITES}
    return run_inline(manifest, folders, seed=1, reports=hospitals / "reports")


def test_an_import_holds_each_patients_time_and_event(hospitals: Path) -> None:
    contract = load((hospitals / "made" / "study.toml").read_bytes()).data
    follow_up = contract.label.follow_up
    assert follow_up is not None
    with (hospitals / "made" / "north" / "followup.csv").open(newline="") as file:
        told = list(csv.DictReader(file))

    data = open_data_set(hospitals / "data" / "north", contract)

    assert read_record(hospitals / "data" / "north").rows_accepted == PATIENTS
    labels = np.concatenate([data.train.labels, data.test.labels])
    rows = np.concatenate([data.train.rows, data.test.rows])
    days = np.array([float(told[row]["months"]) * 30.4375 for row in rows])
    dead = np.array([told[row]["status"] == "dead" for row in rows])
    assert np.allclose(times(labels, follow_up), np.minimum(days, 1826), atol=0.01)
    assert np.array_equal(events(labels), dead & (days <= 1826))
    assert 0 < events(labels).sum() < PATIENTS


def test_a_private_federation_ranks_patients_whom_nobody_trained_on(trained: InlineRun) -> None:
    for site in SITES:
        assert trained.sites[site].epsilon < 3
        labels, risks = _scores(trained.sites[site].report)
        assert (np.diff(risks, axis=1) >= 0).all()
        assert _concordance(labels, risks[:, -1]) > 0.65


def test_a_site_gets_a_report_of_times_and_of_horizons(trained: InlineRun) -> None:
    folder = trained.sites["south"].report
    test = json.loads((folder / "report.json").read_text())["test"]
    labels, risks = _scores(folder)

    assert test["c_index"] == pytest.approx(_concordance(labels, risks[:, -1]), abs=1e-6)
    assert {figure["at"] for figure in test["figures"] if "at" in figure} >= {365.0, 1096.0, 1826.0}


def _scores(report: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels (rows,) and risks (rows, intervals) of a site's test rows."""
    with (report / "test_scores.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name.startswith("score")]
    labels = np.array([int(row["label"]) for row in rows])
    return labels, np.array([[float(row[name]) for name in columns] for row in rows])


def _concordance(labels: NDArray[np.int64], risk: NDArray[np.float64]) -> float:
    """Harrell's C, pair by pair."""
    ticks, dead = labels // 2, labels % 2 == 1
    earlier = dead[:, None] & (ticks[:, None] < ticks[None, :])
    right = (risk[:, None] > risk[None, :]) + 0.5 * (risk[:, None] == risk[None, :])
    return float(right[earlier].mean())
