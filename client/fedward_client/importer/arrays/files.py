"""Finds and reads the file that a label table's cell names: never outside its folder, never more than the limit."""

from __future__ import annotations

import os
import stat
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath

from fedward_client.importer.quarantine import Reason, UnreadableError

__all__ = ["contents", "inside", "size"]

_LONGEST = 4096
_INVISIBLE = frozenset(("Cc", "Cs", "Zl", "Zp"))
_HEADER = ".hea"


def inside(folder: Path, name: str) -> Path:
    r"""The file (or, for a DICOM series, the folder) that a cell of the source names, free of links.

    `name` is relative to `folder`; ``\`` separates as ``/`` does, as tables from Windows have it. Where there is no
    such file, a WFDB record may be named without its `.hea`. Links are followed as long as they end within the folder.

    Raises:
        UnreadableError: OUTSIDE for an absolute name, one with ``..``, or a link that leads out; NO_FILE where there
            is nothing, an empty name, control characters, a device, pipe or socket.
    """
    cell = name.strip()
    if not cell or len(cell) > _LONGEST or any(unicodedata.category(sign) in _INVISIBLE for sign in cell):
        raise UnreadableError(Reason.NO_FILE)
    relative = PurePosixPath(cell.replace("\\", "/"))
    if relative.is_absolute() or PureWindowsPath(cell).drive or ".." in relative.parts:
        raise UnreadableError(Reason.OUTSIDE)
    try:
        root = folder.resolve(strict=True)
        found = _resolved(root / relative)
        mode = found.stat().st_mode
    except (OSError, RuntimeError, ValueError) as error:
        raise UnreadableError(Reason.NO_FILE) from error
    if not found.is_relative_to(root):
        raise UnreadableError(Reason.OUTSIDE)
    if found == root or not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise UnreadableError(Reason.NO_FILE)
    return found


def _resolved(path: Path) -> Path:
    try:
        return path.resolve(strict=True)
    except FileNotFoundError:
        return path.with_name(path.name + _HEADER).resolve(strict=True)


def size(path: Path) -> int:
    """Bytes of a regular file.

    Raises:
        UnreadableError: NO_FILE where it is none.
    """
    try:
        found = path.lstat()
    except OSError as error:
        raise UnreadableError(Reason.NO_FILE) from error
    if not stat.S_ISREG(found.st_mode):
        raise UnreadableError(Reason.NO_FILE)
    return found.st_size


def contents(path: Path, largest: int, *, start: int = 0, most: int | None = None) -> bytes:
    """A regular file's bytes, from `start` and at most `most` of them; a pipe or device is neither waited for nor read.

    Raises:
        UnreadableError: TOO_LARGE where the file holds more than `largest` bytes (whatever `most` is); NO_FILE where it
            is no regular file; UNREADABLE where it is not ours to read.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except (OSError, ValueError) as error:
        reason = Reason.UNREADABLE if isinstance(error, PermissionError) else Reason.NO_FILE
        raise UnreadableError(reason) from error
    found = os.fstat(handle)
    if not stat.S_ISREG(found.st_mode):
        os.close(handle)
        raise UnreadableError(Reason.NO_FILE)
    with os.fdopen(handle, "rb") as file:
        if found.st_size > largest:
            raise UnreadableError(Reason.TOO_LARGE)
        file.seek(start)
        return file.read(found.st_size if most is None else most)
