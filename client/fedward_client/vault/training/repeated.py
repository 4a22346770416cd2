"""Records of one patient with the same inputs and label count once: here, where all of them are at hand.

The importer drops and tells most of them already (`importer.duplicates`); what it let through ends here.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["first_ones"]

_FEW_VALUES = 256
_ROWS, _VALUES = 1 << 16, 1 << 20
_MIX, _TURN = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)

Words = NDArray[np.uint64]


def first_ones(
    records: NDArray[np.generic], labels: NDArray[np.int64], units: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """(rows,): false for a record that an earlier one of the same unit equals, in inputs and label.

    Args:
        records: (rows, *shape).
        labels: (rows,).
        units: (rows,) from 0 to `count` - 1.
        count: how many units there are.

    Candidates are found by 64 bits, and then compared in full.
    """
    first = np.ones(len(labels), dtype=np.bool_)
    several = np.flatnonzero((np.bincount(units, minlength=count) > 1)[units])
    if not len(several):
        return first
    keys = np.empty(len(several), dtype=np.uint64)
    for start in range(0, len(several), _ROWS):
        rows = several[start : start + _ROWS]
        keys[start : start + _ROWS] = _digests(records, rows)
    keys ^= (units[several].astype(np.uint64) * np.uint64(1 << 16) + labels[several].astype(np.uint64)) * _MIX
    keys *= _TURN
    ordered = np.sort(keys)
    if not bool((ordered[1:] == ordered[:-1]).any()):
        return first
    _, places, which = np.unique(keys, return_index=True, return_inverse=True)
    earlier = several[places[which.reshape(-1)]]
    for start in range(0, len(several), _ROWS):
        pairs = slice(start, start + _ROWS)
        first[several[pairs]] = ~_equal(records, labels, units, several[pairs], earlier[pairs])
    return first


def _equal(
    records: NDArray[np.generic],
    labels: NDArray[np.int64],
    units: NDArray[np.int64],
    rows: NDArray[np.int64],
    earlier: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """(rows,): whether each row of `rows` says the same as the one of `earlier`, which is another."""
    equal: NDArray[np.bool_] = (rows != earlier) & (labels[rows] == labels[earlier]) & (units[rows] == units[earlier])
    most = max(1, _VALUES // max(1, records[:1].size))
    for start in range(0, len(pairs := np.flatnonzero(equal)), most):
        some = pairs[start : start + most]
        same = records[rows[some]] == records[earlier[some]]
        equal[some] = same.reshape(len(some), -1).all(axis=1)
    return equal


def _digests(records: NDArray[np.generic], rows: NDArray[np.int64]) -> Words:
    if records[:1].size <= _FEW_VALUES:
        import polars as pl

        return pl.from_numpy(records[rows].reshape(len(rows), -1)).hash_rows(0).to_numpy()
    digests = (hashlib.blake2b(np.ascontiguousarray(records[row]).data, digest_size=8).digest() for row in rows)
    return np.frombuffer(b"".join(digests), dtype="<u8")
