"""ε against golden values, against the analytic Gaussian, and at the edges."""

import math

import pytest

from fedward_shared.errors import UsageError
from fedward_shared.privacy.accounting import calibrate_noise, calibrate_rounds, epsilon, with_count
from fedward_shared.privacy.accounting.cross_check import cross_check
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy, SampledGaussian
from tests.support.hockey_stick import DIRECTIONS, composed_bracket

DELTA = 1e-5


def analytic_delta(mu: float, eps: float) -> float:
    """Balle and Wang 2018, theorem 8, written independently of the code under test."""

    def phi(x: float) -> float:
        return math.erfc(-x / math.sqrt(2)) / 2

    return phi(mu / 2 - eps / mu) - math.exp(eps) * phi(-mu / 2 - eps / mu)


@pytest.mark.parametrize(
    ("sigma", "rate", "steps", "golden"),
    [(1.0, 0.01, 1000, 1.82825), (0.8, 0.05, 400, 10.73269), (4.0, 1.0, 50, 8.59587), (1.311, 0.02, 1500, 2.99597)],
)
def test_golden_values(sigma: float, rate: float, steps: int, golden: float) -> None:
    """By dp-accounting 0.6 with a grid of 1e-5, whose figures these exceed by less than 2e-5."""
    assert epsilon([SampledGaussian(sigma, rate, steps)], DELTA) == pytest.approx(golden, rel=1e-5)


@pytest.mark.parametrize(("sigma", "epochs", "published"), [(1.12, 60, 2.92), (0.6, 30, 9.74), (1.2, 10, 1.20)])
def test_what_was_published_by_renyi_accounting_is_above_the_truth(sigma: float, epochs: int, published: float) -> None:
    """The table of TensorFlow Privacy's tutorial on MNIST (60 000 examples, batches of 256, δ = 1e-5)."""
    claimed = epsilon([SampledGaussian(sigma, 256 / 60_000, epochs * 60_000 // 256)], DELTA)
    assert 0.6 * published < claimed < published


@pytest.mark.parametrize(
    "events",
    [
        [SampledGaussian(1.0, 0.01, 1000)],
        [SampledGaussian(0.8, 0.05, 400)],
        [SampledGaussian(4.0, 1.0, 50)],
        [SampledGaussian(1.0, 0.02, 200), SampledGaussian(2.0, 0.3, 20), SampledGaussian(9.0, 1.0, 5)],
        [AdaptiveGaussian(1.2, 3.0, 0.05, 300)],
    ],
)
def test_other_accountants_agree_and_the_moments_one_is_above(events: list[Event]) -> None:
    by = cross_check(events, DELTA)
    assert by.pld == epsilon(events, DELTA)
    assert by.opacus_rdp > by.pld * 1.03
    assert by.opacus_prv == pytest.approx(by.pld, abs=0.03)
    assert by.dp_accounting == pytest.approx(by.pld, rel=1e-3)


def test_the_central_limit_is_shown_because_it_says_too_little() -> None:
    """Why GDP is for no guarantee: it is below the truth, which the lower end of a bracket shows."""
    event = SampledGaussian(0.6, 0.01, 30)
    lower = max(composed_bracket(direction, [(0.6, 0.01, 30)], DELTA, 2e-4)[0] for direction in DIRECTIONS)
    assert cross_check([event], DELTA).gdp_never_use < 0.8 * lower


def test_accountants_have_nothing_to_say_about_no_privacy() -> None:
    by = cross_check([NoPrivacy(1)], DELTA)
    assert by.pld == by.opacus_rdp == by.opacus_prv == by.dp_accounting == by.gdp_never_use == math.inf
    assert cross_check([], DELTA).opacus_rdp == 0


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


@pytest.mark.parametrize(
    ("sigma", "rate", "steps"),
    [
        (0.001, 0.5, 10),
        (0.05, 0.9, 10**6),
        (0.2, 0.5, 10**9),
        (1e-200, 0.5, 1),
        (5e-324, 1.0, 2**53),
        (0.5, 0.99, 2**53),
    ],
)
def test_absurd_declarations_are_answered_at_once_with_an_upper_bound(sigma: float, rate: float, steps: int) -> None:
    claimed = epsilon([SampledGaussian(sigma, rate, steps)], DELTA)
    assert 100 < claimed <= epsilon([SampledGaussian(sigma, 1.0, steps)], DELTA)


def test_sampling_counts_even_where_the_figure_is_hopeless() -> None:
    claimed = epsilon([SampledGaussian(0.2, 0.01, 10**6)], DELTA)
    assert claimed < 0.05 * epsilon([SampledGaussian(0.2, 1.0, 10**6)], DELTA)


@pytest.mark.parametrize("sigma", [1e7, 1e200])
@pytest.mark.parametrize("rate", [1e-300, 1e-13, 0.5, 1 - 1e-12])
def test_next_to_all_the_noise_costs_next_to_nothing(sigma: float, rate: float) -> None:
    assert 0 <= epsilon([SampledGaussian(sigma, rate, 1000)], DELTA) < 1e-4


@pytest.mark.parametrize("rate", [5e-324, 1e-300, 1e-13, 1e-9])
def test_next_to_no_sampling_costs_next_to_nothing(rate: float) -> None:
    assert 0 <= epsilon([SampledGaussian(1.0, rate, 1000)], DELTA) < 1e-9


def test_sampling_of_nearly_all_tends_to_that_of_all() -> None:
    everybody = epsilon([SampledGaussian(2.0, 1.0, 20)], DELTA)
    for rate in (1 - 1e-6, 1 - 1e-10, 1 - 2.0**-53):
        assert epsilon([SampledGaussian(2.0, rate, 20)], DELTA) == pytest.approx(everybody, rel=1e-4)


def test_a_count_released_beside_the_gradient_is_one_gaussian_with_both_inverse_squares() -> None:
    z = with_count(1.5, 2.0)
    assert z == pytest.approx((1.5**-2 + (2 * 2.0) ** -2) ** -0.5, rel=1e-14)
    assert z < 1.5
    together = epsilon([AdaptiveGaussian(1.5, 2.0, 0.1, 50)], DELTA)
    assert together == epsilon([SampledGaussian(z, 0.1, 50)], DELTA)
    assert together > epsilon([SampledGaussian(1.5, 0.1, 50)], DELTA)


def test_a_count_without_noise_has_no_privacy() -> None:
    assert epsilon([AdaptiveGaussian(1.5, 0.0, 0.1, 1)], DELTA) == math.inf
    assert epsilon([AdaptiveGaussian(0.0, 1.0, 0.1, 1)], DELTA) == math.inf
    assert epsilon([AdaptiveGaussian(0.0, 1.0, 0.0, 1)], DELTA) == 0


@pytest.mark.parametrize("inside", [True, False])
def test_gradient_and_count_together_are_no_further_apart_than_their_one_gaussian(inside: bool) -> None:
    """Theorem 1 of the adaptive clip, by its vectors: joint distance over noise, for a patient added or removed."""
    sigma, count_noise, clip = 1.5, 2.0, 0.7
    gradient, count = clip / (sigma * clip), (0.5 if inside else -0.5) / count_noise
    assert math.hypot(gradient, count) <= 1 / with_count(sigma, count_noise)
    assert math.hypot(gradient, count) == pytest.approx(1 / with_count(sigma, count_noise), rel=1e-12)


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


@pytest.mark.parametrize(
    ("target", "sigma", "rate", "steps"),
    [(3.0, 1.0, 0.01, 10), (1.0, 2.0, 1.0, 1), (8.0, 0.8, 0.05, 7), (0.5, 5.0, 0.3, 1), (0.01, 1.0, 0.5, 1)],
)
def test_calibrated_rounds_fit_and_one_more_does_not(target: float, sigma: float, rate: float, steps: int) -> None:
    rounds = calibrate_rounds(
        target_epsilon=target, delta=DELTA, noise_multiplier=sigma, sampling_rate=rate, steps_per_round=steps
    )
    assert epsilon([SampledGaussian(sigma, rate, rounds * steps)], DELTA) <= target
    assert epsilon([SampledGaussian(sigma, rate, (rounds + 1) * steps)], DELTA) > target


def test_rounds_have_ends() -> None:
    def rounds(**changes: float) -> int:
        terms = {"target_epsilon": 1.0, "noise_multiplier": 1.0, "sampling_rate": 0.5} | changes
        return calibrate_rounds(delta=DELTA, steps_per_round=1, **terms)

    assert rounds(noise_multiplier=0.0) == 0
    assert rounds(sampling_rate=0.0) == 2**20
    with pytest.raises(UsageError, match="target ε"):
        rounds(target_epsilon=0.0)
    with pytest.raises(UsageError, match="at least one step"):
        calibrate_rounds(target_epsilon=1.0, delta=DELTA, noise_multiplier=1.0, sampling_rate=0.5, steps_per_round=0)
