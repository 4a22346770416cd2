"""The score on paper is that of the exported weights, and is there only where a model can be one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from fedward_server.export.points import scorecard_files
from fedward_shared.contracts.cohort import Label
from fedward_shared.contracts.study import ModelTerms, Study
from fedward_shared.manifest.parse import load
from fedward_shared.models.scorecard import scorecard
from tests.support.fake_sites import offer_of, study_text

STUDY = load(offer_of(study_text(rounds=2)).manifest)
WEIGHTS = {
    "linear.weight": np.array([[0.8, -0.2, 0.1, 0.3, 1.4]], dtype=np.float32),
    "linear.bias": np.array([-0.5], dtype=np.float32),
}


def test_points_and_risks_are_those_of_the_scorecard() -> None:
    files = scorecard_files(STUDY, WEIGHTS)
    card = scorecard(STUDY.model, STUDY.data, WEIGHTS)
    told = json.loads(files["scorecard.json"])
    assert [(entry["points"], entry["risk"]) for entry in told["risks"]] == list(card.risk_rows())
    assert [row["points"] for factor in told["factors"] for row in factor["rows"]] == [
        points for _, _, points in card.point_rows()
    ]
    assert told["error"]["risk"] == card.error.risk
    page = files["scorecard.html"].decode()
    for column, value, points in card.point_rows():
        assert f"<td>{column}</td><td>{value}</td><td>{points}</td>" in page
    assert f"<td>{card.most}</td><td>{card.risk(card.most):.1%}</td>" in page


@pytest.mark.parametrize(
    "study",
    [
        replace(STUDY, model=ModelTerms("mlp")),
        replace(STUDY, model=ModelTerms("logistic", {"embedding": "periodic"})),
        replace(STUDY, data=replace(STUDY.data, label=Label("x", (("1",), ("2",), ("3",)), ("a", "b", "c")))),
    ],
    ids=["another family", "no curve that can be cut", "three classes"],
)
def test_other_models_have_none(study: Study) -> None:
    assert scorecard_files(study, WEIGHTS) == {}
