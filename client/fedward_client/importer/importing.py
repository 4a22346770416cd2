"""Imports in this process: a source in, checked files in a staging folder out; nothing of it is the vault's yet."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from fedward_client.importer.order import ImportOrder
from fedward_client.importer.report import ImportReport, Written

__all__ = ["Progress", "import_data", "import_here"]

Progress = Callable[[int, int], None]
"""Told how much of the source was read, and of how much (0: nobody knows), in the source's own measure."""


def import_data(order: ImportOrder, staging: Path, progress: Progress = lambda _done, _of: None) -> Written:
    """Checks every row of a source against the study's contract and writes what fits into `staging`.

    The worker's whole work. `staging` is an empty folder; on failure what was written stays there, and is of no use.

    Raises:
        StudyFileError: the study file has mistakes.
        SourceDataError: the source does not fit the contract, or too many rows do not.
        UsageError: a file cannot be read, or the mapping does not fit the contract.
    """
    raise NotImplementedError


def import_here(
    order: ImportOrder,
    inbox: Path,
    *,
    progress: Progress = lambda _done, _of: None,
    clock: Callable[[], float] = time.time,
) -> ImportReport:
    """Imports without a worker and publishes: for simulations and tests, whose files are trusted.

    Raises:
        as `import_data`; also UsageError where `data_set` is no name, LockedError where another import runs.
    """
    raise NotImplementedError
