"""Puts a checked data set into the inbox: whole or not at all.

``inbox/<data set>/<version>/`` is built under ``inbox/.importing/`` and renamed into place. Whoever holds the lock
there is the only importer, so whatever else lies there was left by one that was killed, and is removed.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from fedward_client.imported import RECORD, ImportRecord, open_regular, record_of, write_record
from fedward_client.importer.removal import remove_tree
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.errors import UsageError
from fedward_shared.files import FolderLock, sync_folder
from fedward_shared.manifest.schema import SITE_NAME

__all__ = ["QUARANTINE", "Staging", "check_name"]

QUARANTINE = "quarantine.csv"
_STAGING = ".importing"
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


def check_name(data_set: str) -> None:
    """Whether a text can name a data set.

    Raises:
        UsageError: it cannot.
    """
    if not re.fullmatch(SITE_NAME, data_set):
        raise UsageError(
            f"{data_set!r} cannot name a data set",
            hint="Use small letters, digits and hyphens, at most 63, such as --data-set cardiology-2024",
        )


class Staging:
    """A place to build one import in; `publish` moves it into the inbox. Nothing stays behind otherwise."""

    def __init__(self, inbox: Path, clock: Callable[[], float]) -> None:
        self._inbox = inbox
        self._clock = clock
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        home = self._inbox / _STAGING
        home.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        self._stack.enter_context(FolderLock(home))
        for left in home.iterdir():
            if left.is_dir():
                remove_tree(left)
        self.folder = Path(tempfile.mkdtemp(dir=home))
        self._stack.callback(remove_tree, self.folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def publish(
        self,
        contract: DataContract,
        *,
        data_set: str,
        files: Sequence[str],
        rows: tuple[int, int],
        source_name: str,
        extra: Sequence[str] = (QUARANTINE,),
    ) -> tuple[ImportRecord, Path]:
        """Completes the import and gives its record and final folder.

        `files` are the data files in the order of their rows, `extra` others to keep; all lie in `folder`, and whatever
        else lies there is removed. `rows` counts accepted and rejected ones. Where the same version was imported
        before, its files are renewed, which mends them, and its record, so that it counts as the latest.

        Raises:
            UsageError: `data_set` is no name, or a file is missing or no regular file.
        """
        check_name(data_set)
        self._keep_only({*files, *extra})
        record = record_of(
            self.folder,
            contract,
            files,
            rows=rows,
            data_set=data_set,
            imported_at=self._clock(),
            source_name=source_name,
        )
        target = self._inbox / data_set / record.version
        if target.is_dir():
            for name in (*files, *extra):
                (self.folder / name).replace(target / name)
            write_record(target, record)
            (target / RECORD).chmod(_modes(self._inbox)[1])
            return record, target
        write_record(self.folder, record)
        folder_mode, file_mode = _modes(self._inbox)
        (self.folder / RECORD).chmod(file_mode)
        self.folder.chmod(folder_mode)
        if not target.parent.is_dir():
            target.parent.mkdir()
            target.parent.chmod(folder_mode)
        self.folder.rename(target)
        sync_folder(target.parent)
        sync_folder(self._inbox)
        return record, target

    def _keep_only(self, names: set[str]) -> None:
        """Makes the named files durable and the owner's own, and removes everything else."""
        for name in sorted(names):
            with open_regular(self.folder / name) as file:
                os.fchmod(file.fileno(), _modes(self._inbox)[1])
                os.fsync(file.fileno())
        for path in self.folder.iterdir():
            if path.name not in names:
                remove_tree(path)
        sync_folder(self.folder)


def _modes(inbox: Path) -> tuple[int, int]:
    """Of folders and files: for their owner alone, or, where the inbox is a group's (set-group-ID), for it to read.

    An importer with a user of its own needs that: the vault is then in the inbox's group.
    """
    groups = stat.S_ISGID | stat.S_IRGRP
    if inbox.stat().st_mode & groups == groups:
        return _FOLDER_MODE | stat.S_ISGID | stat.S_IRGRP | stat.S_IXGRP, _FILE_MODE | stat.S_IRGRP
    return _FOLDER_MODE, _FILE_MODE
