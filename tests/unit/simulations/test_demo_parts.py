"""The demo measures isolation from outside, and leaves no process behind, whatever happens."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fedward_shared.errors import FedwardError
from fedward_simulations.demo.evidence import network_of
from fedward_simulations.demo.programs import Program, Programs, alive, wait_until

SLEEP = [sys.executable, "-c", "import time; print('here', flush=True); time.sleep(60)"]


def test_our_own_network_counts_as_one() -> None:
    network = network_of(os.getpid())
    assert network.shared
    assert network.usable


def test_an_empty_namespace_counts_as_none() -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make namespaces")
    with subprocess.Popen([unshare, "-Urn", *SLEEP], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            network = network_of(process.pid)
        finally:
            process.kill()
    assert (network.shared, network.interfaces, network.routes) == (False, ("lo",), 0)
    assert not network.usable


def test_an_ended_process_is_an_error() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with pytest.raises(FedwardError, match="cannot be seen"):
        network_of(process.pid)


def test_a_program_is_stopped(tmp_path: Path) -> None:
    program = Program("sleeper", SLEEP, tmp_path / "log")
    wait_until(lambda: "here" in program.tail(), 30, "the program")
    assert alive(program.pid)
    program.stop()
    assert not alive(program.pid)
    assert program.ended() == -signal.SIGTERM


def test_a_program_that_ends_is_told_with_its_own_words(tmp_path: Path) -> None:
    program = Program("failing", [sys.executable, "-c", "import sys; sys.exit('no disk')"], tmp_path / "log")
    wait_until(lambda: program.ended() is not None, 30, "its end")
    with pytest.raises(FedwardError, match="no disk"):
        program.check()


def test_leaving_the_context_by_an_error_ends_every_program(tmp_path: Path) -> None:
    started: list[Program] = []

    def interrupted() -> None:
        with Programs(tmp_path) as programs:
            started.append(programs.start("coordinator", Path(SLEEP[0]).name, *SLEEP[1:]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not alive(started[0].pid)


def test_a_failed_command_is_told_with_its_own_words(tmp_path: Path) -> None:
    with Programs(tmp_path) as programs, pytest.raises(FedwardError, match="no such file"):
        programs.call(Path(sys.executable).name, "-c", "import sys; sys.exit('no such file')")


def test_waiting_in_vain_ends() -> None:
    with pytest.raises(FedwardError, match="in vain for rain"):
        wait_until(lambda: False, 0.1, "rain")
