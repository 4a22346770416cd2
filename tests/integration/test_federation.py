"""The whole thing, once, through the real command lines: two hospitals train one model, each command as documented."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support.federation import DATA_SET, Federation
from tests.support.processes import children_of

pytestmark = [pytest.mark.processes, pytest.mark.timeout(480)]

ROUNDS = 3


def test_two_hospitals_train_one_model_from_invite_to_export(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        federation.found()
        for site in federation.sites:
            federation.join(site)
            federation.import_data(site)
        federation.publish(rounds=ROUNDS)
        for site in federation.sites:
            federation.start_site(site)
        for site in federation.sites:
            federation.wait_offered(site)
        check_preview(federation)
        for site in federation.sites:
            federation.approve(site)
        federation.wait_done()
        check_isolation(federation)
        check_status(federation)
        check_ledgers(federation)
        check_report(federation)
        check_what_stays(federation)
        check_export(federation)
        served = federation.ledger("north")
        federation.processes.stop("north")
        assert federation.ledger("north") == served, "the ledger reads the same when the vault is stopped"
        assert federation.status("north")["vault"] == {"process": None, "has_network": None}
        assert federation.reservations("north") == [(number + 1, 1) for number in range(ROUNDS)]
        assert "Whole" in federation.site("north", "journal", "verify")
    assert left_behind(tmp_path) == []


def check_preview(federation: Federation) -> None:
    """What an approver reads names who asks, what is read, what leaves, what it costs, and the next command."""
    study = federation.study
    text = federation.site("north", "study", "show")
    resolved = tomllib.loads((federation.study_folder / "study.toml").read_text())["resolved"]
    for expected in (
        "trial-office@example.org",
        "south",
        "age",
        "18 to 110 years",
        "patient_id",
        "6 numbers",
        "linear.weight",
        f"ε = {resolved['sites']['north']['epsilon']:.3f}",
        f"fedward-site study approve {study} --data-set {DATA_SET}",
    ):
        assert expected in text
    key = federation.status("north")["books"]["study_key"]
    assert key in text
    assert key in federation.lead("invite", "east"), "the coordinator names the same key"
    refused = federation.site("north", "study", "approve", study, "--data-set", "nothing", "--yes", "--by", "A", code=2)
    assert "nothing" in refused


def check_isolation(federation: Federation) -> None:
    """Vault and worker have only loopback, the gateway our network; torch is in the worker alone."""
    ours = Path("/proc/self/ns/net").readlink()
    for site in federation.sites:
        vault, gateway = federation.vault(site), federation.gateway(site)
        assert vault is not None
        assert gateway is not None
        assert Path(f"/proc/{gateway}/ns/net").readlink() == ours
        (worker,) = children_of(vault)
        for pid in (vault, worker):
            assert Path(f"/proc/{pid}/ns/net").readlink() != ours
            lines = Path(f"/proc/{pid}/net/dev").read_text().splitlines()[2:]
            assert [line.split(":")[0].strip() for line in lines] == ["lo"]
        assert "libtorch" in Path(f"/proc/{worker}/maps").read_text()
        for pid in (vault, gateway):
            assert "libtorch" not in Path(f"/proc/{pid}/maps").read_text()


def check_status(federation: Federation) -> None:
    for site in federation.sites:
        found = federation.status(site)
        assert found["gateway"]["attached"]
        assert found["vault"] == {"process": federation.vault(site), "has_network": False}
        assert found["certificate_days"] > 60
        (study,) = found["studies"]
        assert (study["state"], study["concluded"], study["rounds_reserved"]) == ("approved", True, ROUNDS)
        assert found["last_round"]["round"] == ROUNDS
        assert found["last_round"]["replied"]


def check_ledgers(federation: Federation) -> None:
    """Exactly the declared rounds were charged, and they cost no more than the published ε."""
    resolved = tomllib.loads((federation.study_folder / "study.toml").read_text())["resolved"]["sites"]
    for site in federation.sites:
        found = federation.ledger(site)
        (spent,) = found["data_sets"]
        assert spent["data_set"] == DATA_SET
        assert spent["reservations"] == ROUNDS
        assert [(row["round"], row["attempt"], row["replied"]) for row in found["rows"]] == [
            (number + 1, 1, True) for number in range(ROUNDS)
        ]
        (study,) = spent["by_study"]
        assert (study["reservations"], study["replies"]) == (ROUNDS, ROUNDS)
        assert 0 < spent["epsilon"] <= resolved[site]["epsilon"] <= 3.0


def check_report(federation: Federation) -> None:
    report = federation.report()
    assert report["rounds_completed"] == ROUNDS
    assert {name: site["rounds_joined"] for name, site in report["sites"].items()} == dict.fromkeys(
        federation.sites, ROUNDS
    )


def check_what_stays(federation: Federation) -> None:
    """Exact results are on each site's own disk, and no record is in any file or log outside its inbox and table."""
    for site in federation.sites:
        home = federation.home(site)
        assert [path for path in (home / "reports").rglob("*") if path.is_file()], "the site's own report"
        secret = f"{site}-17,".encode()
        for folder in (federation.coordinator, federation.folder / "logs", home / "logs", home / "gateway"):
            for path in folder.rglob("*"):
                assert not path.is_file() or secret not in path.read_bytes()


def check_export(federation: Federation) -> None:
    """The exported model loads with the lines of Python that the command prints, and nothing of Fedward's server."""
    out = federation.folder / "model"
    said = federation.lead("model", "export", federation.study, "--out", out)
    lines = [line.removeprefix("    ") for line in said.splitlines() if line.startswith("    ")]
    assert 0 < len(lines) <= 6
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], cwd=out, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((out / "model.json").read_text())


def left_behind(folder: Path) -> list[str]:
    """Command lines of processes that still mention the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found
