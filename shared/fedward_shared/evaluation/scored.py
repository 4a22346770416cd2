"""What an evaluation looks at: labels, scores, whose rows they are, and the declared groups they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fedward_shared.errors import UsageError

__all__ = ["Bools", "Floats", "Ints", "Scored", "pooled"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scored:
    """Test rows of one hospital (or of several, `pooled`) and what a model said of them.

    `labels` (rows,) are class numbers, or for survival 2 · tick + event. `scores` (rows, columns) are from 0 to 1: a
    probability for each class (two classes: two columns), or for survival the risk of the event up to the end of each
    interval. `units` (rows,) tell patients apart: rows of one patient are drawn together when intervals are computed.
    `groups` (name to a mask (rows,)) are the declared subgroups; a row may belong to several, or to none.

    Raises:
        UsageError: the parts have other lengths than each other, or scores have other than two dimensions.
    """

    labels: Ints
    scores: Floats
    units: Ints
    groups: Mapping[str, Bools] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows = len(self.labels)
        lengths = {len(self.scores), len(self.units), *(len(mask) for mask in self.groups.values())}
        if self.scores.ndim != 2 or lengths != {rows}:  # noqa: PLR2004  # (rows, columns)
            raise UsageError("scores are (rows, columns), and labels, units and groups have one entry a row")

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return len(self.labels)

    @property
    def patients(self) -> int:
        """How many patients they belong to."""
        return len(np.unique(self.units))

    @property
    def finite(self) -> bool:
        """Whether every score is a number."""
        return bool(np.isfinite(self.scores).all())

    def where(self, mask: Bools) -> Scored:
        """The rows that `mask` (rows,) chooses."""
        groups = {name: inside[mask] for name, inside in self.groups.items()}
        return Scored(self.labels[mask], self.scores[mask], self.units[mask], groups)


def pooled(hospitals: Iterable[Scored]) -> Scored:
    """The rows of all hospitals under each other; patients of different hospitals stay different patients.

    A group that a hospital does not know has no rows there.
    """
    parts = list(hospitals)
    if not parts:
        raise UsageError("there is no hospital to pool")
    units, start = [], 0
    for part in parts:
        _, index = np.unique(part.units, return_inverse=True)
        units.append(index.reshape(-1).astype(np.int64) + start)
        start += int(index.max()) + 1 if index.size else 0
    names = dict.fromkeys(name for part in parts for name in part.groups)
    groups = {
        name: np.concatenate([part.groups.get(name, np.zeros(part.rows, dtype=np.bool_)) for part in parts])
        for name in names
    }
    return Scored(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate(units),
        groups,
    )
