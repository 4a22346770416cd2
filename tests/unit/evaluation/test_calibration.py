"""Calibration, against scikit-learn and data whose calibration is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss

from fedward_shared.evaluation.calibration import Recalibration, Smooth, brier, integrated_index, risk_groups
from fedward_shared.evaluation.scored import Bools, Floats

RNG = np.random.default_rng(1)


def outcomes(risk: Floats) -> Bools:
    return np.asarray(RNG.random(len(risk)) < risk, dtype=np.bool_)


def shifted(risk: Floats, intercept: float, slope: float) -> Floats:
    """Risks from which logit(truth) = intercept + slope · logit(risk) gives the true ones back."""
    logit = (np.log(risk / (1 - risk)) - intercept) / slope
    return np.asarray(1 / (1 + np.exp(-logit)), dtype=np.float64)


def test_brier_agrees_with_scikit_learn() -> None:
    positive, labels = RNG.random(40), RNG.integers(0, 2, 40)
    scores = np.stack([1 - positive, positive], axis=1)
    assert brier(labels, scores) == pytest.approx(brier_score_loss(labels, positive), abs=1e-12)


def test_brier_of_three_classes_by_hand() -> None:
    scores = np.array([[1.0, 0.0, 0.0], [0.2, 0.5, 0.3]])
    assert brier(np.array([0, 2]), scores) == pytest.approx((0.04 + 0.25 + 0.49) / 2)


def test_intercept_and_slope_are_those_of_a_logistic_regression() -> None:
    risk = RNG.random(400) * 0.98 + 0.01
    positive = outcomes(risk)
    weights = RNG.integers(0, 3, (5, 400)).astype(np.float64)
    found = Recalibration(risk, positive)(weights)
    for row, (ratio, _, intercept, slope) in enumerate(found):
        fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(
            np.log(risk / (1 - risk))[:, None], positive, sample_weight=weights[row]
        )
        assert (intercept, slope) == pytest.approx((fitted.intercept_[0], fitted.coef_[0, 0]), abs=1e-4)
        assert ratio == pytest.approx((weights[row] * positive).sum() / (weights[row] * risk).sum())


def test_in_the_large_makes_the_mean_risk_the_observed_share() -> None:
    risk = RNG.random(300) * 0.5 + 0.01
    positive = outcomes(np.minimum(risk * 1.6, 1))
    large = Recalibration(risk, positive)(np.ones((1, 300)))[0, 1]
    moved = 1 / (1 + np.exp(-(np.log(risk / (1 - risk)) + large)))
    assert moved.mean() == pytest.approx(positive.mean(), abs=1e-9)


@pytest.mark.parametrize(("intercept", "slope"), [(0.0, 1.0), (0.7, 0.5), (-1.0, 1.4)])
def test_a_known_miscalibration_is_found(intercept: float, slope: float) -> None:
    truth = RNG.beta(2, 2, 20_000) * 0.98 + 0.01
    found = Recalibration(shifted(truth, intercept, slope), outcomes(truth))(np.ones((1, 20_000)))[0]
    assert found[2:] == pytest.approx([intercept, slope], abs=0.1)


@pytest.mark.parametrize(
    ("risk", "positive"),
    [
        ([0.1, 0.2, 0.8, 0.9], [False, False, True, True]),
        ([0.3, 0.3, 0.3, 0.3], [False, True, True, False]),
        ([0.1, 0.2, 0.3, 0.4], [True, True, True, True]),
    ],
)
def test_a_slope_that_does_not_exist_is_not_told(risk: list[float], positive: list[bool]) -> None:
    found = Recalibration(np.array(risk), np.array(positive))(np.ones((1, 4)))[0]
    assert np.isnan(found[3])


def test_groups_are_even_and_equal_risks_stay_together() -> None:
    groups = risk_groups(RNG.random(200))
    assert np.bincount(groups).tolist() == [20] * 10
    tied = np.repeat([0.1, 0.2, 0.7], [50, 10, 40])
    groups = risk_groups(tied)
    assert all(len(np.unique(groups[tied == value])) == 1 for value in (0.1, 0.2, 0.7))
    assert risk_groups(np.full(30, 0.4)).tolist() == [0] * 30
    assert len(risk_groups(np.zeros(0))) == 0


def test_the_smooth_curve_follows_what_was_observed() -> None:
    risk = RNG.random(8000)
    smooth = Smooth.of(risk, outcomes(risk**2))
    fitted = smooth(np.ones((1, 8000)))[0]
    inside = (smooth.places > 0.1) & (smooth.places < 0.9)
    assert np.abs(fitted - smooth.places**2)[inside].max() < 0.08


def test_the_integrated_index_is_the_mean_error_of_the_risk() -> None:
    risk = RNG.random(8000)
    right, wrong = outcomes(risk), outcomes(np.full(8000, 0.5))
    assert integrated_index(risk, Smooth.of(risk, right)) < 0.02
    assert integrated_index(risk, Smooth.of(risk, wrong)) == pytest.approx(0.25, abs=0.02)


def test_risks_of_one_value_still_have_a_curve() -> None:
    risk, positive = np.full(40, 0.3), np.arange(40) % 4 == 0
    smooth = Smooth.of(risk, positive)
    assert smooth(np.ones((1, 40))) == pytest.approx(np.array([[0.25]]))
    assert integrated_index(risk, smooth) == pytest.approx(0.05)
