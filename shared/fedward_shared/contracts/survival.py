"""Survival labels: how long a patient was watched, and whether the event ended it, in one whole number.

A label is 2 · tick + event, and `TICKS` ticks are the declared maximum, so every label is from 0 to below
`Label.numbers`. The end of watching is class 0 of the contract, the event class 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fedward_shared.contracts.cohort import TICKS, FollowUp, Label

__all__ = ["classes", "encode", "events", "times"]


def encode(durations: ArrayLike, happened: ArrayLike, follow_up: FollowUp) -> NDArray[np.int64]:
    """Labels of records watched for `durations` (records,), in the unit of `follow_up`, finite and from 0 on.

    `happened` (records,) says whether the event ended it (True, 1). An event after the maximum was not seen: such a
    record is watched until the maximum, without the event. Times are rounded to the nearest tick.
    """
    time = np.asarray(durations, dtype=np.float64)
    event = np.asarray(happened).astype(bool) & (time <= follow_up.maximum)
    ticks = np.rint(np.minimum(time, follow_up.maximum) / follow_up.maximum * TICKS).astype(np.int64)
    return 2 * ticks + event


def classes(labels: ArrayLike, label: Label) -> NDArray[np.int64]:
    """The class of each label of any study: with a follow-up, 0 for the end of watching and 1 for the event."""
    known = np.asarray(labels, dtype=np.int64)
    return known if label.follow_up is None else known % 2


def events(labels: ArrayLike) -> NDArray[np.bool_]:
    """Whether each record's watching ended with the event. `labels` (records,) as `encode` makes them -> (records,)."""
    return np.asarray(np.asarray(labels, dtype=np.int64) % 2 == 1, dtype=np.bool_)


def times(labels: ArrayLike, follow_up: FollowUp) -> NDArray[np.float64]:
    """How long each record was watched, in the unit of `follow_up`: exact to half a tick, never above the maximum."""
    ticks = (np.asarray(labels, dtype=np.int64) // 2).astype(np.float64)
    return ticks * (follow_up.maximum / TICKS)
