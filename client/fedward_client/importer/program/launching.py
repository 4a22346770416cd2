"""The words before the worker's command line: namespaces of mounts and network, and the site's private folders covered.

The process keeps its id: `unshare` and `sh` replace themselves by the worker. Where a way does not work, the next is
taken, down to none; the worker tells by trying what it can reach in the end.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from shutil import which

__all__ = ["prefix"]

# Paths are arguments, never part of the script. A folder that cannot be covered is left: the worker tries it.
_COVER = """
while [ "$1" != -- ]; do
  [ ! -d "$1" ] || mount -t tmpfs -o ro,nosuid,nodev,noexec,size=4k,mode=0 fedward "$1" 2>/dev/null
  shift
done
shift
exec "$@"
"""
_SLAVE = ("--propagation", "slave")
_TRY_SECONDS = 5


def prefix(cover: Sequence[Path], *, network: bool) -> tuple[str, ...]:
    """Words to put before a command line; `network` keeps this machine's, for a database.

    The first way that works is taken, tried for real (a few milliseconds each).
    """
    if not which("unshare") or not which("sh"):
        return ()
    as_root = os.geteuid() == 0
    user = "" if as_root else "Ur"  # root keeps its user, and so the files of others that it may read
    kinds = ("m",) if network else ("nm", "m", "n")
    for kind in kinds:
        words = ("unshare", f"-{user}{kind}", *(_SLAVE if "m" in kind else ()), "--")
        if _works(words):
            folders = [str(folder.absolute()) for folder in cover] if "m" in kind else []
            return (*words, "sh", "-c", _COVER, "fedward-importer", *folders, "--")
    return ()


def _works(words: tuple[str, ...]) -> bool:
    try:
        done = subprocess.run(
            [*words, "true"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRY_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
