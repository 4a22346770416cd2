"""How long the rest of a grid will take, judged by cells of the same kind that have ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from statistics import fmean

__all__ = ["Pace"]


class Pace:
    """Learns how long cells take.

    Args:
        jobs: how many are trained at once.
        monotonic: seconds, from anywhere.
    """

    def __init__(self, jobs: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._jobs = jobs
        self._now = monotonic
        self._took: dict[Hashable, list[float]] = {}
        self._begun: dict[str, float] = {}

    def learn(self, kind: Hashable, seconds: float) -> None:
        """A cell of this kind took so long."""
        self._took.setdefault(kind, []).append(seconds)

    def begin(self, key: str) -> None:
        """A cell is being trained."""
        self._begun[key] = self._now()

    def end(self, key: str) -> None:
        """It has ended."""
        self._begun.pop(key, None)

    def left(self, cells: Mapping[str, Hashable]) -> float | None:
        """Seconds until all of these have ended, by key and kind; None while nothing has ended.

        A kind that nobody has seen counts as long as the mean of those seen.
        """
        if not self._took:
            return 0.0 if not cells else None
        means = {kind: fmean(seconds) for kind, seconds in self._took.items()}
        usual = fmean(means.values())
        now = self._now()
        each = [
            max(0.0, means.get(kind, usual) - (now - self._begun[key] if key in self._begun else 0.0))
            for key, kind in cells.items()
        ]
        return max(sum(each) / self._jobs, max(each, default=0.0))
