"""Decision curves by hand."""

import numpy as np
import pytest

from fedward_shared.evaluation.decision import NetBenefit, net_benefit_at_horizon, thresholds_between, treat_all
from fedward_shared.evaluation.kaplan_meier import Followed


def test_net_benefit_by_hand() -> None:
    risk = np.array([0.1, 0.2, 0.3, 0.6, 0.8])
    positive = np.array([False, True, False, True, True])
    found = NetBenefit(risk, positive, np.array([0.05, 0.25, 0.5, 0.9]))(np.ones((1, 5)))[0]
    expected = [3 / 5 - 2 / 5 * 0.05 / 0.95, 2 / 5 - 1 / 5 * 0.25 / 0.75, 2 / 5, 0.0]
    assert found == pytest.approx(expected)


def test_acting_for_all_is_a_model_that_gives_everybody_a_high_risk() -> None:
    positive = np.arange(20) % 5 == 0
    thresholds = thresholds_between(0.05, 0.5)
    everybody = NetBenefit(np.ones(20), positive, thresholds)(np.ones((1, 20)))[0]
    assert treat_all(0.2, thresholds) == pytest.approx(everybody)
    assert treat_all(0.2, np.array([0.2])) == pytest.approx([0.0])


def test_weights_count_rows_several_times() -> None:
    risk, positive, weights = np.array([0.1, 0.7, 0.9]), np.array([False, True, False]), np.array([2.0, 1.0, 3.0])
    thresholds = np.array([0.2, 0.8])
    times = weights.astype(int)
    repeated = NetBenefit(np.repeat(risk, times), np.repeat(positive, times), thresholds)(np.ones((1, 6)))
    assert NetBenefit(risk, positive, thresholds)(weights[None]) == pytest.approx(repeated)


def test_without_censoring_survival_is_the_same_question() -> None:
    random = np.random.default_rng(0)
    times, risk = random.uniform(0, 10, 80), random.random(80)
    thresholds = thresholds_between(0.1, 0.6)
    survival = net_benefit_at_horizon(risk, Followed(times, np.ones(80, bool)), 4.0, thresholds)
    assert survival == pytest.approx(NetBenefit(risk, times <= 4.0, thresholds)(np.ones((1, 80)))[0])
