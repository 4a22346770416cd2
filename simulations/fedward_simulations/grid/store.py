"""Keeps finished cells under what decides their result, so that none is trained twice and a changed one always is."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from fedward_client.imported import read_record
from fedward_simulations.grid.bench import Task
from fedward_simulations.grid.code import code_digest
from fedward_simulations.grid.result import DamagedError, Result, read_result, write_result

__all__ = ["Store", "key_of"]

_LAYOUT = 1
_STALE_SECONDS = 3600


def key_of(task: Task, manifests: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) over what decides the result of a task.

    That is: the published studies that it trains, the version of every site's import (which covers its files and the
    contract), method, seed, fold and the site held out, the code (`code.code_digest`), and the layout of files here.
    """
    cell = task.cell
    fold = [cell.fold.number, cell.fold.count, cell.fold.seed] if cell.fold else []
    parts = {
        "layout": _LAYOUT,
        "code": code_digest().hex(),
        "studies": {name: hashlib.sha256(manifest).hexdigest() for name, manifest in manifests.items()},
        "imports": {site: read_record(folder).version for site, folder in task.bench.folders},
        "cell": [cell.method, cell.seed, cell.held_out, fold],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Store:
    """A folder of finished cells. Several runs may use it at once."""

    folder: Path

    def find(self, key: str) -> Result | None:
        """The result under a key; None where there is none.

        Raises:
            DamagedError: there is one that is not what was written.
        """
        place = self._place(key)
        return read_result(place) if place.exists() else None

    def keep(self, key: str, result: Result, about: Mapping[str, object]) -> None:
        """Keeps a result, whole or not at all."""
        place = self._place(key)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_result(place, result, about)

    def discard(self, key: str) -> None:
        """Forgets a damaged result."""
        shutil.rmtree(self._place(key), ignore_errors=True)

    @contextmanager
    def claimed(self, key: str) -> Iterator[None]:
        """Waits until no other process works on this key, and keeps others waiting meanwhile; a killed one does not."""
        lock = self._place(key).with_suffix(".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
            lock.unlink(missing_ok=True)
        finally:
            os.close(handle)

    def intact(self, key: str) -> bool:
        """Whether there is a result, after a damaged one was discarded."""
        try:
            return self.find(key) is not None
        except DamagedError:
            self.discard(key)
            return False

    def tidy(self) -> None:
        """Removes what runs that were killed while they wrote left behind: what nobody has touched for an hour."""
        for left in self.folder.glob("cells/*/.cell-*"):
            with suppress(OSError):
                if time.time() - left.stat().st_mtime > _STALE_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)

    def _place(self, key: str) -> Path:
        return self.folder / "cells" / key[:2] / key
