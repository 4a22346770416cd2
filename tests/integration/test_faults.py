"""Killing anything in the middle of a study: the same number of rounds, and no round charged twice."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from tests.support.federation import Federation
from tests.support.processes import children_of

pytestmark = [pytest.mark.processes, pytest.mark.timeout(480)]

ROUNDS = 10
# Declared noise spares the calibration; many steps make rounds long enough to be hit in the middle.
SLOWLY = {"target_epsilon = 3.0": "noise_multiplier = 60.0", "local_steps = 2": "local_steps = 200"}


def test_killing_every_kind_of_process_costs_no_round_and_charges_none_twice(tmp_path: Path) -> None:
    with Federation(tmp_path) as federation:
        federation.ready(rounds=ROUNDS, more=SLOWLY)
        federation.wait_round(1)
        federation.kill_coordinator()
        before = federation.rounds_done()
        federation.start_coordinator()
        federation.wait_round(before + 1)
        federation.kill("north", "vault")
        federation.wait_round(federation.rounds_done() + 1)
        federation.kill("south", "gateway")
        federation.wait_done()
        report = federation.report()
        assert report["rounds_completed"] == ROUNDS
        assert [(one["round"], one["attempt"]) for one in report["attempts"]] == [(n + 1, 1) for n in range(ROUNDS)]
        for site in federation.sites:
            assert "Whole" in federation.site(site, "journal", "verify")
            federation.processes.stop(site)
            assert federation.reservations(site) == [(number + 1, 1) for number in range(ROUNDS)]


def test_a_frozen_gateway_is_noticed_and_a_revoked_site_is_cut_off(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The promises are 10 s and 1 s; asserted with room for a busy machine, and printed as measured."""
    with Federation(tmp_path) as federation:
        federation.found()
        federation.join("north")
        federation.start_site("north")
        federation.wait(lambda: federation.attached() == {"north"}, "north to attach")
        gateway = federation.gateway("north")
        assert gateway is not None
        os.kill(gateway, signal.SIGSTOP)
        noticed = federation.wait(lambda: federation.attached() == set(), "the frozen gateway to be noticed")
        os.kill(gateway, signal.SIGCONT)
        federation.wait(lambda: federation.attached() == {"north"}, "the gateway to come back")
        federation.lead("sites", "revoke", "north", "--yes")
        cut = federation.wait(lambda: federation.attached() == set(), "the revoked site to be cut off")
        assert federation.wait(lambda: not federation.status("north")["gateway"]["attached"], "the site to see it") >= 0
        with capsys.disabled():
            sys.stderr.write(f"\nfrozen gateway noticed in {noticed:.1f} s, revoked site cut off in {cut:.2f} s\n")
        assert noticed <= 30
        assert cut <= 3
        federation.processes.stop("north")
        federation.start_site("north")
        assert federation.attached() == set(), "a revoked site stays out"


def test_a_site_ends_with_its_supervisor(tmp_path: Path) -> None:
    """SIGKILL to `fedward-site run` leaves neither vault, nor gateway, nor training worker behind."""
    with Federation(tmp_path) as federation:
        federation.found()
        federation.join("north")
        federation.start_site("north")
        vault, gateway = federation.vault("north"), federation.gateway("north")
        assert vault is not None
        assert gateway is not None
        (worker,) = children_of(vault)
        federation.processes.stop("north", signal.SIGKILL)
        federation.wait(
            lambda: not any(is_alive(pid) for pid in (vault, gateway, worker)), "the site's processes to end"
        )
        federation.start_site("north")
        federation.wait(lambda: federation.attached() == {"north"}, "north to attach again")


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
