"""Runs the installed commands as programs, and never leaves one behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from fedward_shared.errors import FedwardError

__all__ = ["Program", "Programs", "alive", "wait_until"]

_CALL_SECONDS = 120.0
_STOP_SECONDS = 20.0
_LOOK_SECONDS = 0.05
_TAIL_LINES = 15


class Program:
    """A running command, in a session of its own, with its output in `log`."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def check(self) -> None:
        """Raises FedwardError with the end of its log where it has ended."""
        code = self._process.poll()
        if code is not None:
            raise FedwardError(f"{self.name} ended with exit code {code}\n{self.tail()}", hint=f"Its log: {self.log}")

    def ended(self) -> int | None:
        """Its exit code, once it has one."""
        return self._process.poll()

    def tail(self) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-_TAIL_LINES:])

    def kill(self) -> None:
        """SIGKILL: no chance to tidy up."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL to its whole session where that is not enough."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()


class Programs:
    """A context in which commands run; leaving it, however, ends every one of them."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._running: list[Program] = []

    def __enter__(self) -> Self:
        self._logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in reversed(self._running):
            program.stop()

    def start(self, name: str, command: str, *arguments: str) -> Program:
        """Starts a command that goes on running."""
        program = Program(name, [_installed(command), *arguments], self._logs / f"{name}.log")
        self._running.append(program)
        return program

    def call(self, command: str, *arguments: str) -> str:
        """Runs a command to its end and returns what it printed.

        Raises:
            FedwardError: it failed; its own words are in the message.
        """
        done = subprocess.run(
            [_installed(command), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_CALL_SECONDS,
            check=False,
        )
        with (self._logs / "commands.log").open("a", encoding="utf-8") as log:
            log.write(f"$ {command} {' '.join(arguments)}\n{done.stdout}{done.stderr}")
        if done.returncode:
            words = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise FedwardError(f"{command} {' '.join(arguments)} ended with exit code {done.returncode}\n{words}")
        return done.stdout


def wait_until(found: Callable[[], bool], seconds: float, what: str) -> None:
    """Looks again and again, and gives up after `seconds`.

    Raises:
        FedwardError: it never came true.
    """
    deadline = time.monotonic() + seconds
    while not found():
        if time.monotonic() > deadline:
            raise FedwardError(f"waited {seconds:g} s in vain for {what}", hint="The logs are in the output folder.")
        time.sleep(_LOOK_SECONDS)


def alive(pid: int) -> bool:
    """Whether a process runs (a zombie does not)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _installed(command: str) -> str:
    path = Path(sys.executable).with_name(command)
    if not path.exists():
        raise FedwardError(
            f"{command} is not installed beside {sys.executable}", hint="pip install --editable '.[demo]'"
        )
    return str(path)
