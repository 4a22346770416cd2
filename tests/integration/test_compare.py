"""`fedward-sim compare`: one command from imports to a report, which goes on after any kind of end."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fedward_shared.errors import FedwardError, UsageError
from fedward_simulations.cli import app
from fedward_simulations.comparison import compare
from fedward_simulations.grid.command import numbers
from tests.support.grids import SITES, STUDY, import_two_sites

COMMAND = Path(sys.executable).parent / "fedward-sim"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """study.toml and data of two hospitals."""
    made = tmp_path_factory.mktemp("study")
    (made / "study.toml").write_bytes(STUDY)
    import_two_sites(made / "data")
    return made


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    return ["compare", str(folder / "study.toml"), "--data", str(folder / "data"), "--out", str(out), *more]


def test_it_writes_figures_of_every_method_a_report_and_the_model(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = arguments(folder, tmp_path, "--seeds", "2", "--strategies", "fedavg,fedadam", "--jobs", "1")
    app([*asked, "--option", "fedadam.eta=0.2"], standalone_mode=False)
    told = capsys.readouterr().out
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["simulation"], result["unsafe_seeded"], result["seeds"]) == (True, True, [0, 1])
    keys = ["federated-fedavg", "federated-fedavg-eps3", "federated-fedadam", "federated-fedadam-eps3"]
    plain = ["logistic_regression", "gradient_boosting", "local", "local-eps3", "centralised"]
    assert list(result["pooled"]["auc"]) == plain + keys
    assert all(0.5 < value < 1 for value in result["pooled"]["auc"].values())
    assert set(result["sites"]) == set(SITES)
    assert set(result["leave_one_out"]["leave_one_out-fedavg-eps3"]) == set(SITES)
    rows = {row["key"]: row for row in result["methods"]}
    assert rows["leave_one_out-fedadam"]["cells"] == 4
    assert rows["federated-fedavg-eps3"]["epsilon_spent"] <= 3
    assert rows["local"]["epsilon_spent"] is None
    assert result["main"] == "federated-fedavg-eps3"
    assert result["failed"] == []
    page = (tmp_path / "report.html").read_text()
    assert "<svg" in page
    assert "Federated, FedAdam, ε = 3" in page
    assert load_file(tmp_path / "model.safetensors")["linear.weight"].shape == (1, 5)
    assert "cells: " in told
    assert "Next: fedward-coordinator study publish" in told
    app([*asked, "--option", "fedadam.eta=0.2"], standalone_mode=False)
    again = json.loads((tmp_path / "result.json").read_text())
    assert again["pooled"] == result["pooled"]
    assert "0 trained" in capsys.readouterr().out
    app([*asked, "--option", "fedadam.eta=0.3", "--methods", "federated"], standalone_mode=False)
    assert "8 cells: 4 trained" in capsys.readouterr().out, "fedadam with and without privacy"


def test_a_cell_that_fails_makes_the_command_fail_after_the_others_are_reported(folder: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    study.write_bytes(STUDY.replace(b"max_weight = 100.0", b"max_weight = 0.01"))
    asked = ["compare", str(study), "--data", str(folder / "data"), "--out", str(tmp_path), "--jobs", "1"]
    with pytest.raises(FedwardError, match="federated, seed 0: an update of") as told:
        app([*asked, "--methods", "federated,logistic_regression", "--seeds", "1"], standalone_mode=False)
    assert told.value.exit_code == 1
    result = json.loads((tmp_path / "result.json").read_text())
    assert list(result["pooled"]["auc"]) == ["logistic_regression"]
    assert [failed["cell"] for failed in result["failed"]] == ["federated, seed 0", "federated, ε = 3, seed 0"]
    assert (tmp_path / "report.html").exists()
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize("written", ["fast", "0", "-1", "1,,x"])
def test_epsilons_are_numbers_above_zero(written: str) -> None:
    with pytest.raises(UsageError):
        numbers(written)


def test_the_demo_compares_four_ways(folder: Path, tmp_path: Path) -> None:
    folders = {site: folder / "data" / site for site in SITES}
    found = compare(STUDY, folders, seeds=(0, 1), cache=tmp_path)
    assert [method.key for method in found.methods] == ["local", "centralised", "federated", "federated_dp_simulated"]
    for method in found.methods:
        assert len(method.runs) == 2
        for site, scored in method.runs[1].items():
            assert np.array_equal(scored.labels, found.methods[0].runs[0][site].labels)
    assert set(found.methods[-1].spent) == set(SITES) == set(found.training_patients)


def start(folder: Path, out: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COMMAND, *arguments(folder, out, "--seeds", "6", "--methods", "federated", "--jobs", "2", *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finished(out: Path) -> set[Path]:
    return set(out.glob("cells/cells/*/*/result.json"))


def wait_for(out: Path, cells: int, running: subprocess.Popen[str]) -> None:
    limit = time.monotonic() + 120
    while len(finished(out)) < cells:
        assert running.poll() is None, "it ended early"
        assert time.monotonic() < limit
        time.sleep(0.02)


def processes_of(session: int) -> Sequence[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(place.name)) == session:
                found.append(int(place.name))
        except ProcessLookupError:
            continue
    return found


def wait_for_the_end_of(session: int) -> None:
    limit = time.monotonic() + 30
    while processes_of(session):
        assert time.monotonic() < limit, "a process outlived the run"
        time.sleep(0.05)


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_run_that_is_killed_goes_on_and_its_workers_end_with_it(folder: Path, tmp_path: Path) -> None:
    running = start(folder, tmp_path)
    wait_for(tmp_path, 1, running)
    os.kill(running.pid, signal.SIGKILL)
    running.communicate()
    wait_for_the_end_of(running.pid)
    before = {path: path.stat().st_mtime_ns for path in finished(tmp_path)}
    assert before
    resumed = start(folder, tmp_path)
    out, errors = resumed.communicate(timeout=150)
    assert resumed.returncode == 0, errors
    assert f"12 cells: {12 - len(before)} trained, {len(before)} were there" in out
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert not list(tmp_path.glob("cells/open-*"))
    whole = tmp_path / "whole"
    app(arguments(folder, whole, "--seeds", "6", "--methods", "federated", "--jobs", "1"), standalone_mode=False)
    figures = [json.loads((place / "result.json").read_text())["pooled"] for place in (tmp_path, whole)]
    assert figures[0] == figures[1]


@pytest.mark.processes
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_says_what_remains(folder: Path, tmp_path: Path) -> None:
    running = start(folder, tmp_path)
    wait_for(tmp_path, 1, running)
    os.killpg(running.pid, signal.SIGINT)
    out, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "of 12 cells are kept in" in out
    assert "Run the same command again to go on." in out
    assert "Traceback" not in errors
    wait_for_the_end_of(running.pid)


@pytest.mark.processes
def test_two_runs_at_once_share_a_cache(folder: Path, tmp_path: Path) -> None:
    both = [start(folder, tmp_path / name, "--cache", str(tmp_path / "cells")) for name in ("one", "two")]
    for running in both:
        _, errors = running.communicate(timeout=170)
        assert running.returncode == 0, errors
    figures = [json.loads((tmp_path / name / "result.json").read_text())["pooled"] for name in ("one", "two")]
    assert figures[0] == figures[1]
    assert len(list(tmp_path.glob("cells/cells/*/*/result.json"))) == 12
