"""Records of one patient with the same inputs and label count once: the first is kept, whatever stands between them.

Without a patient column nobody knows whether two equal records are one, so none is dropped and none of this is used.

A record is remembered as 64 bits of (patient, inputs, label), in 13 to 26 bytes a record. Among a hundred million
records, that two different ones get the same bits, and one is dropped for it, has a chance of 1 in 3,700.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Seen", "array_digests", "row_digests"]

Words = NDArray[np.uint64]

_DIGEST_SEED, _KEY_SEED = 0x66656477, 0x61726431
_FIRST_SLOTS = 1 << 16
_FULL = 0.625
_PORTION = 1 << 18


def row_digests(table: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """What `columns` (inputs and label) hold in each row: UInt64. Null differs from every value; -0.0 is 0.0."""
    return table.select(columns).hash_rows(_DIGEST_SEED)


def array_digests(x: NDArray[Any], y: NDArray[np.int64]) -> pl.Series:
    """What each record holds: UInt64; `x` (n, *shape), `y` (n,) class indices."""
    import polars as pl

    digests = np.empty(len(y), dtype="<u8")
    for row, (record, label) in enumerate(zip(x, y.tolist(), strict=True)):
        hasher = hashlib.blake2b(label.to_bytes(8, "little", signed=True), digest_size=8)
        hasher.update(np.ascontiguousarray(record).data)
        digests[row] = int.from_bytes(hasher.digest(), "little")
    return pl.Series(digests)


class Seen:
    """The records of an import so far."""

    def __init__(self) -> None:
        self._slots: Words = np.zeros(_FIRST_SLOTS, dtype=np.uint64)
        self._count = 0

    def fresh(self, patients: pl.Series, digests: pl.Series) -> pl.Series:
        """Which records are no repetition of an earlier one of the same patient: Boolean; all are remembered.

        Args:
            patients: whose each record is, String, without nulls.
            digests: what each record holds, UInt64, of `row_digests` or `array_digests`.
        """
        import polars as pl

        keys = pl.DataFrame({"patient": patients, "digest": digests}).hash_rows(_KEY_SEED)
        first = keys.is_first_distinct().to_numpy(writable=True)
        words = np.maximum(keys.to_numpy(), np.uint64(1))
        where = np.flatnonzero(first)
        for start in range(0, len(where), _PORTION):
            part = where[start : start + _PORTION]
            self._make_room(len(part))
            first[part] = self._put(words[part])
        return pl.Series(first)

    def _make_room(self, count: int) -> None:
        slots = len(self._slots)
        while self._count + count > slots * _FULL:
            slots *= 2
        if slots == len(self._slots):
            return
        old, self._slots, self._count = self._slots, np.zeros(slots, dtype=np.uint64), 0
        for start in range(0, len(old), _PORTION):
            part = old[start : start + _PORTION]
            self._put(part[part != 0])

    def _put(self, words: Words) -> NDArray[np.bool_]:
        """Open addressing with linear probing, all words at once; they differ from each other. Which ones were new."""
        new = np.zeros(len(words), dtype=np.bool_)
        last = np.uint64(len(self._slots) - 1)
        rest, at = np.arange(len(words)), words & last
        while len(rest):
            held, wanted = self._slots[at], words[rest]
            free = held == 0
            self._slots[at[free]] = wanted[free]
            mine = free & (self._slots[at] == wanted)  # of several that want one free slot, one gets it
            new[rest[mine]] = True
            on = ~(mine | (held == wanted))
            rest, at = rest[on], (at[on] + np.uint64(1)) & last
        self._count += int(new.sum())
        return new
