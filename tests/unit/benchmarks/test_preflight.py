"""The benchmark of preflight: each case is planted and named; nothing is named at a clean site."""

from __future__ import annotations

import pytest

from benchmarks.preflight import CASES, Case, Rate, measured


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_case_is_named_and_nothing_else(case: Case) -> None:
    rate = measured(case, 600, 3)

    assert (rate.named, rate.other) == ((3, 0) if case.names else (0, 0))


def test_the_interval_is_wilsons() -> None:
    low, high = Rate("x", 100, 50, 50, 0).interval(50)

    assert (round(low, 3), round(high, 3)) == (0.929, 1.0)
    assert Rate("x", 100, 50, 0, 0).interval(0)[0] == 0.0
