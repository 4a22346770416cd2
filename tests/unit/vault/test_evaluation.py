"""The site's own figures."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from fedward_client.vault.training.dataset import Dataset, Part
from fedward_client.vault.training.evaluation import auc, auc_interval, brier, calibration, write_report
from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from tests.support.cohorts import contract_of

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("ties", [1000, 5, 1])
def test_auc_agrees_with_scikit_learn_ties_included(ties: int) -> None:
    scores = RNG.integers(0, ties, 300) / ties
    labels = RNG.integers(0, 2, 300)
    assert auc(scores, labels == 1) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_with_weights_is_auc_with_repeated_rows() -> None:
    scores, labels, weights = RNG.random(50), RNG.integers(0, 2, 50), RNG.integers(0, 4, 50)
    repeated = auc(np.repeat(scores, weights), np.repeat(labels == 1, weights))
    assert auc(scores, labels == 1, weights.astype(np.float64)) == pytest.approx(repeated, abs=1e-12)


def test_auc_of_one_class_is_none() -> None:
    assert auc(np.array([0.1, 0.2]), np.array([True, True])) is None
    assert auc_interval(np.array([0.1, 0.2]), np.array([True, True]), np.array([0, 1])) is None


def test_the_interval_is_wider_when_rows_belong_to_few_patients() -> None:
    units = np.repeat(np.arange(30), 10)
    labels = np.repeat(RNG.integers(0, 2, 30), 10) == 1
    scores = np.repeat(RNG.random(30), 10) + labels * 0.4
    grouped, single = auc_interval(scores, labels, units), auc_interval(scores, labels, np.arange(300))
    assert grouped is not None
    assert single is not None
    area = auc(scores, labels)
    assert area is not None
    assert grouped.low < single.low < area < single.high < grouped.high


def test_brier_agrees_with_scikit_learn() -> None:
    positive, labels = RNG.random(40), RNG.integers(0, 2, 40)
    scores = np.stack([1 - positive, positive], axis=1)
    assert brier(scores, labels) == pytest.approx(brier_score_loss(labels, positive), abs=1e-12)


def test_calibration_counts_every_row_once() -> None:
    scores = np.array([0.0, 0.05, 0.95, 1.0])
    bins = calibration(scores, np.array([False, True, True, True]))
    assert [(entry["from"], entry["rows"], entry["share"]) for entry in bins] == [(0.0, 2, 0.5), (0.9, 2, 1.0)]


def part(rows: int, classes: int) -> Part:
    return Part(
        records=np.zeros((rows, 5), np.float32),
        labels=np.arange(rows) % classes,
        units=np.arange(rows) // 2,
        count=(rows + 1) // 2,
        rows=np.arange(rows) * 3,
    )


def test_a_report_and_its_scores(tmp_path: Path) -> None:
    positive = RNG.random(30)
    data = Dataset(part(80, 2), part(30, 2))
    folder = tmp_path / "reports" / "study"
    scores = np.stack([1 - positive, positive], axis=1)
    write_report(folder, contract=contract_of("logistic"), data=data, scores=scores, about={"site": "north"})
    report = json.loads((folder / "report.json").read_text())
    assert report["site"] == "north"
    assert report["counts"]["train"] == {"rows": 80, "patients": 40, "classes": {"no disease": 40, "disease": 40}}
    labels = data.test.labels
    assert report["test"]["auc"] == pytest.approx(roc_auc_score(labels, positive))
    low, high = report["test"]["against_the_rest"]["disease"]["auc_interval"]
    assert low < report["test"]["auc"] < high
    with (folder / "test_scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["row"]), int(row["label"])) for row in rows] == [(3 * i, i % 2) for i in range(30)]
    np.testing.assert_array_equal([float(row["score"]) for row in rows], positive)
    assert sorted(path.name for path in folder.iterdir()) == ["report.json", "test_scores.csv"]
    assert folder.stat().st_mode & 0o077 == 0


def test_three_classes_have_a_score_each(tmp_path: Path) -> None:
    contract = DataContract(DataKind.TENSOR, Label("s", (("1",), ("2",), ("3",)), ("a", "b", "c")), shape=(5,))
    scores = RNG.dirichlet((1, 1, 1), 30)
    write_report(tmp_path, contract=contract, data=Dataset(part(3, 3), part(30, 3)), scores=scores, about={})
    report = json.loads((tmp_path / "report.json").read_text())
    expected = roc_auc_score(np.arange(30) % 3, scores, multi_class="ovr")
    assert report["test"]["auc"] == pytest.approx(expected)
    assert (tmp_path / "test_scores.csv").read_text().startswith("row,label,score_0,score_1,score_2\n")


@pytest.mark.parametrize("scores", [np.zeros((0, 0)), np.full((4, 2), np.nan)])
def test_no_rows_or_no_numbers_still_make_a_report(tmp_path: Path, scores: np.ndarray) -> None:
    data = Dataset(part(4, 2), part(len(scores), 2))
    write_report(tmp_path, contract=contract_of("logistic"), data=data, scores=scores, about={})
    assert "note" in json.loads((tmp_path / "report.json").read_text())["test"]
