"""How far `run` is, in a file that `status` reads: nothing in it is needed to go on."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from fedward_shared.files import write_atomic

__all__ = ["Running", "StatusBoard", "is_running", "read_status"]

_READABLE = 0o644
_FILE = "status.json"


@dataclass(frozen=True, slots=True)
class Running:
    """One moment of `run`. `updated` is in seconds since 1970; `study` is an id, empty between studies."""

    pid: int
    updated: float
    link_port: int
    enrolment_port: int
    attached: tuple[str, ...] = ()
    study: str = ""
    name: str = ""
    phase: str = ""
    round: int = 0
    rounds: int = 0
    attempt: int = 0
    text: str = ""


class StatusBoard:
    """Writes the file whenever something changes. Safe to use from any thread."""

    def __init__(self, root: Path, *, link_port: int, enrolment_port: int) -> None:
        self._path = root / _FILE
        self._lock = threading.Lock()
        self._fields = asdict(Running(os.getpid(), time.time(), link_port, enrolment_port))
        self.show()

    def show(self, **changes: object) -> None:
        """Changes these fields and writes the file."""
        with self._lock:
            self._fields.update(changes, updated=time.time())
            write_atomic(self._path, json.dumps(self._fields).encode() + b"\n", mode=_READABLE)


def read_status(root: Path) -> Running | None:
    """What `run` wrote last, whether or not it still runs."""
    try:
        fields = json.loads((root / _FILE).read_bytes())
        return Running(**{**fields, "attached": tuple(fields["attached"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def is_running(root: Path) -> bool:
    """Whether a process holds the folder's lock."""
    try:
        handle = os.open(root / "lock", os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
