"""What an attacker computes from one release, and how he decides on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedward_simulations.audit.bounds import effective_mu, highest_rate

__all__ = ["Rule", "Statistics", "choose", "unit"]

Floats = npt.NDArray[np.float64]
_THRESHOLDS = 101
_BEYOND_ALL = 1e300


@dataclass(frozen=True, slots=True)
class Statistics:
    """A fixed list of statistics of a release: projections on `directions` (each (parameters,)), then two norms.

    A release that is not finite gives +1e300 everywhere: an attacker would notice it.
    """

    directions: Floats
    named: tuple[str, ...]

    @classmethod
    def of(cls, directions: Sequence[tuple[str, Floats]], dimension: int) -> Statistics:
        """Projections on these named directions, the total norm, and the largest coordinate."""
        rows = [direction for _, direction in directions]
        names = (*(name for name, _ in directions), "total norm", "largest coordinate")
        return cls(np.stack(rows) if rows else np.zeros((0, dimension)), names)

    def measure(self, releases: Iterable[Floats]) -> Floats:
        """(releases, statistics)."""
        return np.stack([self._one(release) for release in releases])

    def only(self, names: Sequence[str], values: Floats) -> tuple[tuple[str, ...], Floats]:
        """The columns of `values` that belong to these names or to no direction."""
        kept = [place for place, name in enumerate(self.named) if name in names or place >= len(self.directions)]
        return tuple(self.named[place] for place in kept), values[:, kept]

    def _one(self, release: Floats) -> Floats:
        if not np.isfinite(release).all():
            return np.full(len(self.named), _BEYOND_ALL)
        return np.concatenate(
            (self.directions @ release, [float(np.linalg.norm(release)), float(np.abs(release).max(initial=0.0))])
        )


@dataclass(frozen=True, slots=True)
class Rule:
    """Says "the canary is there" where `sign` x statistic number `column` is above `threshold`."""

    column: int
    sign: int
    threshold: float

    def says_present(self, values: Floats) -> npt.NDArray[np.bool_]:
        """(releases,) of (releases, statistics)."""
        return np.asarray(self.sign * values[:, self.column] > self.threshold)


def choose(absent: Floats, present: Floats, *, sampling_rate: float, alpha: float) -> Rule:
    """The rule that would prove most, on these draws: the largest lower bound of μ, by the very bound used later.

    Where no rule proves anything, the one that errs least.

    Args:
        absent: statistics of releases without the canary, (draws, statistics).
        present: with it.
        sampling_rate: of the trade-off curve that the bound refers to.
        alpha: how often each of the two rates may be wrong.
    """
    best, best_key = Rule(0, 1, 0.0), (-1.0, -1.0)
    for column in range(absent.shape[1]):
        for sign in (1, -1):
            without, joined = np.sort(sign * absent[:, column]), np.sort(sign * present[:, column])
            thresholds = np.unique(np.quantile(np.concatenate((without, joined)), np.linspace(0, 1, _THRESHOLDS)))
            false = len(without) - np.searchsorted(without, thresholds, side="right")
            missed = np.searchsorted(joined, thresholds, side="right")
            sure = effective_mu(
                highest_rate(false, len(without), alpha), highest_rate(missed, len(joined), alpha), sampling_rate
            )
            likely = 1 - false / len(without) - missed / len(joined)
            place = max(range(len(thresholds)), key=lambda at: (sure[at], likely[at]))
            if (key := (float(sure[place]), float(likely[place]))) > best_key:
                best, best_key = Rule(column, sign, float(thresholds[place])), key
    return best


def unit(direction: Floats) -> Floats | None:
    """The direction at length 1; None where it has none, or is not finite."""
    length = float(np.linalg.norm(direction))
    return direction / length if np.isfinite(length) and length > 0 else None
