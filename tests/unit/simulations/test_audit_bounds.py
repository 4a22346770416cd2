"""What a test's errors say about ε: against published formulas, the accountant, and mechanisms known in closed form."""

from math import exp, inf, log

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, norm

from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.events import SampledGaussian
from fedward_simulations.audit.bounds import (
    any_epsilon,
    effective_mu,
    family_epsilon,
    gaussian_mu,
    highest_rate,
    largest_true_positive_rate,
    lowest_rate,
    repeated_epsilon,
    trade_off,
)

RATES = np.linspace(0.0005, 0.9995, 1999)


@pytest.mark.parametrize(("hits", "trials"), [(0, 10), (1, 10), (7, 10), (10, 10), (31, 1000)])
def test_rates_are_those_of_clopper_and_pearson(hits: int, trials: int) -> None:
    interval = binomtest(hits, trials).proportion_ci(0.98, method="exact")
    assert float(highest_rate(hits, trials, 0.01)) == pytest.approx(interval.high)
    assert float(lowest_rate(hits, trials, 0.01)) == pytest.approx(interval.low)


def test_a_bound_is_wrong_no_more_often_than_it_says() -> None:
    hits = np.random.default_rng(0).binomial(50, 0.3, 20_000)
    assert (highest_rate(hits, 50, 0.05) < 0.3).mean() <= 0.05
    assert (lowest_rate(hits, 50, 0.05) > 0.3).mean() <= 0.05


@pytest.mark.parametrize("sigma", [0.5, 1.0, 3.0])
def test_the_curve_with_everybody_drawn_is_the_gaussian_one(sigma: float) -> None:
    expected = norm.cdf(norm.ppf(1 - RATES) - 1 / sigma)
    np.testing.assert_allclose(trade_off(RATES, sampling_rate=1.0, noise_multiplier=sigma), expected)


@given(rate=st.floats(0.01, 1), sigma=st.floats(0.2, 10))
def test_the_curve_is_a_trade_off_curve(rate: float, sigma: float) -> None:
    """Convex, falling, and at or below guessing (Dong, Roth and Su 2019, proposition 2.2)."""
    curve = trade_off(RATES, sampling_rate=rate, noise_multiplier=sigma)
    assert (curve <= 1 - RATES + 1e-12).all()
    assert (np.diff(curve) <= 1e-12).all()
    assert (np.diff(curve, 2) >= -1e-12).all()


@pytest.mark.parametrize("rate", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("sigma", [0.6, 1.0, 2.0])
def test_the_curve_says_the_same_as_the_accountant(rate: float, sigma: float) -> None:
    """δ(ε) = sup over α of 1 - f(α) - e^ε α, in the worse of both orders, must meet δ at the accountant's ε."""
    delta = 1e-3
    claimed = epsilon([SampledGaussian(sigma, rate, 1)], delta)
    alpha = np.concatenate((np.geomspace(1e-12, 1e-3, 20_000), RATES, 1 - np.geomspace(1e-12, 1e-3, 20_000)))
    missed = trade_off(alpha, sampling_rate=rate, noise_multiplier=sigma)
    for order in ((alpha, missed), (missed, alpha)):
        assert (1 - order[1] - exp(claimed) * order[0]).max() <= delta * 1.0001
    smaller = 0.98 * claimed
    worse = max((1 - b - exp(smaller) * a).max() for a, b in ((alpha, missed), (missed, alpha)))
    assert worse > delta


@given(rate=st.floats(0.05, 1), sigma=st.floats(0.3, 5), alpha=st.floats(0.01, 0.9))
def test_the_effective_mu_is_the_inverse_of_the_curve(rate: float, sigma: float, alpha: float) -> None:
    missed = trade_off(alpha, sampling_rate=rate, noise_multiplier=sigma)
    assert float(effective_mu(alpha, missed, rate)) == pytest.approx(1 / sigma, rel=1e-3)


def test_a_point_that_guessing_reaches_needs_no_mu_and_one_below_every_curve_has_infinite_mu() -> None:
    assert float(effective_mu(0.3, 0.7, 0.5)) == 0.0
    assert float(effective_mu(0.3, 0.9, 0.5)) == 0.0
    assert float(effective_mu(0.1, 0.44, 0.5)) == inf  # half of the draws hold no canary: 0.45 is missed at least
    assert float(effective_mu(0.1, 0.46, 0.5)) < inf


def test_randomised_response_has_the_epsilon_that_it_is_made_with() -> None:
    for true in (0.1, 1.0, 4.0):
        lie = 1 / (1 + exp(true))
        assert any_epsilon(lie, lie, 0.0) == pytest.approx(true)
        assert repeated_epsilon(lie, lie, 1, 0.0) == pytest.approx(true, rel=1e-6)
        assert repeated_epsilon(lie, lie, 5, 0.0) == pytest.approx(5 * true, rel=1e-6)
        assert repeated_epsilon(lie, lie, 5, 1e-3) < 5 * true


def test_errors_that_guessing_makes_prove_nothing() -> None:
    assert any_epsilon(0.5, 0.5, 1e-5) == 0.0
    assert any_epsilon(0.9, 0.9, 1e-5) == 0.0
    assert repeated_epsilon(0.4, 0.6, 100, 1e-5) == 0.0
    assert any_epsilon(0.0, 0.2, 1e-5) == inf


@pytest.mark.parametrize("steps", [1, 10, 100])
@pytest.mark.parametrize("sigma", [1.0, 4.0])
def test_what_one_test_proves_of_many_steps_never_exceeds_their_cost(steps: int, sigma: float) -> None:
    for alpha in (0.02, 0.3, 0.5):
        missed = float(trade_off(alpha, sampling_rate=0.5, noise_multiplier=sigma))
        assert repeated_epsilon(alpha, missed, steps, 1e-5) <= family_epsilon(1 / sigma, 0.5, steps, 1e-5)
        assert any_epsilon(alpha, missed, 1e-5) <= family_epsilon(1 / sigma, 0.5, 1, 1e-5)


def test_mu_and_epsilon_of_the_gaussian_are_inverse() -> None:
    for mu in (0.1, 1.0, 4.0):
        assert gaussian_mu(family_epsilon(mu, 1.0, 1, 1e-5), 1e-5) == pytest.approx(mu, rel=1e-4)
    assert gaussian_mu(inf, 1e-5) >= 1e3
    assert family_epsilon(0.0, 1.0, 1, 1e-5) == 0.0
    assert family_epsilon(inf, 1.0, 1, 1e-5) == inf


def test_the_largest_true_positive_rate() -> None:
    rates = np.array([0.0, 0.001, 0.5, 1.0])
    allowed = largest_true_positive_rate(rates, log(10), 0.01)
    np.testing.assert_allclose(allowed, [0.01, 0.02, 1 - 0.1 * 0.49, 1.0])
    np.testing.assert_array_equal(largest_true_positive_rate(rates, inf, 0.0), np.ones(4))
    np.testing.assert_allclose(largest_true_positive_rate(rates, 0.0, 0.0), rates)
