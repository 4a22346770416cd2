"""Survival labels: one whole number that holds a time and whether the event ended it."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fedward_shared.contracts.cohort import TICKS, FollowUp, Label
from fedward_shared.contracts.survival import encode, events, times

_YEARS = FollowUp(column="time", unit="d", maximum=3650.0)


def test_a_label_holds_time_and_event() -> None:
    labels = encode([0.0, 365.0, 3650.0], [1, 0, 1], _YEARS)

    assert labels.dtype == np.int64
    assert events(labels).tolist() == [True, False, True]
    assert np.allclose(times(labels, _YEARS), [0, 365, 3650], atol=3650 / TICKS / 2)


def test_what_happened_after_the_maximum_was_not_seen() -> None:
    labels = encode([3650.001, 9999.0], [True, False], _YEARS)

    assert labels.tolist() == [2 * TICKS, 2 * TICKS]


@given(st.lists(st.tuples(st.floats(0, 1e6), st.booleans()), min_size=1, max_size=20), st.floats(0.01, 1e5))
def test_every_label_is_in_range_and_comes_back(records: list[tuple[float, bool]], maximum: float) -> None:
    follow_up = FollowUp(column="time", unit="d", maximum=maximum)
    label = Label(column="event", classes=(("0",), ("1",)), names=("alive", "dead"), follow_up=follow_up)
    durations, happened = np.array([time for time, _ in records]), np.array([event for _, event in records])

    labels = encode(durations, happened, follow_up)

    assert ((labels >= 0) & (labels < label.numbers)).all()
    assert np.array_equal(events(labels), happened & (durations <= maximum))
    capped = np.minimum(durations, maximum)
    assert (np.abs(times(labels, follow_up) - capped) <= maximum / TICKS * 0.501).all()
    again = encode(times(labels, follow_up), events(labels), follow_up)
    assert np.array_equal(again, labels)
