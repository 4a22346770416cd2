"""Records of one patient with the same inputs and label count once: the first is kept, whatever stands between them.

Without a patient column nobody knows whether two equal records are one, so none is dropped and none of this is used.

Memory does not grow with an import: at most 64 MB, which hold the latest 2.6 million records or more. What is repeated
over a longer distance gets through, untold, and ends in the vault, which compares all records when it reads them
(`vault.training.repeated`). A record is remembered as 64 bits of (patient, inputs, label); that two different ones get
the same bits, and one is dropped for it, has a chance of 1 in 30,000 among a hundred million records.
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
_FIRST_SLOTS, _MOST_SLOTS = 1 << 16, 1 << 22
_GROWTH = 8
_FULL = 0.625
_REGION_SHIFT = np.uint64(56)
_PORTION = 1 << 18


def row_digests(table: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """What `columns` (inputs and label) hold in each row: UInt64. Null differs from every value; -0.0 is 0.0."""
    return table.select(columns).hash_rows(_DIGEST_SEED)


def array_digests(x: NDArray[Any], y: NDArray[np.int64]) -> pl.Series:
    """What each record holds: UInt64; `x` (n, *shape), `y` (n,) labels."""
    import polars as pl

    digests = np.empty(len(y), dtype="<u8")
    for row, (record, label) in enumerate(zip(x, y.tolist(), strict=True)):
        hasher = hashlib.blake2b(label.to_bytes(8, "little", signed=True), digest_size=8)
        hasher.update(np.ascontiguousarray(record).data)
        digests[row] = int.from_bytes(hasher.digest(), "little")
    return pl.Series(digests)


class Seen:
    """The records of an import so far, or the latest ones of many."""

    def __init__(self) -> None:
        self._latest = _Words(_FIRST_SLOTS)
        self._before: _Words | None = None

    def fresh(self, patients: pl.Series, digests: pl.Series) -> pl.Series:
        """Which records are no repetition of an earlier one of the same patient: Boolean; all are remembered.

        Args:
            patients: whose each record is, String, without nulls.
            digests: what each record holds, UInt64, of `row_digests` or `array_digests`.
        """
        import polars as pl

        keys = pl.DataFrame({"patient": patients, "digest": digests}).hash_rows(_KEY_SEED)
        words = np.maximum(keys.to_numpy(), np.uint64(1))
        fresh = np.empty(len(words), dtype=np.bool_)
        for start in range(0, len(words), _PORTION):
            part = words[start : start + _PORTION]
            order = _by_region(part)
            fresh[start + order] = self._put(part.take(order))
        return pl.Series(fresh)

    def _put(self, words: Words) -> NDArray[np.bool_]:
        """Which words were not there, nor before in `words`; all are there now."""
        if not self._latest.has_room(len(words)):
            if self._latest.slots >= _MOST_SLOTS:
                self._latest, self._before = _Words(_MOST_SLOTS), self._latest
            else:
                self._latest = self._latest.grown(min(self._latest.slots * _GROWTH, _MOST_SLOTS))
            return self._put(words)
        new = self._latest.put(words)
        return new & ~self._before.has(words) if self._before else new


def _by_region(words: Words) -> NDArray[np.int64]:
    """An order in which neighbours lie near each other in a table; equal words keep theirs. Scattered is far slower."""
    order: NDArray[np.int64] = np.argsort((words >> _REGION_SHIFT).astype(np.uint8), kind="stable")
    return order


class _Words:
    """Words other than 0 in a hash table of a fixed size: open addressing, linear probing, many words at once.

    The slot where a word's search starts is its first bits.
    """

    def __init__(self, slots: int) -> None:
        self.slots = slots
        self._table: Words = np.empty(slots, dtype=np.uint64)
        self._table.fill(0)  # now and in order: memory that is first touched here and there costs many page faults
        self._shift = np.uint64(65 - slots.bit_length())
        self._last = np.int64(slots - 1)
        self._count = 0

    def has_room(self, count: int) -> bool:
        return self._count + count <= self.slots * _FULL

    def grown(self, slots: int) -> _Words:
        """The same words in more slots."""
        larger = _Words(slots)
        for start in range(0, self.slots, _PORTION):
            part = self._table[start : start + _PORTION]
            larger.put(part[part != 0])
        return larger

    def put(self, words: Words) -> NDArray[np.bool_]:
        """Adds words for which there is room. Which ones were new: of equal ones, the first at most."""
        new = np.zeros(len(words), dtype=np.bool_)
        rest, at = np.arange(len(words)), self._first_slots(words)
        while len(rest):
            mine = self._claimed(at)
            self._table[at.take(mine)] = words.take(mine)
            new[rest.take(mine)] = True
            words, rest, at = self._further(self._table.take(at) != words, words, rest, at)
        self._count += int(np.count_nonzero(new))
        return new

    def has(self, words: Words) -> NDArray[np.bool_]:
        """Which words are there."""
        found = np.zeros(len(words), dtype=np.bool_)
        rest, at = np.arange(len(words)), self._first_slots(words)
        while len(rest):
            held = self._table.take(at)
            found[rest[held == words]] = True
            words, rest, at = self._further((held != 0) & (held != words), words, rest, at)
        return found

    def _first_slots(self, words: Words) -> NDArray[np.int64]:
        return (words >> self._shift).view(np.int64)

    def _claimed(self, at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of those who look at `at` get a free slot: of several, the first. Their numbers are left in it."""
        free = np.flatnonzero(self._table.take(at) == 0)
        places, numbers = at.take(free), np.arange(len(free), dtype=np.uint64)
        self._table[places[::-1]] = numbers[::-1]
        return free.take(np.flatnonzero(self._table.take(places) == numbers))

    def _further(
        self, on: NDArray[np.bool_], words: Words, rest: NDArray[np.int64], at: NDArray[np.int64]
    ) -> tuple[Words, NDArray[np.int64], NDArray[np.int64]]:
        """Those that must look into the next slot."""
        where = np.flatnonzero(on)
        return words.take(where), rest.take(where), (at.take(where) + 1) & self._last
