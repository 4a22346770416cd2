"""Opens the file that `[source]` names: a regular file and nothing else, so that nothing blocks and nothing is endless.

The mapping is the site's own, so it may name a file anywhere, absolute or by a link. Whatever a *source's content*
names (a picture's file in a column) is held to its folder elsewhere.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

from fedward_client.importer.mapping import SourceTerms
from fedward_shared.errors import UsageError

__all__ = ["open_regular", "source_path"]


def source_path(terms: SourceTerms, folder: Path) -> Path:
    """Where the source is; `folder` is the mapping's.

    Raises:
        UsageError: the terms have no path.
    """
    if terms.path is None:
        raise UsageError(
            f"a source of type {terms.type!r} needs a file",
            hint="Name it on the command line, or as path in the mapping's [source].",
        )
    return folder / terms.path


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading; a pipe or device is neither waited for nor read.

    Raises:
        UsageError: it is not there, not ours to read, or not a regular file.
    """
    hint = "Check the name and who may read it."
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        told = error.strerror if isinstance(error, OSError) else "its name holds a zero byte"
        raise UsageError(f"cannot read {path}: {told}", hint=hint) from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UsageError(f"cannot read {path}: it is no regular file", hint=hint)
    return os.fdopen(handle, "rb")
