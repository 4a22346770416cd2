"""Keeps a site's two processes alive: the vault, isolated, and the gateway. `fedward-site run` is this.

A child that crashes is started again after a pause that doubles; one that *refuses* (exit codes 2 and 3: the vault has
a network, another process owns the folder) would refuse again, so everything stops and says why. Where the supervisor
itself is killed, the children end too (`leash`). It opens no socket and no data.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import BinaryIO

from fedward_client.gateway.settings import STATUS_FILE
from fedward_client.gateway.status import State, read_status
from fedward_client.home import SiteHome
from fedward_client.leash import command
from fedward_client.vault.isolation import UNSAFE_SWITCH
from fedward_shared.errors import FedwardError, RefusedError, UsageError
from fedward_shared.files import FolderLock, write_atomic

__all__ = ["Child", "Supervisor", "gateway_child", "running", "vault_child"]

_TICK_SECONDS = 0.1
_LOOK_SECONDS = 0.5
_STOP_SECONDS = 15.0
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 30.0
_LOG_BYTES = 16 * 1024 * 1024
_TAIL_BYTES = 4096
_USED_WRONGLY = 2
_REFUSED = 3
_OWNER_ONLY = 0o600


@dataclass(frozen=True, slots=True)
class Child:
    """A process to keep alive. It is ready when its `socket` (if it has one) takes a connection.

    `tells` gives what the process itself says of its state, in words, once it has been running since a time (seconds
    since 1970); empty where it has said nothing yet.
    """

    name: str
    command: tuple[str, ...]
    log: Path
    pid_file: Path
    socket: Path | None = None
    tells: Callable[[float], str] = lambda _since: ""


def vault_child(home: SiteHome, prefix: Sequence[str], *, unsafe: bool) -> Child:
    """The vault, behind the words that isolate it (`vault.launcher`)."""
    switches = (UNSAFE_SWITCH,) if unsafe else ()
    line = (*prefix, *command("fedward_client.vault.serve", "--home", str(home.root.absolute()), *switches))
    return Child("vault", line, home.logs / "vault.log", home.run_dir / "vault.pid", home.admin_sock)


def gateway_child(home: SiteHome) -> Child:
    """The gateway."""
    line = command("fedward_client.gateway", "--home", str(home.root.absolute()))
    status = home.gateway_dir / STATUS_FILE

    def tells(since: float) -> str:
        found = read_status(status)
        if found is None or max(found.since, found.last_error_at) < int(since):
            return ""
        return found.state if found.state == State.ATTACHED or not found.last_error else found.last_error

    return Child("gateway", line, home.logs / "gateway.log", home.run_dir / "gateway.pid", tells=tells)


def running(pid_file: Path) -> int | None:
    """The process id in a pid file, where that process is alive and is the one that the file was written for."""
    try:
        recorded = json.loads(pid_file.read_text(encoding="ascii"))
        pid, started = int(recorded["pid"]), int(recorded["ticks"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return pid if _start_ticks(pid) == started else None


def _start_ticks(pid: int) -> int | None:
    """When a process started, in clock ticks since the machine did (proc(5), stat, field 22)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else int(fields[19])


@dataclass(slots=True)
class _Running:
    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    since: float = 0.0
    ready: bool = False
    told: str = ""
    look_at: float = 0.0
    pause: float = _FIRST_PAUSE_SECONDS
    start_at: float = 0.0


class Supervisor:
    """Starts children, watches them, starts them again; `run` returns after SIGTERM or Ctrl-C."""

    def __init__(self, children: Sequence[Child], announce: Callable[[str], None]) -> None:
        self._announce = announce
        self._states = [_Running(child) for child in children]
        self._stopping = False

    def run(self) -> None:
        """Until told to stop.

        Raises:
            LockedError: another supervisor runs this site.
            RefusedError, UsageError: a child refused to start; its own words are in the message.
        """
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            with ExitStack() as held:
                for state in self._states:
                    held.enter_context(FolderLock(_lock_folder(state.child)))
                held.callback(self._end_all)
                while not self._stopping:
                    self._step(time.monotonic())
                    time.sleep(_TICK_SECONDS)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _step(self, now: float) -> None:
        for state in self._states:
            if state.process is None:
                if now >= state.start_at:
                    self._start(state, now)
            elif state.process.poll() is not None:
                self._ended(state, state.process.returncode, now)
            elif now >= state.look_at:
                state.look_at = now + _LOOK_SECONDS
                self._look(state)

    def _look(self, state: _Running) -> None:
        """Says what has changed with a child that runs."""
        child = state.child
        if child.socket and not state.ready and _answers(child.socket):
            state.ready = True
            self._announce(f"{child.name}: ready")
        told = child.tells(state.since)
        if told not in {"", state.told}:
            self._announce(f"{child.name}: {told}")
            state.told = told

    def _start(self, state: _Running, now: float) -> None:
        child = state.child
        with _open_log(child.log) as log:
            state.process = subprocess.Popen(
                child.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        pid = state.process.pid
        state.started, state.since, state.ready, state.told = now, time.time(), False, ""
        record = {"pid": pid, "started": round(state.since, 3), "ticks": _start_ticks(pid)}
        write_atomic(child.pid_file, json.dumps(record).encode())
        self._announce(f"{child.name}: started (process {pid}, log {child.log})")

    def _ended(self, state: _Running, code: int, now: float) -> None:
        child = state.child
        child.pid_file.unlink(missing_ok=True)
        state.process = None
        if code in {_USED_WRONGLY, _REFUSED}:
            raise _refusal(child, code)
        if now - state.started >= _STEADY_SECONDS:
            state.pause = _FIRST_PAUSE_SECONDS
        state.start_at = now + state.pause
        how = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._announce(f"{child.name}: {how}; starting it again in {state.pause:g} s (log {child.log})")
        state.pause = min(2 * state.pause, _LONGEST_PAUSE_SECONDS)

    def _end_all(self) -> None:
        """SIGTERM to all, the gateway first; SIGKILL to whatever is still there after 15 s."""
        alive = [(state.child, state.process) for state in reversed(self._states) if state.process is not None]
        for _, process in alive:
            process.terminate()
        limit = time.monotonic() + _STOP_SECONDS
        for child, process in alive:
            try:
                process.wait(max(0.1, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            child.pid_file.unlink(missing_ok=True)
            self._announce(f"{child.name}: stopped")


def _lock_folder(child: Child) -> Path:
    """One for each child, so that two supervisors may have one child each."""
    folder = child.pid_file.with_suffix("")
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _open_log(path: Path) -> BinaryIO:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if path.exists() and path.stat().st_size > _LOG_BYTES:
        path.replace(path.with_suffix(".log.1"))
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, _OWNER_ONLY), "ab")


def _refusal(child: Child, code: int) -> FedwardError:
    with child.log.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
        tail = log.read().decode("utf-8", errors="replace")
    words = tail[tail.rfind("error: ") :].strip() if "error: " in tail else tail.strip()
    kind = UsageError if code == _USED_WRONGLY else RefusedError
    return kind(f"the {child.name} does not start\n{words}", hint=f"Its log: {child.log}")
