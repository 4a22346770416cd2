"""Real processes for tests: started on a leash, logged, and always ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

__all__ = ["PATIENCE", "Processes", "children_of", "wait_for"]

PATIENCE = 150.0
"""Seconds before a test gives up waiting; what is waited for takes a few at most."""

_LEASHED = (
    "import os, sys; from fedward_client.leash import hold; hold(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"
)
_STOP_SECONDS = 20.0


def wait_for(
    condition: Callable[[], object],
    what: str,
    *,
    patience: float = PATIENCE,
    pause: float = 0.05,
    explain: Callable[[], str] = lambda: "",
) -> float:
    """Waits until `condition` holds, looking every `pause` seconds; returns how many seconds it took."""
    started = time.monotonic()
    while not condition():
        waited = time.monotonic() - started
        assert waited < patience, f"waited {waited:.0f} s in vain for {what}\n{explain()}"
        time.sleep(pause)
    return time.monotonic() - started


def children_of(pid: int) -> list[int]:
    """Process ids of the direct children."""
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


class Processes:
    """Runs the console scripts beside this Python. As a context: what was started is ended on leaving."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = {**os.environ, **environment}
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        limit = time.monotonic() + _STOP_SECONDS
        for process in self._started.values():
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def run(self, script: str, *arguments: str | Path, code: int = 0) -> str:
        """Runs a command to its end; its standard output. The exit code must be `code`."""
        line = [_script(script), *map(str, arguments)]
        done = subprocess.run(
            line,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
            env=self._environment,
            stdin=subprocess.DEVNULL,
        )
        said = f"{' '.join(line)}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == code, f"exit code {done.returncode} instead of {code}: {said}"
        return done.stdout + done.stderr if code else done.stdout

    def start(self, name: str, script: str, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Starts a command that goes on; `log(name)` is what it says. It ends with the process that runs the tests."""
        line = [sys.executable, "-c", _LEASHED, str(os.getpid()), _script(script), *map(str, arguments)]
        with self._log_file(name).open("ab") as log:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment, start_new_session=True
            )
        self._started[name] = process
        return process

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends what was started as `name`, and waits for it."""
        process = self._started.pop(name)
        process.send_signal(number)
        return process.wait(PATIENCE)

    def wait(self, name: str) -> int:
        """Waits until what was started as `name` ends by itself."""
        return self._started[name].wait(PATIENCE)

    def pid(self, name: str) -> int:
        """The process id of what was started as `name`."""
        return self._started[name].pid

    def is_running(self, name: str) -> bool:
        """Whether what was started as `name` still runs."""
        return self._started[name].poll() is None

    def log(self, name: str) -> str:
        """What `name` said so far."""
        file = self._log_file(name)
        return file.read_text(errors="replace") if file.exists() else ""

    def logs(self) -> Iterator[tuple[str, str]]:
        """Everything that was said, by name."""
        for file in sorted(self._logs.iterdir()):
            yield file.stem, file.read_text(errors="replace")

    def _log_file(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def _script(name: str) -> str:
    return str(Path(sys.executable).parent / name)
