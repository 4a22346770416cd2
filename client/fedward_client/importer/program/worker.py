"""`python -m fedward_client.importer.program.worker`: the process that parses what others wrote. It lives for one task.

The order comes as one line on standard input, which then stays open: when the parent dies, it ends, and this process
with it. Answers leave through what was standard output. What libraries print goes nowhere, since they print cells; of
an unexpected error only its kind and its place are told.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from fedward_client.importer.program.confine import confine
from fedward_client.importer.program.confinement import SCRATCH, Confined, Confinement, confinement_from
from fedward_client.importer.program.lines import LONGEST_LINE, Lines, line
from fedward_client.importer.program.proof import reachable_network, reached
from fedward_shared.errors import FedwardError, ImporterError, IsolationError, StudyFileError

__all__ = ["Task", "main"]

Task = Callable[[dict[str, Any], Path, Callable[[int, int], None]], dict[str, Any]]
"""What a worker runs: (order, staging folder, progress) → answer, both plain JSON values."""

_PR_SET_PDEATHSIG = 1
_PIECE = 1 << 16
_PAUSE = 0.1


def main() -> None:
    """Takes an order, is confined, tries the confinement, does the task, answers, ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    orders, answers = os.dup(0), os.dup(1)
    _mute()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        answer = line(_serve(_order(orders), orders, answers))
    except BaseException as error:  # noqa: BLE001  # whatever it was; a panic in polars is no Exception
        answer = line({"error": _told(error)})
    with contextlib.suppress(OSError):
        _write(answers, answer)
    os._exit(0)  # nothing that a library left for the end is run


def _serve(order: dict[str, Any], orders: int, answers: int) -> dict[str, Any]:
    terms = confinement_from(order["confinement"])
    _write(answers, line({"confined": _confined(terms)}))
    threading.Thread(target=_until_parent_ends, args=(orders,), daemon=True).start()
    scratch = terms.staging / SCRATCH
    scratch.mkdir(mode=0o700)
    os.environ.update({name: str(scratch) for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR")})
    os.environ.update(order["environment"])
    module, _, name = order["task"].partition(":")
    task: Task = getattr(import_module(module), name)
    return {"done": task(order["order"], terms.staging, _Progress(answers))}


def _confined(terms: Confinement) -> dict[str, list[str]]:
    holds, lacks = confine(terms)
    found = Confined(holds, lacks, reached(terms.forbidden))
    ways = reachable_network(terms)
    if found.reached and not terms.unsafe:
        raise IsolationError(
            "the program that reads source files could open what is the vault's alone, so nothing was read:\n"
            + "\n".join(f"  - {path}" for path in found.reached),
            hint=(
                "A source must not be a folder around the site's. Otherwise import as another user than the vault's "
                "(see docs/site.md), or on Linux 5.13 or later with Landlock "
                "or user namespaces on; fedward-site doctor tells what this system lacks. To go on without this "
                "protection, and only with source files that you trust: --unsafe-unconfined-importer"
            ),
        )
    network = [f"no network: {way} is not cut off" for way in ways]
    kept = [] if ways or terms.networked else ["no network"]
    return {"holds": [*found.holds, *kept], "lacks": [*found.lacks, *network], "reached": list(found.reached)}


class _Progress:
    """Tells the parent how far the task is, some ten times a second at most."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._told = 0.0

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._told >= _PAUSE:
            self._told = now
            _write(self._answers, line({"progress": [done, of]}))


def _order(handle: int) -> dict[str, Any]:
    lines = Lines(LONGEST_LINE)
    while piece := os.read(handle, _PIECE):
        for order in lines.add(piece):
            return order
    os._exit(0)


def _until_parent_ends(handle: int) -> None:
    with contextlib.suppress(OSError):
        while os.read(handle, _PIECE):
            pass
    os._exit(0)


def _mute() -> None:
    """From here on nothing that this process prints, by whatever library or language, is kept."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.close(nothing)


def _write(handle: int, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[os.write(handle, view) :]


def _told(error: BaseException) -> dict[str, Any]:
    """Our own errors say what to do. Of others the kind and the place: a library's message may hold a cell."""
    if isinstance(error, FedwardError):
        problems = list(error.problems) if isinstance(error, StudyFileError) else []
        return {"kind": type(error).__name__, "message": error.message, "hint": error.hint, "problems": problems}
    if isinstance(error, MemoryError):
        return {"kind": "limit", "limit": "memory"}
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return {"kind": "limit", "limit": "output"}
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return {"kind": ImporterError.__name__, "message": "the disk is full", "hint": "Make room.", "problems": []}
    places = [f"{Path(place.filename).name}:{place.lineno}" for place in traceback.extract_tb(error.__traceback__)]
    return {"kind": "unexpected", "type": type(error).__name__, "places": places[-6:]}


if __name__ == "__main__":
    main()
