"""Survival where not everybody was watched to the end (Kaplan & Meier, JASA 53, 1958), for many weights at once."""

from __future__ import annotations

import numpy as np

from fedward_shared.evaluation.scored import Bools, Floats

__all__ = ["Followed"]


class Followed:
    """Times (rows,) and whether an event ended them (rows,), sorted once.

    At one time events come before ends of watching: who left at t was still at risk of an event at t.
    """

    def __init__(self, times: Floats, events: Bools) -> None:
        self.times = times
        self.events = events
        self.moments, index = np.unique(times, return_inverse=True)
        self._index = index.reshape(-1)
        self._order = np.argsort(self._index, kind="stable")
        ordered = self._index[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])) if len(times) else None

    def survival(self, weights: Floats) -> Floats:
        """Probability of no event up to and including each of `moments`: (resamples, rows) -> (resamples, moments)."""
        happened, _, risk = self._counts(weights)
        return _product(happened, risk)

    def watched(self, weights: Floats) -> Floats:
        """Probability of still being watched after each of `moments`, as if events were the end of watching."""
        happened, left, risk = self._counts(weights)
        return _product(left, risk - happened)

    def survival_at(self, weights: Floats, moment: float) -> Floats:
        """Probability of no event up to and including `moment`: (resamples,)."""
        return _at(self.survival(weights), int(np.searchsorted(self.moments, moment, side="right")))

    def watched_before(self, weights: Floats, moment: float) -> tuple[Floats, Floats]:
        """Probability of being watched until just before: each row's time (resamples, rows), `moment` (resamples,)."""
        curve = self.watched(weights)
        before = np.concatenate([np.ones((len(curve), 1)), curve], axis=1)
        return before[:, self._index], _at(curve, int(np.searchsorted(self.moments, moment, side="left")))

    def _counts(self, weights: Floats) -> tuple[Floats, Floats, Floats]:
        """Events, ends of watching, and those at risk at each moment."""
        if self._starts is None:
            empty = np.zeros((len(weights), 0))
            return empty, empty, empty
        happened = np.add.reduceat((weights * self.events)[:, self._order], self._starts, axis=1)
        left = np.add.reduceat((weights * ~self.events)[:, self._order], self._starts, axis=1)
        risk = np.cumsum((happened + left)[:, ::-1], axis=1)[:, ::-1]
        return happened, left, risk


def _product(happened: Floats, risk: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        factors = np.where(risk > 0, 1 - happened / risk, 1.0)
    return np.asarray(np.cumprod(np.clip(factors, 0.0, 1.0), axis=1), dtype=np.float64)


def _at(curve: Floats, passed: int) -> Floats:
    return np.ones(len(curve)) if passed == 0 else curve[:, passed - 1]
