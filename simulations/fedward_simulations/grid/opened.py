"""Data sets that many processes read at once: each import is opened and checked once, and laid out as plain arrays.

Whoever reads them maps the files into memory, so that all processes share one copy. Test rows lie in files of their
own, which nobody opens who trains and judges on training rows only.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from fedward_client.imported import read_record
from fedward_shared.errors import LockedError
from fedward_shared.files import FolderLock

if TYPE_CHECKING:
    from fedward_client.vault.training.dataset import Part
    from fedward_shared.contracts.study import Study

__all__ = ["OpenData", "open_data"]

_ARRAYS = ("records", "labels", "units", "rows")
_PREFIX = "open-"


@dataclass(frozen=True, slots=True)
class OpenData:
    """A folder with one folder for each import, as studies with the same subgroups and backbone see it."""

    folder: Path

    def add(self, study: Study, folders: Iterable[Path], backbones: Path | None) -> None:
        """Lays out the imports that are not there yet; with a backbone, features stand in place of records.

        Raises:
            UsageError: an import is damaged or was made under another contract, or the backbone's weights are missing.
        """
        import torch

        from fedward_client.vault.training.dataset import open_data_set
        from fedward_client.vault.training.features import with_features

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        for folder in folders:
            place = self._place(study, folder)
            if not place.exists():
                read = open_data_set(folder, study.data, study.evaluation.subgroups)
                data = with_features(study, read, backbones, device)
                place.mkdir()
                _write(place / "train", data.train)
                _write(place / "test", data.test)

    def training(self, study: Study, folder: Path) -> Part:
        """The training rows of an import that was added."""
        return _read(self._place(study, folder) / "train")

    def test(self, study: Study, folder: Path) -> Part:
        """Its test rows."""
        return _read(self._place(study, folder) / "test")

    def _place(self, study: Study, folder: Path) -> Path:
        seen = f"{read_record(folder).version} {study.evaluation.subgroups!r} {study.model.backbone!r}"
        return self.folder / hashlib.sha256(seen.encode()).hexdigest()


@contextmanager
def open_data(cache: Path) -> Iterator[OpenData]:
    """A folder inside `cache` for the length of a run; what killed runs left behind is removed first."""
    for left in cache.glob(f"{_PREFIX}*"):
        try:
            with FolderLock(left):
                shutil.rmtree(left, ignore_errors=True)
        except (LockedError, OSError):
            continue
    name = f"{os.getpid()}-{os.urandom(4).hex()}"
    begun, own = cache / f".opening-{name}", cache / f"{_PREFIX}{name}"
    begun.mkdir()
    try:
        with FolderLock(begun):  # under a name that no other run tidies away, until it is held
            begun.rename(own)
            yield OpenData(own)
    finally:
        shutil.rmtree(own, ignore_errors=True)
        shutil.rmtree(begun, ignore_errors=True)


def _write(place: Path, part: Part) -> None:
    place.mkdir()
    for name in _ARRAYS:
        np.save(place / f"{name}.npy", getattr(part, name), allow_pickle=False)
    for number, inside in enumerate(part.groups.values()):
        np.save(place / f"group-{number}.npy", inside, allow_pickle=False)
    (place / "part.json").write_text(json.dumps({"count": part.count, "groups": [*part.groups]}), encoding="utf-8")


def _read(place: Path) -> Part:
    """The part, copied only where somebody writes into it."""
    from fedward_client.vault.training.dataset import Part

    about = json.loads((place / "part.json").read_text(encoding="utf-8"))
    arrays = {name: np.load(place / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in _ARRAYS}
    groups = {name: np.load(place / f"group-{number}.npy") for number, name in enumerate(about["groups"])}
    return Part(count=int(about["count"]), groups=groups, **arrays)
