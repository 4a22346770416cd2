"""Looks after a worker from outside: its memory, what it writes, how long it takes."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import time
from pathlib import Path

from fedward_client.importer.order import Limits
from fedward_shared.errors import ImporterError

__all__ = ["Watch", "check_room", "limit_reached", "written_bytes"]

_OUTPUT_PAUSE = 0.25
_MB = 1_000_000
_KIB = 1024
_RESERVE = 500 * _MB
_MAKE_ROOM = f"Make room: {_RESERVE // _MB} MB stay free, for a site whose ledger cannot be written stops."
_MOST_ENTRIES = 100_000
_COUNTED = ("RssAnon", "RssShmem")  # pages of mapped files can be dropped at any time, and are


class Watch:
    """One worker under its limits; `check` is to be called every few hundredths of a second."""

    def __init__(self, process: int, staging: Path, limits: Limits) -> None:
        self._process = process
        self._staging = staging
        self._limits = limits
        self._began = time.monotonic()
        self._looked = self._began
        self._free = _free(staging)
        self.peak = 0
        """The most memory that was seen in use, in bytes."""

    @property
    def seconds(self) -> float:
        """How long the worker has been running."""
        return time.monotonic() - self._began

    def check(self) -> None:
        """Looks once.

        Raises:
            ImporterError: a limit was passed; the message says which.
        """
        now = time.monotonic()
        self.peak = max(self.peak, _memory(self._process))
        if self.peak > self._limits.memory_bytes:
            raise limit_reached("memory", self._limits)
        if now - self._began > self._limits.seconds:
            raise limit_reached("time", self._limits)
        if now - self._looked > _OUTPUT_PAUSE:
            self._looked = now
            if written_bytes(self._staging) > self._limits.output_bytes:
                raise limit_reached("output", self._limits)
            if _free(self._staging) < min(_RESERVE, self._free - _MB):
                raise ImporterError(
                    f"the disk of {self._staging.parent} is nearly full ({_free(self._staging) // _MB} MB are free), "
                    "so the importer was ended; nothing was imported",
                    hint=_MAKE_ROOM,
                )


def check_room(folder: Path) -> None:
    """Refuses to begin where the reserve is not free.

    Raises:
        ImporterError: the disk of `folder` is too full.
    """
    free = _free(folder)
    if free < _RESERVE:
        raise ImporterError(
            f"the disk of {folder} is nearly full ({free // _MB} MB are free), so nothing was imported",
            hint=_MAKE_ROOM,
        )


def limit_reached(limit: str, limits: Limits) -> ImporterError:
    """The error that says which limit, how much it is, and how to raise it."""
    if limit == "memory":
        return ImporterError(
            f"the importer needed more than {limits.memory_bytes / _MB:,.0f} MB of memory and was ended; "
            "nothing was imported",
            hint="Is one of the files far larger than it should be? Otherwise allow more with --memory-limit",
        )
    if limit == "time":
        return ImporterError(
            f"the importer took longer than {limits.seconds:,.0f} s and was ended; nothing was imported",
            hint="Does a file or a database hang? Otherwise allow more with --time-limit",
        )
    return ImporterError(
        f"the importer wrote more than {limits.output_bytes / _MB:,.0f} MB and was ended; nothing was imported",
        hint="Is it the right source, and the right study?",
    )


def written_bytes(folder: Path) -> int:
    """Bytes of everything below a folder; links are not followed, and what vanishes meanwhile counts nothing.

    More than 100,000 files and folders, and folders that are closed or too deep to look into, count as more than any
    limit: no import needs them.
    """
    total = entries = 0
    waiting = [folder]
    while waiting:
        try:
            found = list(os.scandir(waiting.pop()))
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return sys.maxsize
        entries += len(found)
        if entries > _MOST_ENTRIES:
            return sys.maxsize
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            except OSError:
                return sys.maxsize
            if stat.S_ISDIR(status.st_mode):
                waiting.append(Path(entry.path))
            else:
                total += status.st_size
    return total


def _free(folder: Path) -> int:
    """Bytes free on the disk of a folder."""
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return sys.maxsize


def _memory(process: int) -> int:
    """Memory of a process that no file stands behind, in bytes; 0 where this system does not say or it has ended."""
    try:
        text = Path(f"/proc/{process}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    found = dict(row.split(":", 1) for row in text.splitlines() if ":" in row)
    return sum(int(found[name].split()[0]) for name in _COUNTED if name in found) * _KIB
