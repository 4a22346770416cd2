"""Shifts against declared distributions: the figures, their correction for chance, and round values."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray

from fedward_client.importer.preflight.drift import LARGE, MODERATE, category_shift, number_shift

REFERENCE = np.array([-1.645, -0.674, 0.0, 0.674, 1.645])


def _edges(values: NDArray[np.float64], reference: object = REFERENCE) -> list[int]:
    edges = np.asarray(reference)
    sides = [[int((values < edge).sum()), int((values <= edge).sum())] for edge in edges]
    return [*np.array(sides).reshape(-1).tolist(), len(values)]


def test_the_index_is_the_textbook_one_for_many_patients() -> None:
    observed, expected = [0.3, 0.7], [0.5, 0.5]
    shift = category_shift([300_000, 700_000], expected, 1_000_000, 1)

    assert shift is not None
    assert shift.psi == pytest.approx(
        sum((seen - share) * log(seen / share) for seen, share in zip(observed, expected, strict=True)), rel=1e-3
    )
    assert shift.distance == pytest.approx(0.2)


def test_a_shift_of_the_mean_is_measured_in_six_bins() -> None:
    values = np.random.default_rng(1).normal(0.5, 1, 5000)
    shift = number_shift(_edges(values), 5000, 10)

    assert shift is not None
    assert shift.size in {"moderate", "large"}
    assert shift.distance == pytest.approx(0.19, abs=0.03)


@pytest.mark.parametrize("count", [30, 50, 100, 400, 5000])
def test_chance_alone_hardly_ever_alarms(count: int) -> None:
    draw = np.random.default_rng(count)
    alarms = sum(
        bool(shift.size)
        for _ in range(300)
        if (shift := number_shift(_edges(draw.normal(size=count)), count, 10)) is not None
    )

    assert alarms <= 1


def test_the_corrected_index_has_no_bias_upwards() -> None:
    draw = np.random.default_rng(7)
    found = [number_shift(_edges(draw.normal(size=60)), 60, 1) for _ in range(300)]

    assert np.mean([shift.psi for shift in found if shift]) < 0.05


def test_large_and_moderate_are_told_apart() -> None:
    draw = np.random.default_rng(8)
    small, large = (number_shift(_edges(draw.normal(mean, 1, 5000)), 5000, 1) for mean in (0.36, 1.0))

    assert small is not None
    assert large is not None
    assert MODERATE <= small.psi < LARGE <= large.psi
    assert (small.size, large.size) == ("moderate", "large")


def test_round_values_at_the_edges_are_no_shift() -> None:
    draw = np.random.default_rng(9)
    ages = np.round(draw.normal(60, 3, 2000))
    reference = np.round(60 + 3 * REFERENCE)

    shift = number_shift(_edges(ages, reference), 2000, 1)

    assert shift is not None
    assert shift.psi < 0.02


def test_a_reference_with_equal_values_is_compared_all_the_same() -> None:
    counts = np.random.default_rng(10).poisson(0.3, 3000).astype(float)
    shift = number_shift(_edges(counts, [0, 0, 0, 1, 1]), 3000, 1)
    other = number_shift(_edges(counts + 3, [0, 0, 0, 1, 1]), 3000, 1)

    assert shift is not None
    assert other is not None
    assert shift.size == ""
    assert other.size == "large"


def test_few_patients_say_nothing_however_many_records() -> None:
    assert number_shift(_edges(np.full(10_000, 5.0)), 29, 1) is None
    assert category_shift([0, 10_000], [0.5, 0.5], 29, 1) is None


def test_nothing_is_compared_without_a_reference() -> None:
    assert number_shift((), 400, 1) is None
    assert category_shift([1, 2], (), 400, 1) is None


def test_an_expected_value_that_never_occurs_and_an_unexpected_one_that_does() -> None:
    gone = category_shift([400, 0], [0.5, 0.5], 400, 1)
    new = category_shift([200, 200], [1.0, 0.0], 400, 1)

    assert gone is not None
    assert new is not None
    assert gone.size == "large"
    assert new.size == "large"
