"""ε against golden values, against the analytic Gaussian, and at the edges."""

import math

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.privacy.accounting import calibrate_noise, epsilon
from fedward_shared.privacy.events import NoPrivacy, SampledGaussian

DELTA = 1e-5


def analytic_delta(mu: float, eps: float) -> float:
    """Balle and Wang 2018, theorem 8, written independently of the code under test."""

    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return phi(mu / 2 - eps / mu) - math.exp(eps) * phi(-mu / 2 - eps / mu)


@pytest.mark.parametrize(
    ("sigma", "rate", "steps", "golden"),
    [(1.0, 0.01, 1000, 1.829), (0.8, 0.05, 400, 10.733), (4.0, 1.0, 50, 8.59587), (1.311, 0.02, 1500, 2.997)],
)
def test_golden_values(sigma: float, rate: float, steps: int, golden: float) -> None:
    assert epsilon([SampledGaussian(sigma, rate, steps)], DELTA) == pytest.approx(golden, rel=1e-4)


@pytest.mark.parametrize(("sigma", "steps"), [(4.0, 50), (1.0, 1), (30.0, 3), (0.3, 2)])
def test_without_sampling_the_figure_is_the_analytic_gaussian_and_never_below_it(sigma: float, steps: int) -> None:
    mu = math.sqrt(steps) / sigma
    claimed = epsilon([SampledGaussian(sigma, 1.0, steps)], DELTA)
    assert analytic_delta(mu, claimed) <= DELTA < analytic_delta(mu, claimed * (1 - 1e-6))


def test_different_noise_composes_by_the_sum_of_inverse_squares() -> None:
    apart = epsilon([SampledGaussian(2.0, 1.0, 1), SampledGaussian(1.0, 1.0, 1)], DELTA)
    assert apart == pytest.approx(epsilon([SampledGaussian(1 / math.sqrt(1.25), 1.0, 1)], DELTA), rel=1e-6)


def test_order_and_splitting_into_records_do_not_matter() -> None:
    whole = [SampledGaussian(1.0, 0.1, 30), SampledGaussian(2.0, 1.0, 5)]
    pieces = [SampledGaussian(2.0, 1.0, 2), *[SampledGaussian(1.0, 0.1, 10)] * 3, SampledGaussian(2.0, 1.0, 3)]
    assert epsilon(whole, DELTA) == epsilon(pieces, DELTA)


@pytest.mark.parametrize(
    "events",
    [
        [NoPrivacy(1)],
        [SampledGaussian(0.0, 0.5, 1)],
        [SampledGaussian(5.0, 0.1, 10), NoPrivacy(1)],
    ],
)
def test_no_noise_costs_infinity(events: list[SampledGaussian | NoPrivacy]) -> None:
    assert epsilon(events, DELTA) == math.inf


@pytest.mark.parametrize("events", [[], [SampledGaussian(1.0, 0.5, 0)], [SampledGaussian(1.0, 0.0, 9)], [NoPrivacy(0)]])
def test_nothing_released_costs_nothing(events: list[SampledGaussian | NoPrivacy]) -> None:
    assert epsilon(events, DELTA) == 0


@pytest.mark.parametrize(("sigma", "rate", "steps"), [(0.001, 0.5, 10), (0.05, 0.9, 10**6), (0.2, 0.5, 10**9)])
def test_absurd_declarations_are_answered_at_once_with_an_upper_bound(sigma: float, rate: float, steps: int) -> None:
    claimed = epsilon([SampledGaussian(sigma, rate, steps)], DELTA)
    assert claimed == epsilon([SampledGaussian(sigma, 1.0, steps)], DELTA)
    assert 100 < claimed < math.inf


@pytest.mark.parametrize("delta", [0.0, -1.0, 1.0, 1e-15])
def test_delta_has_a_range(delta: float) -> None:
    with pytest.raises(UsageError, match="δ"):
        epsilon([SampledGaussian(1.0, 0.5, 1)], delta)


@pytest.mark.parametrize(
    ("target", "rate", "steps"),
    [(3.0, 0.02, 1500), (3.0, 1.0, 40), (0.1, 0.5, 30), (0.01, 0.5, 30), (20.0, 0.01, 1), (8.0, 0.3, 3000)],
)
def test_calibrated_noise_meets_the_target_and_wastes_little(target: float, rate: float, steps: int) -> None:
    sigma = calibrate_noise(target_epsilon=target, delta=DELTA, sampling_rate=rate, steps=steps)
    assert 0.995 * target <= epsilon([SampledGaussian(sigma, rate, steps)], DELTA) <= target


def test_a_target_out_of_reach_is_said_so() -> None:
    with pytest.raises(UsageError, match="no noise brings"):
        calibrate_noise(target_epsilon=1e-9, delta=DELTA, sampling_rate=1.0, steps=10**9)
    with pytest.raises(UsageError, match="target ε"):
        calibrate_noise(target_epsilon=math.inf, delta=DELTA, sampling_rate=1.0, steps=1)
