"""Runs a task in a confined worker, watches it, and ends it. This process reads nothing that somebody else wrote."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Any

from fedward_client import leash
from fedward_client.importer.program.confinement import SCRATCH, Confined, Confinement, confinement_to
from fedward_client.importer.program.launching import prefix
from fedward_client.importer.program.lines import Lines, line
from fedward_client.importer.program.watch import Watch, limit_reached
from fedward_client.importer.removal import remove_tree
from fedward_shared import errors
from fedward_shared.errors import FedwardError, ImporterError, StudyFileError

__all__ = ["Outcome", "run_confined"]

_WORKER = "fedward_client.importer.program.worker"
_PATIENCE_MS = 20
_GRACE_SECONDS = 2.0
_PIECE = 1 << 16
_MOST_SAID = 4096
_LONGEST_MESSAGE = 20_000
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
_PASSED_ON_PREFIXES = ("OMP_", "OPENBLAS_", "MKL_", "POLARS_", "RAYON_")
_ERRORS = {
    kind.__name__: kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, FedwardError)
}
_TRY_AGAIN = "Nothing was imported, and the inbox is as it was. Run the command again."


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a task answered, how it was confined, and what it used (`memory` in bytes, as far as was seen)."""

    answer: Mapping[str, Any]
    confined: Confined
    seconds: float
    memory: int


def run_confined(
    task: str,
    order: Mapping[str, Any],
    terms: Confinement,
    *,
    progress: Callable[[int, int], None] = lambda _done, _of: None,
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Outcome:
    """Runs `task` ("module:function", see `worker.Task`) in a worker of its own and waits for its end.

    What the worker left in `terms.staging` is for the caller to check; its temporary files are gone.

    Args:
        task: what to run; never made of anything that a source holds.
        order: the task's argument: plain JSON values.
        terms: what the worker may do.
        progress: told how far the task is.
        environment: variables for the worker alone, such as a database's password; they travel with the order, so no
            list of processes shows them.

    Raises:
        ImporterError: a limit was passed, or the worker ended or failed in a way that nobody foresaw.
        IsolationError: the worker could reach what it must not.
        FedwardError: what the task raised.
    """
    document = line(
        {
            "task": task,
            "order": dict(order),
            "confinement": confinement_to(terms),
            "environment": dict(environment),
        }
    )
    process = subprocess.Popen(
        [*prefix(terms.forbidden.folders, network=terms.networked), *leash.command(_WORKER)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=_environment(),
        start_new_session=True,
        cwd="/",
    )
    try:
        return _Talk(process, document, terms, progress).run()
    finally:
        _end(process)
        remove_tree(terms.staging / SCRATCH)


class _Talk:
    """What the parent and one worker tell each other."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        document: bytes,
        terms: Confinement,
        progress: Callable[[int, int], None],
    ) -> None:
        self._process = process
        self._orders, self._answers = _handle(process.stdin), _handle(process.stdout)
        self._pending = memoryview(document)
        self._limits = terms.limits
        self._watch = Watch(process.pid, terms.staging, terms.limits)
        self._progress = progress
        self._lines = Lines()
        self._confined: Confined | None = None
        os.set_blocking(self._orders, False)

    def run(self) -> Outcome:
        """Until the worker has answered, ended, or passed a limit."""
        ready = select.poll()
        ready.register(self._answers, select.POLLIN)
        ready.register(self._orders, select.POLLOUT)
        while True:
            events = dict(ready.poll(_PATIENCE_MS))
            self._watch.check()
            if self._orders in events and not self._send():
                ready.unregister(self._orders)
            if self._answers in events:
                piece = os.read(self._answers, _PIECE)
                if not piece:
                    raise self._ended()
                for document in self._lines.add(piece):
                    answer = self._take(document)
                    if answer is not None:
                        return answer

    def _send(self) -> bool:
        """Whether there is more to send; the pipe stays open, since its end would end the worker."""
        try:
            self._pending = self._pending[os.write(self._orders, self._pending) :]
        except BlockingIOError:
            return True
        except BrokenPipeError:
            return False
        return bool(self._pending)

    def _take(self, document: dict[str, Any]) -> Outcome | None:
        match document:
            case {"progress": [int(done), int(of)]}:
                self._progress(done, of)
            case {"confined": {"holds": list(holds), "lacks": list(lacks), "reached": list(found)}}:
                self._confined = Confined(_texts(holds), _texts(lacks), _texts(found))
            case {"done": dict(answer)} if self._confined is not None:
                return Outcome(answer, self._confined, self._watch.seconds, self._watch.peak)
            case {"error": dict(error)}:
                raise self._failure(error)
            case _:
                raise ImporterError("the importer's worker sent what nobody expects", hint=_TRY_AGAIN)
        return None

    def _failure(self, error: dict[str, Any]) -> FedwardError:
        kind, limit = str(error.get("kind")), error.get("limit")
        if kind == "limit":
            return limit_reached(str(limit), self._limits)
        if kind not in _ERRORS:
            places = " < ".join(reversed(_texts(error.get("places", []))))
            return ImporterError(
                f"the importer failed in a way that nobody foresaw ({_text(error.get('type'))} at {places})",
                hint="This is a defect. Please report this line; it holds nothing of your data. " + _TRY_AGAIN,
            )
        message, hint = _text(error.get("message")), _text(error.get("hint"))
        if kind == StudyFileError.__name__:
            return StudyFileError(message, problems=_texts(error.get("problems", [])), hint=hint)
        return _ERRORS[kind](message, hint=hint)

    def _ended(self) -> ImporterError:
        """The error for a worker that closed its pipe without an answer."""
        code: int | None = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(_GRACE_SECONDS)
        if code is not None and code < 0:
            return ImporterError(
                f"the importer's worker was ended by {_signal_name(-code)}",
                hint=f"If nobody stopped it, this machine may be short of memory. {_TRY_AGAIN}",
            )
        said = ""
        if self._confined is None and self._process.stderr is not None:  # before that, no data were open
            os.set_blocking(self._process.stderr.fileno(), False)
            said = _text((self._process.stderr.read(_MOST_SAID) or b"").decode(errors="replace")).strip()
        return ImporterError(
            f"the importer's worker ended without an answer (exit status {code})" + (f":\n{said}" if said else ""),
            hint=_TRY_AGAIN,
        )


def _environment() -> dict[str, str]:
    """Only what a Python needs to start and to behave alike; secrets in the caller's environment stay there."""
    kept = {
        name: value for name, value in os.environ.items() if name in _PASSED_ON or name.startswith(_PASSED_ON_PREFIXES)
    }
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kills the worker and whatever it may have started, and closes its pipes."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _handle(pipe: IO[bytes] | None) -> int:
    if pipe is None:
        raise ImporterError("the importer's worker has no pipe")
    return pipe.fileno()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _texts(values: object) -> tuple[str, ...]:
    return tuple(map(_text, values)) if isinstance(values, list | tuple) else ()


def _text(value: object) -> str:
    """What a worker says, cut, and without anything that a terminal would obey."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in str(value)[:_LONGEST_MESSAGE])
