"""What a study leaves behind, and that the six lines load it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fedward_server.app import run_study
from fedward_server.export.description import LOADING
from fedward_server.rounds.results import write_model, write_report
from fedward_shared.manifest.parse import load, study_hash
from tests.support.fake_sites import ROUND_KEY, FakeCourier, book_of, offer_of, sites_of, study_text

OFFER = offer_of(study_text(rounds=2))
STUDY_TERMS = load(OFFER.manifest)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study's folder; `west` was never there."""
    root = tmp_path_factory.mktemp("study")
    sites = sites_of(OFFER)
    courier = FakeCourier(sites, down={"west"})
    end = run_study(OFFER, courier=courier, key=ROUND_KEY, book=book_of(sites), clock=lambda: 0.0)
    write_model(root / "model", OFFER.manifest, STUDY_TERMS, end.model, end.attempts)
    write_report(root / "report.json", OFFER.manifest, STUDY_TERMS, end.attempts, end.delivered)
    np.savez(root / "expected.npz", **end.model)  # type: ignore[arg-type]  # names are not keywords of savez
    return root


def test_six_lines_load_the_model(folder: Path) -> None:
    assert len(LOADING) == 6
    show = "print(*[v for p in model.state_dict().values() for v in p.flatten().tolist()])"
    program = "\n".join([*LOADING, "model.eval()", show])
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder / "model", capture_output=True, text=True, check=True, timeout=120
    )
    expected = np.load(folder / "expected.npz")
    values = np.concatenate([expected[name].ravel() for name in expected.files])
    np.testing.assert_array_equal(np.array(done.stdout.split(), dtype=np.float32), values)


def test_the_card_says_where_it_comes_from_and_what_goes_in(folder: Path) -> None:
    card = json.loads((folder / "model" / "model.json").read_text())
    assert card["hash"] == study_hash((folder / "model" / "study.toml").read_bytes()).hex()
    assert card["load"] == list(LOADING)
    assert len(card["inputs"]) == STUDY_TERMS.data.features
    assert card["inputs"][0] == {
        "kind": "number",
        "column": "age",
        "unit": "years",
        "minimum": 18.0,
        "maximum": 110.0,
        "centre": 54.0,
        "scale": 9.0,
        "if_missing": 0.0,
    }
    assert card["inputs"][1] == {"kind": "is", "column": "chest_pain", "value": "1", "if_missing": 0.0}
    assert card["took_part"] == [["north", "south"]] * 2
    assert card["sites"]["west"]["rounds_joined"] == 0
    assert card["sites"]["north"]["epsilon_at_most"] is None, "this study has no privacy, and JSON knows no infinity"


def test_the_report_tells_the_truth_about_participation(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert report["rounds_completed"] == 2
    assert {site: entry["rounds_joined"] for site, entry in report["sites"].items()} == {
        "north": 2,
        "south": 2,
        "west": 0,
    }
    assert report["sites"]["north"]["final_model"] is True
    assert report["sites"]["west"]["final_model"] is False
    assert report["sites"]["west"]["final_model_reason"] == "not connected"
    west = report["attempts"][0]["sites"]["west"]
    assert west == {"asked": False, "took_part": False, "reason": "not connected"}
