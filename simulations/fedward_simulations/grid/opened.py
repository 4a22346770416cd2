"""Data sets that many processes read at once: each import is opened and checked once, and laid out as plain arrays.

Whoever reads them maps the files into memory, so that all processes share one copy. Test rows lie in files of their
own, which nobody opens who trains and judges on training rows only.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedward_client.imported import read_record
from fedward_shared.errors import LockedError
from fedward_shared.files import FolderLock
from fedward_shared.manifest.resolve import load_draft

if TYPE_CHECKING:
    from fedward_client.vault.training.dataset import Part
    from fedward_simulations.grid.bench import Bench

__all__ = ["OpenData", "open_data"]

_ARRAYS = ("records", "labels", "units", "rows")
_PREFIX = "open-"


@dataclass(frozen=True, slots=True)
class OpenData:
    """A folder with one folder for each import, named by its version."""

    folder: Path

    def add(self, bench: Bench) -> None:
        """Lays out the imports of a bench that are not there yet.

        Raises:
            UsageError: an import is damaged, or was made under another contract.
        """
        from fedward_client.vault.training.dataset import open_data_set

        contract = load_draft(bench.study).data
        for _, folder in bench.folders:
            place = self.folder / read_record(folder).version
            if not place.exists():
                data = open_data_set(folder, contract)
                place.mkdir()
                _write(place / "train", data.train)
                _write(place / "test", data.test)

    def training(self, folder: Path) -> Part:
        """The training rows of an import that was added."""
        return _read(self.folder / read_record(folder).version / "train")

    def test(self, folder: Path) -> Part:
        """Its test rows."""
        return _read(self.folder / read_record(folder).version / "test")


@contextmanager
def open_data(cache: Path) -> Iterator[OpenData]:
    """A folder inside `cache` for the length of a run; what killed runs left behind is removed first."""
    for left in cache.glob(f"{_PREFIX}*"):
        try:
            with FolderLock(left):
                shutil.rmtree(left, ignore_errors=True)
        except (LockedError, OSError):
            continue
    own = cache / f"{_PREFIX}{os.getpid()}-{os.urandom(4).hex()}"
    own.mkdir()
    try:
        with FolderLock(own):
            yield OpenData(own)
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _write(place: Path, part: Part) -> None:
    place.mkdir()
    for name in _ARRAYS:
        np.save(place / f"{name}.npy", getattr(part, name), allow_pickle=False)
    (place / "count.json").write_text(json.dumps(part.count), encoding="ascii")


def _read(place: Path) -> Part:
    """The part, copied only where somebody writes into it."""
    from fedward_client.vault.training.dataset import Part

    arrays = {name: np.load(place / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in _ARRAYS}
    return Part(count=int(json.loads((place / "count.json").read_text(encoding="ascii"))), **arrays)
