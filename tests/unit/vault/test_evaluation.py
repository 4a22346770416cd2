"""The site's own report."""

import csv
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from fedward_client.vault.training.dataset import Dataset, Part
from fedward_client.vault.training.evaluation import write_report
from fedward_shared.contracts.cohort import DataContract, DataKind, Label, Rule
from fedward_shared.contracts.study import EvaluationTerms, ModelTerms, Study, Subgroup
from tests.support.cohorts import contract_of
from tests.support.scored import FOLLOW_UP, a_survival_hospital
from tests.support.training_orders import published_study

RNG = np.random.default_rng(0)
GROUPS = EvaluationTerms(subgroups=(Subgroup("old <&>", Rule("age", 60, 99)), Subgroup("tiny", Rule("age", 90, 99))))


def study(contract: DataContract, terms: EvaluationTerms = GROUPS) -> Study:
    return replace(published_study()[1], data=contract, evaluation=terms)


def part(labels: np.ndarray) -> Part:
    rows = len(labels)
    return Part(
        records=np.zeros((rows, 5), np.float32),
        labels=labels,
        units=np.arange(rows) // 2,
        count=(rows + 1) // 2,
        rows=np.arange(rows) * 3,
        groups={"old <&>": np.arange(rows) % 3 == 0, "tiny": np.arange(rows) == 1},
    )


def write(folder: Path, contract: DataContract, data: Dataset, scores: np.ndarray) -> dict[str, Any]:
    write_report(folder, study=study(contract), site="north", data=data, scores=scores, about={"site": "north"})
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_a_report_and_its_scores(tmp_path: Path) -> None:
    positive = RNG.random(60)
    data = Dataset(part(np.arange(80) % 2), part(np.arange(60) % 2))
    folder = tmp_path / "reports" / "study"
    report = write(folder, contract_of("logistic"), data, np.stack([1 - positive, positive], axis=1))
    assert report["site"] == "north"
    assert report["counts"]["train"] == {"rows": 80, "patients": 40, "classes": {"no disease": 40, "disease": 40}}
    labels = data.test.labels
    assert report["test"]["auc"] == pytest.approx(roc_auc_score(labels, positive))
    low, high = report["test"]["against_the_rest"]["disease"]["auc_interval"]
    assert low < report["test"]["auc"] < high
    assert sum(group["rows"] for group in report["test"]["against_the_rest"]["disease"]["calibration"]) == 60
    assert report["test"]["subgroups"]["old <&>"]["rows"] == 20
    assert not report["test"]["subgroups"]["tiny"]["enough_patients"]
    with (folder / "test_scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(int(row["row"]), int(row["label"]), int(row["unit"])) for row in rows] == [
        (3 * i, i % 2, i // 2) for i in range(60)
    ]
    np.testing.assert_array_equal([float(row["score"]) for row in rows], positive)
    assert [(row["group_0"], row["group_1"]) for row in rows[:3]] == [("1", "0"), ("0", "1"), ("0", "0")]
    assert sorted(path.name for path in folder.iterdir()) == ["report.html", "report.json", "test_scores.csv"]
    assert folder.stat().st_mode & 0o077 == 0


def test_the_page_holds_everything_itself_and_warns_of_small_groups(tmp_path: Path) -> None:
    positive = RNG.random(60)
    data = Dataset(part(np.arange(80) % 2), part(np.arange(60) % 2))
    write(tmp_path, contract_of("logistic"), data, np.stack([1 - positive, positive], axis=1))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<script|https?:|url\(|@import", page)
    assert page.count("<svg") >= 3
    assert page.count('role="img"') == len(re.findall('aria-label="[^"]+"', page))
    assert "old &lt;&amp;&gt;" in page
    assert page.count("⚠ too few patients") == 1
    assert page.count("How to read it") >= 5


def test_three_classes_have_a_score_each(tmp_path: Path) -> None:
    contract = DataContract(DataKind.TENSOR, Label("s", (("1",), ("2",), ("3",)), ("a", "b", "c")), shape=(5,))
    scores = RNG.dirichlet((1, 1, 1), 30)
    write_report(
        tmp_path,
        study=study(contract, EvaluationTerms()),
        site="north",
        data=Dataset(part(np.arange(3)), replace(part(np.arange(30) % 3), groups={})),
        scores=scores,
        about={},
    )
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["test"]["auc"] == pytest.approx(roc_auc_score(np.arange(30) % 3, scores, multi_class="ovr"))
    assert set(report["test"]["against_the_rest"]) == {"a", "b", "c"}
    assert (tmp_path / "test_scores.csv").read_text().startswith("row,label,score_0,score_1,score_2,unit\n")
    assert "rows count as if each were another patient" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_survival_is_told_at_its_horizons(tmp_path: Path) -> None:
    scored = a_survival_hospital(120, seed=1)
    data = Dataset(part(scored.labels[:60]), replace(part(scored.labels), units=scored.units))
    contract = replace(contract_of("cox"), label=replace(contract_of("cox").label, follow_up=FOLLOW_UP))
    of = replace(study(contract), model=ModelTerms("cox", {"intervals": 10}))
    write_report(tmp_path, study=of, site="north", data=data, scores=scored.scores, about={})
    report = json.loads((tmp_path / "report.json").read_text())
    low, high = report["test"]["c_index_interval"]
    assert low < report["test"]["c_index"] < high
    assert [curves["at"] for curves in report["test"]["curves"]] == pytest.approx([1000 / 3, 2000 / 3, 1000])
    assert sum(report["counts"]["test"]["classes"].values()) == 120
    head, first = (tmp_path / "test_scores.csv").read_text().splitlines()[:2]
    assert head.split(",") == ["row", "label", *(f"score_{i}" for i in range(10)), "group_0", "group_1", "unit"]
    assert int(first.split(",")[1]) == scored.labels[0]
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "C-index" in page
    assert "1000 days" in page


@pytest.mark.parametrize("scores", [np.zeros((0, 0)), np.full((4, 2), np.nan)])
def test_no_rows_or_no_numbers_still_make_a_report(tmp_path: Path, scores: np.ndarray) -> None:
    data = Dataset(part(np.arange(4) % 2), part(np.arange(len(scores)) % 2))
    report = write(tmp_path, contract_of("logistic"), data, scores)
    assert "note" in report["test"]
    assert "There are no figures" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_test_rows_of_one_class_have_no_auc_and_the_page_says_so(tmp_path: Path) -> None:
    positive = RNG.random(20)
    data = Dataset(part(np.arange(8) % 2), part(np.zeros(20, np.int64)))
    report = write(tmp_path, contract_of("logistic"), data, np.stack([1 - positive, positive], axis=1))
    assert report["test"]["auc"] is None
    assert "too few for a figure" in (tmp_path / "report.html").read_text(encoding="utf-8")
