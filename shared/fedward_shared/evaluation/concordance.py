"""Harrell's C-index (JAMA 247, 1982): how often who had the event earlier had the higher risk."""

from __future__ import annotations

import numpy as np

from fedward_shared.evaluation.scored import Bools, Floats

__all__ = ["Concordance", "concordance"]


class Concordance:
    """The statistic (C,) of risks (rows,) beside times and events, O(rows · log rows) for each resample.

    A pair counts where one had the event and the other was watched for longer, or until the same time without it.
    Equal risks count half. Patients are walked through from the last time to the first, and a tree of partial sums
    (Fenwick, Software: Practice and Experience 24, 1994) holds the weights of those already met by their risk.
    """

    def __init__(self, risk: Floats, times: Floats, events: Bools) -> None:
        distinct, rank = np.unique(risk, return_inverse=True)
        rank = rank.reshape(-1)
        self._size = len(distinct) + 1
        places = range(self._size)
        self._into = [_into(place, self._size) for place in places]
        self._upto = [_upto(place) for place in places]
        # last times first; at one time those without the event first, since they outlived it
        self._walk = np.lexsort((events, -times))
        self._steps = [(int(row), int(rank[row]), bool(events[row]), float(times[row])) for row in self._walk]

    def __call__(self, weights: Floats) -> Floats:
        """See the class."""
        columns = np.ascontiguousarray(weights.T)
        tree = np.zeros((self._size, len(weights)))
        total, pairs, wins = (np.zeros(len(weights)) for _ in range(3))
        waiting: list[tuple[int, int]] = []
        moment = np.nan
        for row, rank, event, time in self._steps:
            if time != moment:
                for earlier, place in waiting:
                    tree[self._into[place + 1]] += columns[earlier]
                    total += columns[earlier]
                waiting, moment = [], time
            if event:
                below, upto = tree[self._upto[rank]].sum(axis=0), tree[self._upto[rank + 1]].sum(axis=0)
                wins += columns[row] * (below + upto) / 2
                pairs += columns[row] * total
                waiting.append((row, rank))
            else:
                tree[self._into[rank + 1]] += columns[row]
                total += columns[row]
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(np.where(pairs > 0, wins / pairs, np.nan)[:, None], dtype=np.float64)


def concordance(risk: Floats, times: Floats, events: Bools) -> float | None:
    """See `Concordance`; None where no pair counts."""
    value = float(Concordance(risk, times, events)(np.ones((1, len(risk))))[0, 0])
    return None if np.isnan(value) else value


def _into(place: int, size: int) -> list[int]:
    """The nodes of the tree whose sums contain `place`."""
    nodes = []
    while 0 < place < size:
        nodes.append(place)
        place += place & -place
    return nodes


def _upto(place: int) -> list[int]:
    """The nodes of the tree that add up to the places 1 to `place`."""
    nodes = []
    while place > 0:
        nodes.append(place)
        place -= place & -place
    return nodes
