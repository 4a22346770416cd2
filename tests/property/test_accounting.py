"""What no budget may contradict: more events never cost less, and no figure is below a lower bound on the truth."""

import math
import os

from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.privacy.accounting import calibrate_noise, epsilon
from fedward_shared.privacy.events import Event, NoPrivacy, SampledGaussian

EXAMPLES = 25 * (10 if os.environ.get("FEDWARD_LONG") else 1)
DELTA = 1e-5
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
    assert epsilon([*before, more], DELTA) >= epsilon(before, DELTA)


@given(events)
@settings(max_examples=EXAMPLES, deadline=None)
def test_order_does_not_matter(several: list[Event]) -> None:
    assert epsilon(several, DELTA) == epsilon(several[::-1], DELTA)


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
