"""Preflight as a data manager runs it: a real command, a confined worker, generated hospitals with planted defects."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from fedward_client.importer.mapping_file import load_mapping
from fedward_simulations.generate.command import Request, generate

pytestmark = pytest.mark.processes

_SITE = [sys.executable, "-c", "from fedward_client.cli.app import main; main()"]


def _generated(tmp_path: Path, kind: str, *defects: str, patients: int = 300) -> Path:
    folder = tmp_path / "generated"
    generate(Request(kind, folder, ("north",), patients, 7, tuple(f"north={defect}" for defect in defects)))
    return folder


def _preflight(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = ["preflight", "study.toml", "--mapping", "north/mapping.toml", "--site", "north", *more]
    return subprocess.run(
        [*_SITE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "COLUMNS": "300"},
    )


@pytest.mark.parametrize("kind", ["csv", "excel", "fhir", "pictures", "series", "text"])
def test_a_clean_hospital_of_every_kind_is_ready(tmp_path: Path, kind: str) -> None:
    done = _preflight(_generated(tmp_path, kind, patients=120))

    assert done.returncode == 0, done.stderr
    assert "Ready: an import would take this source." in done.stdout
    assert done.stderr.strip() == ""


@pytest.mark.parametrize(
    ("defect", "said", "code"),
    [
        ("wrong-units", "glucose looks like mg/dL; the contract says mmol/L", 1),
        ("mixed-units", "glucose seems to hold two units", 1),
        ("decimal-comma", "would be numbers with a decimal comma", 1),
        ("swapped-label", "the label looks swapped", 0),
        ("leak", "values of lactate (100%) were taken outside its window", 0),
        ("after-outcome", "records begin at or after the outcome", 0),
        ("shift", "systolic is distributed otherwise than the study expects: a large shift", 0),
        ("duplicates", "are the same record of the same patient again", 0),
        ("conflicts", "have records of different classes", 0),
        ("spellings", "unknown spellings; 2 of them are close to an allowed value", 1),
    ],
)
def test_a_planted_defect_is_named(tmp_path: Path, defect: str, said: str, code: int) -> None:
    done = _preflight(_generated(tmp_path, "csv", defect))

    assert said in done.stdout
    assert done.returncode == code, done.stderr
    assert "SYNTHETIC-north" not in done.stdout + (tmp_path / "generated" / "preflight-synthetic-csv.html").read_text()


def test_unreadable_pictures_are_counted_and_listed(tmp_path: Path) -> None:
    done = _preflight(_generated(tmp_path, "pictures", "unreadable", patients=120))

    assert "have no usable array" in done.stdout
    page = (tmp_path / "generated" / "preflight-synthetic-pictures.html").read_text()
    assert "cannot be read as what it claims to be" in page


def test_strong_answers_make_an_import_possible(tmp_path: Path) -> None:
    folder = _generated(tmp_path, "csv", "wrong-units", "spellings", "decimal-comma")
    done = _preflight(folder, "--yes")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "With the answers 300 of 300 rows fit, where 0 did before." in done.stdout
    mapping = load_mapping(folder / "north" / "mapping.toml")
    assert mapping.decimal == ","
    assert mapping.answer("glucose").unit == "mg/dL"
    arguments = ["import", "--contract", "study.toml", "--mapping", "north/mapping.toml", "--data-set", "stays"]
    imported = subprocess.run(
        [*_SITE, *arguments, "--dry-run"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert imported.returncode == 0, imported.stderr
    assert "300 rows fit the contract, 0 were rejected" in imported.stdout


def test_a_person_at_a_terminal_is_asked(tmp_path: Path) -> None:
    folder = _generated(tmp_path, "csv", "wrong-units")
    ours, theirs = pty.openpty()
    arguments = ["preflight", "study.toml", "--mapping", "north/mapping.toml", "--site", "north"]
    process = subprocess.Popen([*_SITE, *arguments], cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    os.write(ours, b"\n")  # Enter: what is proposed first
    said = b""
    try:
        while piece := os.read(ours, 4096):
            said += piece
    except OSError:  # the terminal ends with the process
        pass
    finally:
        os.close(ours)
        code = process.wait(timeout=60)

    assert code == 0, said.decode()
    assert b"In which unit is it in the source?" in said
    assert load_mapping(folder / "north" / "mapping.toml").answer("glucose").unit == "mg/dL"


def test_nothing_is_left_behind_but_the_page_and_the_proposal(tmp_path: Path) -> None:
    folder = _generated(tmp_path, "csv", "wrong-units")
    before = {path.relative_to(folder) for path in folder.rglob("*")}
    _preflight(folder)

    after = {path.relative_to(folder) for path in folder.rglob("*")}
    assert after - before == {Path("preflight-synthetic-csv.html"), Path("north/mapping.proposed.toml")}
