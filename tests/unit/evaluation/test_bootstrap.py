"""Draws of patients: what they keep, that they repeat themselves, and what their intervals cover."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.evaluation.bootstrap import Draws, Estimate, Statistic, estimates
from fedward_shared.evaluation.discrimination import Areas
from fedward_shared.evaluation.scored import Floats
from tests.support.scored import a_hospital


def mean_of(values: Floats) -> Statistic:
    return lambda weights: (weights @ values / weights.sum(axis=1))[:, None]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 2)), min_size=1, max_size=30))
@settings(max_examples=40, deadline=None)
def test_patients_are_drawn_whole_and_strata_keep_their_sizes(rows: list[tuple[int, int]]) -> None:
    units, strata = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    largest = {unit: strata[units == unit].max() for unit in set(units.tolist())}
    (weights,) = Draws(units, strata, resamples=20).weights()
    assert weights.shape == (20, len(rows))
    for drawn in weights:
        of_patient = {unit: set(drawn[units == unit].tolist()) for unit in largest}
        assert all(len(counts) == 1 for counts in of_patient.values())
        for stratum in set(largest.values()):
            members = [unit for unit, own in largest.items() if own == stratum]
            assert sum(min(of_patient[unit]) for unit in members) == len(members)


def test_draws_are_the_same_each_time_and_all_patients_are_drawn() -> None:
    units, strata = np.arange(50), np.arange(50) % 2
    first, again = (np.concatenate([*Draws(units, strata, resamples=200).weights()]) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.mean(axis=0) == pytest.approx(np.ones(50), abs=0.35)
    assert first.var(axis=0).mean() == pytest.approx(0.96, abs=0.05)


def test_a_large_set_is_drawn_in_pieces_and_in_full() -> None:
    units = np.arange(5000)
    pieces = [weights.shape for weights in Draws(units, np.zeros(5000, np.int64), resamples=1000).weights()]
    assert len(pieces) > 1
    assert sum(rows for rows, _ in pieces) == 1000


def test_the_interval_is_wider_when_rows_belong_to_few_patients() -> None:
    values = np.repeat(np.random.default_rng(0).random(30), 10)
    one = np.zeros(300, np.int64)
    (grouped,), (single,) = (
        estimates([[mean_of(values)]], 300, Draws(units, one))[0]
        for units in (np.repeat(np.arange(30), 10), np.arange(300))
    )
    assert grouped is not None
    assert single is not None
    assert grouped.low < single.low < grouped.value < single.high < grouped.high


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    found = []
    for seed in range(60):
        scored = a_hospital(150, seed=seed, shift=1.0)
        areas = Areas(scored.labels, scored.scores, (1,))
        found.append(estimates([[areas]], 150, Draws(scored.units, scored.labels))[0][0])
    truth = 0.7602
    assert sum(one is not None and one.low <= truth <= one.high for one in found) >= 50


def test_several_models_are_summed_up_by_their_median() -> None:
    values = [np.arange(20, dtype=np.float64) * factor for factor in (1.0, 2.0, 30.0)]
    draws = Draws(np.arange(20), np.zeros(20, np.int64))
    ((told,),) = estimates([[mean_of(each) for each in values]], 20, draws)
    ((middle,),) = estimates([[mean_of(values[1])]], 20, draws)
    assert told == middle


def test_a_figure_that_does_not_exist_is_none() -> None:
    def never(weights: Floats) -> Floats:
        return np.full((len(weights), 1), np.nan)

    def seldom(weights: Floats) -> Floats:
        value = np.full((len(weights), 1), np.nan)
        value[0] = 1.0
        return value

    draws = Draws(np.arange(5), np.zeros(5, np.int64))
    assert estimates([[never], [seldom]], 5, draws) == [[None], [None]]
    assert estimates([[mean_of(np.ones(5))]], 5, draws) == [[Estimate(1.0, 1.0, 1.0)]]
