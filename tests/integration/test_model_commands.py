"""`fedward-coordinator model export, verify, show`, as they are typed, and the example that uses what they wrote."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from fedward_server.cli.app import app
from fedward_server.export.finished import read_finished
from fedward_shared.errors import FedwardError
from tests.support.fake_sites import study_text
from tests.support.finished_studies import FinishedStudy, finished_study

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "score_patients.py"
AGES = ("54", "18", "110", "", "NaN", "63.5")
PAINS = ("1", "2", "3", "4", "", "1")


def said(*arguments: object, code: int = 0) -> str:
    """What a command says, with its error; it must end with `code`."""
    done = CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(argument) for argument in arguments])
    error = done.exception if isinstance(done.exception, FedwardError) else None
    assert (error.exit_code if error else done.exit_code) == code, f"{done.output}\n{done.exception!r}"
    return done.output + (error.diagnostics() if error else "")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> FinishedStudy:
    return finished_study(tmp_path_factory.mktemp("coordinator") / "home", study_text(rounds=2), now=True)


@pytest.fixture(scope="module")
def exported(ended: FinishedStudy, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("exported") / "model"
    told = said("model", "export", "heart-disease", "--out", out, "--home", ended.home.root)
    assert "model.onnx gives the model's scores" in told
    assert "load_state_dict" in told
    assert f'--study-key "{ended.fingerprint}"' in told
    return out


def test_whoever_knows_the_fingerprint_can_verify_and_read(
    ended: FinishedStudy, exported: Path, tmp_path: Path
) -> None:
    nowhere = tmp_path / "no-home"
    told = said("model", "verify", exported, "--study-key", ended.fingerprint, "--home", nowhere)
    assert ended.folder.study().name in told
    assert "each as signed" in told
    card = said("model", "show", exported, "--study-key", ended.fingerprint, "--home", nowhere)
    assert "LIMITS AND WARNINGS" in card
    assert "No evaluation was released by the hospitals" in card


def test_the_coordinator_knows_its_own_key(ended: FinishedStudy, exported: Path) -> None:
    assert "each as signed" in said("model", "verify", exported, "--home", ended.home.root)


def test_without_a_key_nothing_is_believed(exported: Path, tmp_path: Path) -> None:
    assert "whose model it should be" in said("model", "verify", exported, "--home", tmp_path, code=2)
    assert "whose model it should be" in said("model", "show", exported, "--home", tmp_path, code=2)


def test_another_key_and_a_changed_file_end_with_3(ended: FinishedStudy, exported: Path, tmp_path: Path) -> None:
    other = "0" * 32
    assert "another study key" in said("model", "verify", exported, "--study-key", other, code=3)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in exported.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    (copy / "card.md").write_bytes(b"The best model.\n")
    told = said("model", "verify", copy, "--study-key", ended.fingerprint, code=3)
    assert "card.md" in told


def test_an_export_is_never_written_over_another(ended: FinishedStudy, exported: Path) -> None:
    assert "exists already" in said(
        "model", "export", "heart-disease", "--out", exported, "--home", ended.home.root, code=2
    )


def test_an_unknown_study_is_told_with_those_there_are(ended: FinishedStudy, tmp_path: Path) -> None:
    told = said("model", "export", "lungs", "--out", tmp_path / "model", "--home", ended.home.root, code=2)
    assert "no study is called 'lungs'" in told


def test_the_example_scores_patients_as_the_model_does(ended: FinishedStudy, exported: Path, tmp_path: Path) -> None:
    table = tmp_path / "patients.csv"
    rows = [f"{age},{pain}" for age, pain in zip(AGES, PAINS, strict=True)]
    table.write_text("\n".join(["age,chest_pain", *rows]) + "\n")
    done = subprocess.run(
        [sys.executable, EXAMPLE, exported, table], capture_output=True, text=True, check=True, timeout=120
    )
    header, *lines = done.stdout.splitlines()
    assert header == "no disease,disease"
    found = np.array([[float(score) for score in line.split(",")] for line in lines])
    ages = [(float(age) - 54) / 9 if age not in {"", "NaN"} else 0.0 for age in AGES]
    kinds = [[float(pain == value) for value in "1234"] for pain in PAINS]
    records = torch.tensor([[age, *kind] for age, kind in zip(ages, kinds, strict=True)])
    model = read_finished(ended.folder, ended.home.study_public()).model()
    with torch.no_grad():
        expected = torch.sigmoid(model(records))[:, 0].numpy()
    np.testing.assert_allclose(found[:, 1], expected, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("row", ["17,1", "54,9"])
def test_the_example_refuses_what_the_contract_does_not_know(exported: Path, tmp_path: Path, row: str) -> None:
    table = tmp_path / "patients.csv"
    table.write_text(f"age,chest_pain\n{row}\n")
    done = subprocess.run(
        [sys.executable, EXAMPLE, exported, table], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert ("age" if row.startswith("17") else "chest_pain") in done.stderr
