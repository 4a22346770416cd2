"""The figures of the reports, against their definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedward_shared.errors import UsageError
from fedward_simulations.metrics import (
    Scored,
    accuracy,
    auc,
    brier,
    calibration,
    comparable_sites,
    estimate_auc,
    hospital_only,
)


def scored(labels: list[int], scores: list[float]) -> Scored:
    return Scored(np.array(labels), np.array(scores))


def hospital(patients: int, *, seed: int, shift: float = 1.0) -> Scored:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, patients)
    return Scored(labels, 1 / (1 + np.exp(-rng.normal(shift * (labels - 0.5), 1.0))))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=30))
def test_auc_counts_pairs(patients: list[tuple[bool, int]]) -> None:
    positive = [score for label, score in patients if label]
    negative = [score for label, score in patients if not label]
    labels, scores = np.array([int(label) for label, _ in patients]), np.array([float(score) for _, score in patients])
    if not positive or not negative:
        with pytest.raises(UsageError):
            auc(labels, scores)
        return
    wins = sum((p > n) + 0.5 * (p == n) for p in positive for n in negative)
    assert auc(labels, scores) == pytest.approx(wins / len(positive) / len(negative))


def test_pooled_and_within_differ_where_hospitals_differ() -> None:
    run = {"sick": scored([1, 1, 1, 0], [0.9, 0.9, 0.9, 0.9]), "well": scored([0, 0, 0, 1], [0.1, 0.1, 0.1, 0.1])}
    assert estimate_auc([run], [["sick", "well"]]).value == pytest.approx(0.75)
    assert estimate_auc([run], [["sick"], ["well"]]).value == pytest.approx(0.5)


def test_the_interval_holds_the_value_and_shrinks_with_patients() -> None:
    small, large = hospital(40, seed=1), hospital(1000, seed=1)
    narrow, wide = estimate_auc([{"a": large}], [["a"]]), estimate_auc([{"a": small}], [["a"]])
    assert wide.low < wide.value < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    truth = 0.7602
    estimates = [estimate_auc([{"a": hospital(150, seed=seed)}], [["a"]]) for seed in range(60)]
    assert sum(e.low <= truth <= e.high for e in estimates) >= 50


def test_several_seeds_are_summed_up_by_their_median() -> None:
    runs = [
        {"a": scored([0, 1, 0, 1], scores)}
        for scores in ([0.0, 1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0])
    ]
    assert estimate_auc(runs, [["a"]]).value == 1.0


def test_hospitals_with_few_patients_of_a_class_are_left_out_of_the_mean() -> None:
    run = {"a": scored([0] * 5 + [1] * 5, [0.5] * 10), "b": scored([0] * 4 + [1] * 30, [0.5] * 34)}
    assert comparable_sites(run) == ("a",)


def test_knowing_only_the_hospital() -> None:
    run = {"sick": scored([1, 1, 0], [0.5] * 3), "well": scored([0, 0, 1], [0.5] * 3)}
    assert hospital_only({"sick": 0.7, "well": 0.3}, run) == pytest.approx(2 / 3)


def test_accuracy_brier_and_calibration() -> None:
    run = {"a": scored([0, 1], [0.2, 0.4]), "b": scored([1, 0], [0.9, 0.7])}
    assert accuracy(run) == 0.5
    assert brier(run) == pytest.approx((0.04 + 0.36 + 0.01 + 0.49) / 4)
    first, second = calibration(run, bins=2)
    assert (first.patients, first.observed, second.patients, second.observed) == (2, 0.5, 2, 0.5)
    assert [first.predicted, second.predicted] == pytest.approx([0.3, 0.8])
