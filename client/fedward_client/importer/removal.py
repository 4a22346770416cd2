"""Removes what a worker left, whatever that is: folders of any depth, closed to their owner, or leading elsewhere."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["remove_tree"]

_OPEN = 0o700


def remove_tree(folder: Path) -> None:
    """Removes a folder and all that is in it. Links are removed, not followed; what cannot be removed stays.

    `shutil.rmtree` gives up at folders nested deeper than Python's stack, which takes a worker a moment to make. Here a
    folder within a folder is first moved up, so that nothing is ever deeper than two.
    """
    if folder.is_symlink() or not folder.is_dir():
        with contextlib.suppress(OSError):
            folder.unlink()
        return
    moved = 0
    while inner := _folders(folder):
        for path in inner:
            for deeper in _folders(path):
                moved += 1
                with contextlib.suppress(OSError):
                    deeper.rename(folder / f".removed-{moved}-{os.getpid()}")
            try:
                path.rmdir()
            except OSError:
                return
    with contextlib.suppress(OSError):
        folder.rmdir()


def _folders(folder: Path) -> list[Path]:
    """The folders in a folder, after everything else in it was removed."""
    found = []
    with contextlib.suppress(OSError):
        folder.chmod(_OPEN)
        for entry in list(os.scandir(folder)):
            if entry.is_dir(follow_symlinks=False):
                found.append(Path(entry.path))
            else:
                Path(entry.path).unlink(missing_ok=True)
    return found
