"""Who takes part in a step. Sampling is part of the privacy guarantee, so it uses the same randomness as the noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["Indices", "choose_records", "poisson"]

Indices = NDArray[np.int64]


def poisson(units: int, rate: float, source: RandomSource) -> Indices:
    """The indices, ascending, of those of `units` units that take part: each independently with probability `rate`.

    This is the sampling that `accounting` assumes; shuffling into batches of a fixed size would cost more than it says.
    The result may be empty. A rate of 1 takes everyone.

    Exact: a unit takes part where a uniform real number is below the rate, and every binary digit of the rate counts.
    One byte decides for all but one unit in 256; only for those are more digits drawn (Knuth and Yao 1976).
    """
    if rate >= 1:
        return np.arange(units, dtype=np.int64)
    below = int(rate * 256)
    rest = rate * 256 - below
    digits = source.words(-(-units // 8)).view(np.uint8)[:units]
    taken = digits < below
    undecided = np.flatnonzero(digits == below)
    while rest and len(undecided):
        bound = int(rest * 2.0**64)
        rest = rest * 2.0**64 - bound
        words = source.words(len(undecided))
        taken[undecided[words < bound]] = True
        undecided = undecided[words == bound]
    return np.flatnonzero(taken).astype(np.int64, copy=False)


def choose_records(rows: Indices, groups: Indices, most: int, source: RandomSource) -> tuple[Indices, Indices]:
    """At most `most` records of each group, at random; `groups` is ascending, and stays so.

    A patient's choice depends on nobody else's records.
    """
    counts = np.bincount(groups) if len(groups) else np.zeros(0, dtype=np.int64)
    if not len(counts) or counts.max() <= most:
        return rows, groups
    order = np.lexsort((source.uniform(len(rows)), groups))
    starts = np.concatenate(([0], np.cumsum(counts)[:-1]))
    rank = np.arange(len(rows)) - starts[groups]
    kept = order[rank < most]
    return rows[kept], groups[kept]
