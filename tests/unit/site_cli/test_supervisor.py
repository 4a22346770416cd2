"""The supervisor with small children: what crashes is started again, what refuses stops everything, nothing stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fedward_client.gateway.settings import STATUS_FILE
from fedward_client.gateway.status import State, StatusFile
from fedward_client.home import SiteHome
from fedward_client.leash import command
from fedward_client.supervisor import Child, Supervisor, gateway_child, running
from fedward_shared.errors import LockedError, RefusedError

pytestmark = pytest.mark.processes

PATIENCE = 30.0
ONE_SLEEPER = """
import sys
from pathlib import Path
from fedward_client.supervisor import Child, Supervisor
folder = Path(sys.argv[1])
line = (sys.executable, "-c", "import time; time.sleep(60)")
Supervisor([Child("vault", line, folder / "a.log", folder / "vault.pid")], print).run()
"""
TWO_LEASHED = """
import sys
from pathlib import Path
from fedward_client.leash import command
from fedward_client.supervisor import Child, Supervisor
folder = Path(sys.argv[1])
def make(name, *prefix):
    return Child(name, (*prefix, *command("sleeper")), folder / "log", folder / f"{name}.pid")
Supervisor([make("plain"), make("isolated", "unshare", "-Urn", "--")], print).run()
"""


def child(folder: Path, script: str, name: str = "vault") -> Child:
    """A child that runs `script`, which sees `folder` as `folder`."""
    text = f"import pathlib, os, signal, sys, time; folder = pathlib.Path({str(folder)!r}); {script}"
    return Child(name, (sys.executable, "-c", text), folder / "logs" / f"{name}.log", folder / f"{name}.pid")


def wait_for(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < limit, "nothing happened"
        time.sleep(0.02)


def test_a_crashed_child_is_started_again_and_sigterm_ends_all(tmp_path: Path) -> None:
    """The child counts its starts in a file, dies twice, and ends the supervisor from its third life."""
    script = (
        "log = folder / 'starts'; log.write_text((log.read_text() if log.exists() else '') + 'x'); "
        "starts = len(log.read_text()); "
        "starts == 1 and os.kill(os.getpid(), signal.SIGKILL); starts == 2 and sys.exit(1); "
        "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    )
    said: list[str] = []
    Supervisor([child(tmp_path, script)], said.append).run()
    assert (tmp_path / "starts").read_text() == "xxx"
    assert [line for line in said if "SIGKILL" in line]
    assert [line for line in said if "exit code 1" in line]
    assert said[-1] == "vault: stopped"
    assert running(tmp_path / "vault.pid") is None


def test_a_refusal_stops_everything_with_the_childs_own_words(tmp_path: Path) -> None:
    steady = child(tmp_path, "time.sleep(60)", "gateway")
    refusing = child(tmp_path, "sys.stderr.write('error: there is a network\\n'); sys.exit(3)")
    with pytest.raises(RefusedError, match="there is a network") as caught:
        Supervisor([refusing, steady], lambda _: None).run()
    assert caught.value.exit_code == 3
    assert running(steady.pid_file) is None


def test_a_second_supervisor_is_refused_but_two_may_share_out_the_children(tmp_path: Path) -> None:
    ends_us = "os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)"
    line = [sys.executable, "-c", ONE_SLEEPER, str(tmp_path)]
    second = subprocess.Popen(line, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: running(tmp_path / "vault.pid"))
        with pytest.raises(LockedError):
            Supervisor([child(tmp_path, "time.sleep(60)")], lambda _: None).run()
        Supervisor([child(tmp_path, ends_us, "gateway")], lambda _: None).run()
    finally:
        second.terminate()
        assert second.wait(PATIENCE) == 0


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    """Through the leash, and behind unshare, where the setting would be lost if it were made before."""
    (tmp_path / "sleeper.py").write_text("import time; time.sleep(60)")
    supervisor = subprocess.Popen(
        [sys.executable, "-c", TWO_LEASHED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.DEVNULL,
    )
    files = [tmp_path / "plain.pid", tmp_path / "isolated.pid"]
    try:
        wait_for(lambda: all(running(file) and _is_module(file, "sleeper") for file in files))
        pids = [json.loads(file.read_text())["pid"] for file in files]
    finally:
        supervisor.send_signal(signal.SIGKILL)
        supervisor.wait(PATIENCE)
    for file, pid in zip(files, pids, strict=True):
        wait_for(lambda file=file: running(file) is None)  # type: ignore[misc]
        assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()


def _is_module(file: Path, module: str) -> bool:
    """Whether the process has come as far as to run `module`, so the leash is on."""
    line = Path(f"/proc/{json.loads(file.read_text())['pid']}/cmdline").read_bytes()
    return module.encode() in line and b"unshare" not in line


def test_a_leashed_process_does_not_outlive_a_parent_that_is_gone_already() -> None:
    line = list(command("fedward_shared.version"))
    line[4] = "1"
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert done.returncode == 1
    assert "has ended" in done.stderr


def test_what_a_child_says_of_its_state_is_announced_once_each_time_it_changes(tmp_path: Path) -> None:
    words = iter(["connecting", "connecting", "", "attached", "attached", "cannot reach it"])

    def tells(_since: float) -> str:
        said = next(words, "end")
        if said == "end":
            os.kill(os.getpid(), signal.SIGTERM)
        return said

    said: list[str] = []
    Supervisor([replace(child(tmp_path, "time.sleep(60)"), tells=tells)], said.append).run()
    assert [line.removeprefix("vault: ") for line in said[1:5]] == ["connecting", "attached", "cannot reach it", "end"]


def test_the_gateways_state_of_an_earlier_life_is_not_told(tmp_path: Path) -> None:
    home = SiteHome(tmp_path)
    home.make_folders()
    status = StatusFile(home.gateway_dir / STATUS_FILE, "example.org:1", lambda: 1000.0)
    status.now(State.ATTACHED, "north")
    tells = gateway_child(home).tells
    assert tells(2000.0) == ""
    assert tells(999.5) == "attached"
    status.failed("cannot reach the coordinator")
    status.now(State.CONNECTING)
    assert tells(999.5) == "cannot reach the coordinator"


def test_a_pid_file_of_another_life_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "vault.pid"
    file.write_text(json.dumps({"pid": os.getpid(), "started": 0.0, "ticks": 1}))
    assert running(file) is None
    file.write_text("not json")
    assert running(file) is None


def test_the_log_keeps_only_its_owners_eyes(tmp_path: Path) -> None:
    one = child(tmp_path, "print('hello', flush=True); os.kill(os.getppid(), signal.SIGTERM); time.sleep(60)")
    Supervisor([one], lambda _: None).run()
    assert one.log.read_text() == "hello\n"
    assert one.log.stat().st_mode & 0o777 == 0o600
