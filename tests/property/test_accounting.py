"""What no budget may contradict: no figure is below the truth or far above it, and whatever is worse costs more.

Each figure is within `GRID` above the truth, and two figures may lie on different grids: order holds to within that.
"""

import math
import os

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fedward_shared.privacy.accounting import calibrate_noise, calibrate_rounds, epsilon
from fedward_shared.privacy.events import AdaptiveGaussian, Event, NoPrivacy, SampledGaussian
from tests.support.hockey_stick import DIRECTIONS, composed_bracket, one_step_delta

EXAMPLES = 25 * (10 if os.environ.get("FEDWARD_LONG") else 1)
DELTA = 1e-5
GRID = 2e-4
sigmas = st.floats(0.4, 30)
rates = st.one_of(st.floats(1e-3, 1), st.just(1.0))
deltas = st.floats(-9, -2).map(lambda exponent: 10**exponent)
counts = st.sampled_from([1, 2, 7, 30, 200, 1500])
sampled = st.builds(
    SampledGaussian,
    st.sampled_from([0.7, 1.0, 2.0, 8.0]),
    st.sampled_from([0.01, 0.1, 0.5, 1.0]),
    st.sampled_from([1, 10, 100]),
)
events = st.lists(st.one_of(sampled, st.builds(NoPrivacy, st.integers(0, 1))), max_size=4)


def phi(x: float) -> float:
    return math.erfc(-x / math.sqrt(2)) / 2


@given(events, sampled)
@settings(max_examples=EXAMPLES, deadline=None)
def test_one_more_event_never_costs_less(before: list[Event], more: Event) -> None:
    assert epsilon([*before, more], DELTA) >= epsilon(before, DELTA) * (1 - GRID) - 1e-9


@given(events)
@settings(max_examples=EXAMPLES, deadline=None)
def test_order_does_not_matter(several: list[Event]) -> None:
    assert epsilon(several, DELTA) == epsilon(several[::-1], DELTA)


@given(sigmas, rates, st.sampled_from([2, 3, 10, 1000]), st.integers(1, 999), deltas)
@settings(max_examples=EXAMPLES, deadline=None)
def test_splitting_an_event_changes_no_bit(sigma: float, rate: float, steps: int, part: int, delta: float) -> None:
    first = part % steps
    whole = [SampledGaussian(sigma, rate, steps)]
    pieces = [SampledGaussian(sigma, rate, first), SampledGaussian(sigma, rate, steps - first)]
    assert epsilon(pieces, delta) == epsilon(whole, delta)


@given(
    st.builds(SampledGaussian, sigmas, rates, counts),
    deltas,
    st.floats(1.001, 3),
    st.sampled_from(["sigma", "rate", "steps", "delta", "count"]),
)
@settings(max_examples=2 * EXAMPLES, deadline=None)
def test_whatever_is_worse_costs_more(event: SampledGaussian, delta: float, by: float, what: str) -> None:
    sigma, rate, steps = event.noise_multiplier, event.sampling_rate, event.steps
    worse_event: dict[str, Event] = {
        "sigma": SampledGaussian(sigma / by, rate, steps),
        "rate": SampledGaussian(sigma, min(1.0, rate * by), steps),
        "steps": SampledGaussian(sigma, rate, math.ceil(steps * by)),
        "delta": event,
        "count": AdaptiveGaussian(sigma, by, rate, steps),
    }
    better = epsilon([event], delta)
    worse = epsilon([worse_event[what]], delta / by if what == "delta" else delta)
    assert worse >= better * (1 - GRID) - 1e-9


@given(st.floats(0.2, 30), st.floats(1e-3, 1), st.floats(-10, -2).map(lambda exponent: 10**exponent))
@settings(max_examples=4 * EXAMPLES, deadline=None)
def test_one_step_costs_the_truth_and_hardly_more(sigma: float, rate: float, delta: float) -> None:
    claimed = epsilon([SampledGaussian(sigma, rate, 1)], delta)

    def truth(eps: float) -> float:
        return max(one_step_delta(direction, sigma, rate, eps) for direction in DIRECTIONS)

    assert truth(claimed) <= delta * (1 + 1e-9)
    slightly_less = claimed * (1 - 50 * GRID) - 1e-9
    assert slightly_less <= 0 or truth(slightly_less) > delta


@given(
    st.lists(st.tuples(st.floats(0.8, 5), st.floats(1e-3, 0.9), st.sampled_from([1, 3, 12])), min_size=1, max_size=3),
    st.sampled_from([1e-3, 1e-5, 1e-7]),
)
@settings(max_examples=EXAMPLES // 2, deadline=None)
def test_mixed_steps_cost_what_another_composition_says(parts: list[tuple[float, float, int]], delta: float) -> None:
    claimed = epsilon([SampledGaussian(*part) for part in parts], delta)
    assume(claimed < 10)  # the other composition's losses end at 26
    brackets = [composed_bracket(direction, parts, delta, 2e-4) for direction in DIRECTIONS]
    low, high = (max(ends) for ends in zip(*brackets, strict=True))
    assert low <= claimed <= high * (1 + GRID) + 1e-9


@given(sampled, sampled)
@settings(max_examples=EXAMPLES, deadline=None)
def test_leaving_sampling_out_of_account_is_an_upper_bound(first: SampledGaussian, second: SampledGaussian) -> None:
    everybody = [SampledGaussian(event.noise_multiplier, 1.0, event.steps) for event in (first, second)]
    assert epsilon([first, second], DELTA) <= epsilon(everybody, DELTA)


@given(st.sampled_from([0.5, 0.8, 1.0, 2.0, 5.0]), st.sampled_from([0.01, 0.1, 0.5, 0.9]), st.floats(-6, 6, width=32))
@settings(max_examples=EXAMPLES, deadline=None)
def test_no_test_of_one_step_beats_the_claim(sigma: float, rate: float, threshold: float) -> None:
    """The power of `output > threshold` between the two worlds, in closed form, for adding and for removing."""
    claimed = epsilon([SampledGaussian(sigma, rate, 1)], DELTA)
    absent = 1 - phi(threshold / sigma)
    present = (1 - rate) * absent + rate * (1 - phi((threshold - 1) / sigma))
    slack = 1e-12
    assert present <= math.exp(claimed) * absent + DELTA + slack
    assert 1 - absent <= math.exp(claimed) * (1 - present) + DELTA + slack


@given(st.sampled_from([0.5, 1.0, 3.0, 8.0]), st.sampled_from([0.05, 0.3, 1.0]), st.sampled_from([1, 30, 200]))
@settings(max_examples=EXAMPLES // 2, deadline=None)
def test_calibration_meets_its_target_from_below(target: float, rate: float, steps: int) -> None:
    sigma = calibrate_noise(target_epsilon=target, delta=DELTA, sampling_rate=rate, steps=steps)
    assert 0.995 * target <= epsilon([SampledGaussian(sigma, rate, steps)], DELTA) <= target


@given(st.floats(0.05, 10), st.sampled_from([0.7, 1.3, 6.0]), st.sampled_from([0.01, 0.3, 1.0]), st.integers(1, 20))
@settings(max_examples=EXAMPLES // 2, deadline=None)
def test_calibrated_rounds_are_the_most_that_fit(target: float, sigma: float, rate: float, steps: int) -> None:
    rounds = calibrate_rounds(
        target_epsilon=target, delta=DELTA, noise_multiplier=sigma, sampling_rate=rate, steps_per_round=steps
    )
    assert epsilon([SampledGaussian(sigma, rate, rounds * steps)], DELTA) <= target
    assert epsilon([SampledGaussian(sigma, rate, (rounds + 1) * steps)], DELTA) > target
