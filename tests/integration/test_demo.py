"""The demo, as `make demo KILL=1` runs it: nine real processes, two of them killed half-way."""

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fedward_client.vault.launcher import launcher
from fedward_shared.errors import IsolationError
from fedward_simulations.demo.programs import wait_until
from fedward_simulations.scenarios.heart import HOSPITALS

pytestmark = [pytest.mark.processes, pytest.mark.timeout(900)]

METHODS = {"federated_dp", "local", "centralised", "federated", "federated_dp_simulated"}


def isolable() -> bool:
    try:
        launcher()
    except IsolationError:
        return False
    return True


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not isolable():
        pytest.skip("this machine lets nobody make network namespaces")
    folder = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "fedward_simulations.demo", "--seeds", "1", "--out", str(folder), "--kill"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing was spent twice" in " ".join(done.stdout.split())
    return folder


@pytest.fixture(scope="module")
def result(out: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((out / "result.json").read_text())
    return document


def auc_blocks(result: dict[str, Any]) -> list[dict[str, Any]]:
    return [result["pooled"], result["within"], *result["sites"].values()]


def test_every_auc_is_a_plain_number_with_its_interval_beside_it(result: dict[str, Any]) -> None:
    for block in auc_blocks(result):
        assert set(block["auc"]) == set(block["interval"]) == METHODS
        for method, value in block["auc"].items():
            low, high = block["interval"][method]
            assert 0 <= low <= value <= high <= 1


def test_it_learned_what_the_hospital_alone_does_not_tell(result: dict[str, Any]) -> None:
    assert 0.6 < result["hospital_only"] < 0.8
    for method, value in result["pooled"]["auc"].items():
        assert value > result["hospital_only"] + 0.08, method
    assert set(result["within"]["hospitals"]) < set(HOSPITALS)


def test_each_ledger_was_charged_once_a_round_and_stays_within_three(result: dict[str, Any]) -> None:
    assert set(result["sites"]) == set(HOSPITALS)
    for site in result["sites"].values():
        assert 0 < site["epsilon"] <= 3
        assert math.isfinite(site["epsilon"])
        assert site["rounds_joined"] == site["rounds_charged"] == result["rounds"]


def test_nine_processes_and_no_vault_had_a_network(result: dict[str, Any]) -> None:
    processes = result["processes"]
    sites = processes["sites"].values()
    pids = [processes["coordinator"], *(site["gateway"] for site in sites), *(site["vault"] for site in sites)]
    assert len(set(pids)) == 9
    assert [site["vault_has_network"] for site in sites] == [False] * 4


def test_what_was_killed_is_told(result: dict[str, Any]) -> None:
    killed = result["killed"]
    assert 1 <= killed["round"] <= result["rounds"]
    assert killed["coordinator"] != result["processes"]["coordinator"]
    assert killed["vault"] != result["processes"]["sites"][killed["site"]]["vault"]


def test_every_number_has_a_provenance(result: dict[str, Any]) -> None:
    assert result["provenance"].keys() >= METHODS | {"epsilon", "rounds", "processes", "bytes", "seconds"}
    assert "simulation" in result["provenance"]["federated"]
    assert "simulation" not in result["provenance"]["federated_dp"]


def test_the_report_needs_no_network(out: Path) -> None:
    page = (out / "report.html").read_text(encoding="utf-8")
    assert page.count('role="img"') >= 10
    assert not re.search(r'(?:src|href)="(?!#)', page)
    assert "<script" not in page


def test_the_model_can_be_taken_out(out: Path) -> None:
    assert {"model.safetensors", "model.json", "study.toml"} <= {path.name for path in (out / "model").iterdir()}


def ours(folder: Path) -> list[int]:
    """The processes whose command line names `folder`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in words and int(path.parent.name) != os.getpid():
            found.append(int(path.parent.name))
    return found


def test_no_process_is_left(out: Path, result: dict[str, Any]) -> None:
    assert result["rounds"] == 20
    assert ours(out) == []


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path, ending: signal.Signals) -> None:
    command = [sys.executable, "-m", "fedward_simulations.demo", "--seeds", "1", "--out", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as demo:
        joined = [tmp_path / "federation" / site / "site.toml" for site in HOSPITALS]
        wait_until(lambda: any(path.exists() for path in joined) or demo.poll() is not None, 300, "a hospital to join")
        assert len(ours(tmp_path)) > 1
        demo.send_signal(ending)
        assert demo.wait(120) == 130
    time.sleep(0.5)
    assert ours(tmp_path) == []
