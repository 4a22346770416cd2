"""Durable files: the one place in shared code that touches a disk.

A file is either the old one or the new one, never half of each, whatever dies when.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from fedward_shared.errors import LockedError, UsageError

__all__ = ["FolderLock", "read_limited", "sync_folder", "write_atomic"]

_OWNER_ONLY = 0o600
_CHUNK_BYTES = 1 << 20
_SMALL_FILE = 64 * 1024
_PAUSE_SECONDS = 0.05


def write_atomic(path: Path, content: bytes | Iterable[bytes | memoryview], *, mode: int = _OWNER_ONLY) -> None:
    """Writes `content` beside `path`, syncs it, and renames it into place (then syncs the folder)."""
    parts = [content] if isinstance(content, bytes) else content
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), mode)
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Makes renames and removals in `folder` durable."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_limited(path: Path, limit: int = _SMALL_FILE) -> bytes:
    """The whole file, if it has at most `limit` bytes: 64 KiB unless told, enough for keys, certificates, settings.

    Raises:
        UsageError: the file is missing, is no regular file, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = bytearray()
            while chunk := file.read(min(_CHUNK_BYTES, limit + 1 - len(content))):
                content += chunk
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > limit:
        raise UsageError(f"{path} is larger than {limit} bytes, which no file of this kind can be")
    return bytes(content)


class FolderLock:
    """An exclusive lock on a folder, held until closed or until the process ends.

    `patience` is for how many seconds to wait for another holder to finish.

    Raises on entering:
        LockedError: another process holds it.
    """

    def __init__(self, folder: Path, *, patience: float = 0.0) -> None:
        self._path = folder / "lock"
        self._patience = patience
        self._handle: int | None = None

    def __enter__(self) -> Self:
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _OWNER_ONLY)
        limit = time.monotonic() + self._patience
        while not _locked(handle):
            if time.monotonic() >= limit:
                os.close(handle)
                raise LockedError(
                    f"another process is using {self._path.parent}",
                    hint="One process at a time owns this folder. Stop the other one first.",
                )
            time.sleep(_PAUSE_SECONDS)
        self._handle = handle
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
