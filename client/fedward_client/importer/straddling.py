"""Counts patients who are both trained and tested on, which makes test figures flatter; memory does not grow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.cohort import DataContract

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Sides"]

Words = NDArray[np.uint64]

_WAITING = 1 << 20
_SIDE = np.uint64(1)
_BUCKETS = 64
_SHIFT = np.uint64(58)


class Sides:
    """Remembers 63 bits of a hash of each patient's name, and the side in the last: in memory, then in files.

    Two names with one hash would be taken for one patient: among ten million patients, once in 200,000 imports.

    Args:
        contract: names the patient and the split.
        scratch: a folder for temporary files.
        waiting: how many rows are held before they go to files, 8 bytes each.
    """

    def __init__(self, contract: DataContract, scratch: Path, waiting: int = _WAITING) -> None:
        self._patient, self._split = contract.patient, contract.split
        self._files = [scratch / f"sides-{bucket:02d}" for bucket in range(_BUCKETS)]
        self._most = waiting
        self._new: list[Words] = []
        self._waiting = 0

    def add(self, table: pl.DataFrame) -> None:
        """Remembers the patients of some rows. A side made by a hash is the same for all rows of a patient."""
        if not self._patient or not self._split:
            return
        tested = (table[self._split] == "test").to_numpy()
        words = _unlike_the_last(table[self._patient].hash(0).to_numpy() & ~_SIDE | tested.astype(np.uint64))
        self._new.append(words)
        self._waiting += len(words)
        if self._waiting > self._most:
            self._spill()

    def straddling(self) -> int:
        """How many are on both sides."""
        left = np.concatenate([np.empty(0, np.uint64), *self._new])
        if not any(file.exists() for file in self._files):
            return _twosided(left)
        self._spill()
        return sum(_twosided(np.fromfile(file, np.uint64)) for file in self._files if file.exists())

    def _spill(self) -> None:
        words = np.concatenate([np.empty(0, np.uint64), *self._new])
        buckets = (words >> _SHIFT).astype(np.uint8)
        ends = np.cumsum(np.bincount(buckets, minlength=_BUCKETS))
        words = words.take(np.argsort(buckets, kind="stable"))  # a radix sort: far faster than to sort the words
        for file, part in zip(self._files, np.split(words, ends[:-1]), strict=True):
            with file.open("ab") as out:
                out.write(part.data)
        self._new, self._waiting = [], 0


def _unlike_the_last(words: Words) -> Words:
    """Without those that repeat the one before: all that a patient's rows on end have to say."""
    return words[np.insert(words[1:] != words[:-1], 0, values=True)] if len(words) else words


def _twosided(words: Words) -> int:
    words = _unlike_the_last(np.sort(words))
    return int(np.count_nonzero(words[1:] ^ words[:-1] == _SIDE))
