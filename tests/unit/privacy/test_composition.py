"""ε of sampled steps against the truth: brute-force integration, another composition, and closed forms."""

import math

import numpy as np
import pytest
from scipy.special import erfc

from fedward_shared.privacy.accounting.composition import composed, moment_bound
from fedward_shared.privacy.accounting.gaussian import gaussian_epsilon
from fedward_shared.privacy.accounting.step_loss import Step, step_losses
from tests.support.hockey_stick import DIRECTIONS, composed_bracket, integrated_delta, one_step_delta

STEPS = [(1.0, 0.01), (0.6, 0.3), (2.0, 0.5), (5.0, 0.9), (0.5, 1e-4), (0.15, 0.2), (1.0, 1.0), (40.0, 0.05)]
INTERVAL = 2.0**-10


@pytest.mark.parametrize("direction", DIRECTIONS)
@pytest.mark.parametrize(("sigma", "rate"), STEPS)
def test_the_closed_form_that_other_tests_use_is_the_integral(direction: str, sigma: float, rate: float) -> None:
    for eps in (0.0, 0.003, 0.1, 1.0, 4.0):
        expected = integrated_delta(direction, sigma, rate, eps)
        assert one_step_delta(direction, sigma, rate, eps) == pytest.approx(expected, rel=1e-6, abs=1e-13)


@pytest.mark.parametrize(("sigma", "rate"), STEPS)
def test_a_steps_loss_on_the_grid_is_never_below_the_truth_in_either_direction(sigma: float, rate: float) -> None:
    """At the grid's own points the divergence is exact, between them it is the chord."""
    for direction, loss in zip(DIRECTIONS, step_losses(Step(sigma, rate, INTERVAL, 1e-20)), strict=True):
        for at in range(max(0, loss.first), loss.first + len(loss.masses), max(1, len(loss.masses) // 60)):
            for eps in (at * INTERVAL, (at + 0.4) * INTERVAL):
                above = loss.losses > eps
                ours = loss.infinite + (loss.masses[above] * -np.expm1(eps - loss.losses[above])).sum()
                truth = one_step_delta(direction, sigma, rate, eps)
                assert ours >= truth * (1 - 1e-10) - 1e-17
                assert ours <= truth * (1 + 1e-4) + INTERVAL / 4 or eps != at * INTERVAL
                if eps == at * INTERVAL:
                    assert ours == pytest.approx(truth, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("tail", [1e-6, 1e-2])
@pytest.mark.parametrize(("sigma", "rate"), STEPS)
def test_what_the_grid_leaves_out_counts_as_infinite_or_higher(sigma: float, rate: float, tail: float) -> None:
    for direction, loss in zip(DIRECTIONS, step_losses(Step(sigma, rate, INTERVAL, tail)), strict=True):
        for eps in np.linspace(0, 1.2 * float(loss.losses[-1]) + 0.1, 40):
            above = loss.losses > eps
            ours = loss.infinite + (loss.masses[above] * -np.expm1(eps - loss.losses[above])).sum()
            assert ours >= one_step_delta(direction, sigma, rate, float(eps)) * (1 - 1e-10) - 1e-17


@pytest.mark.parametrize(("sigma", "rate"), STEPS)
def test_a_steps_masses_sum_to_one_under_both_distributions(sigma: float, rate: float) -> None:
    """Σ m = 1, and Σ m e^(−loss) = 1 less what of the other distribution lies where this one has no mass."""
    for loss in step_losses(Step(sigma, rate, INTERVAL, 1e-20)):
        assert loss.masses.sum() + loss.infinite == pytest.approx(1, abs=1e-9)
        assert (loss.masses * np.exp(-loss.losses)).sum() == pytest.approx(1, abs=1e-7)


@pytest.mark.parametrize("delta", [1e-2, 1e-5, 1e-8, 1e-12])
@pytest.mark.parametrize(("sigma", "rate"), STEPS)
def test_one_step_costs_what_the_worse_direction_costs(sigma: float, rate: float, delta: float) -> None:
    claimed = composed(((sigma, rate, 1),), delta)
    waste = 1e-4 if rate > 1e-3 else 1e-2

    def truth(eps: float) -> float:
        return max(one_step_delta(direction, sigma, rate, eps) for direction in DIRECTIONS)

    assert truth(claimed) <= delta * (1 + 1e-9)
    assert truth(0.0) <= delta or truth(claimed * (1 - waste)) > delta


@pytest.mark.parametrize("delta", [1e-3, 1e-5, 1e-8])
@pytest.mark.parametrize(
    "parts",
    [
        [(1.0, 0.01, 100)],
        [(0.8, 0.3, 20)],
        [(2.0, 0.5, 50)],
        [(5.0, 0.9, 40)],
        [(0.5, 1e-4, 60)],
        [(1.0, 0.01, 50), (2.0, 0.3, 10), (0.7, 0.001, 30), (3.0, 0.95, 4)],
    ],
)
def test_many_steps_cost_what_another_composition_says(parts: list[tuple[float, float, int]], delta: float) -> None:
    brackets = [composed_bracket(direction, parts, delta, 2e-4) for direction in DIRECTIONS]
    low, high = (max(ends) for ends in zip(*brackets, strict=True))
    claimed = composed(tuple(parts), delta)
    assert low <= claimed <= high
    assert claimed == pytest.approx((low + high) / 2, rel=1e-3, abs=1e-4 * sum(steps for _, _, steps in parts))


@pytest.mark.parametrize("delta", [0.05, 1e-3, 1e-6])
def test_the_dearer_direction_counts_which_is_removing(delta: float) -> None:
    """Adding alone would understate by far."""
    removing, adding = (composed_bracket(direction, [(1.0, 0.2, 4)], delta, 2e-4) for direction in DIRECTIONS)
    assert adding[1] < 0.8 * removing[0]
    assert composed(((1.0, 0.2, 4),), delta) >= removing[0]


@pytest.mark.parametrize("delta", [1e-2, 1e-6, 1e-12])
@pytest.mark.parametrize(
    ("sigma", "steps", "waste"),
    [(1, 1, 1e-6), (4, 50, 1e-5), (0.05, 1, 1e-5), (30, 1000, 1e-4), (1000, 10**6, 2e-4), (3000, 10**7, 2e-3)],
)
def test_rounding_never_shows_however_many_steps_or_small_a_delta(
    sigma: float, steps: int, waste: float, delta: float
) -> None:
    """Where nobody is sampled the composition has a closed form, to hold the transform's error bounds against."""
    truth = gaussian_epsilon(steps / sigma**2, delta)
    claimed = composed(((float(sigma), 1.0, steps),), delta)
    assert truth * (1 - 2e-9) <= claimed <= truth * (1 + waste)


@pytest.mark.parametrize("parts", [((1.0, 0.01, 1000),), ((0.8, 0.05, 400), (2.0, 1.0, 3)), ((0.3, 0.001, 50),)])
def test_the_bound_by_moments_is_above_and_not_far(parts: tuple[tuple[float, float, int], ...]) -> None:
    exact = composed(parts, 1e-5)
    assert exact <= moment_bound(parts, 1e-5) <= 1.5 * exact


def test_what_costs_next_to_nothing_is_told_as_next_to_nothing() -> None:
    assert composed(((1.0, 1e-9, 100),), 1e-6) <= 1e-12
    assert composed(((1.0, 1e-6, 1000),), 1e-5) < 1e-4
    assert composed(((1e5, 0.5, 10),), 1e-6) < 1e-4


@pytest.mark.parametrize("z", [0.0, 3.0, 8.0, 15.0, 30.0])
@pytest.mark.parametrize("width", [1e-4, 0.019, 0.3])
def test_narrow_cells_far_out_have_the_right_mass(z: float, width: float) -> None:
    """The step's cells at one place: against an expansion of the density, or against tails where they are wide."""
    sigma = 1.0
    loss = step_losses(Step(sigma, 1.0, width, 1e-220))[0]
    at = round((z - 0.5) / width) - loss.first
    below = loss.losses[at] - 0.5
    tails = [float(erfc((below + k * width) / math.sqrt(2))) / 2 for k in (-1, 0, 1)]
    near = tails[0] - tails[2]
    if near > 1e-9 * tails[0]:
        assert loss.masses[at] == pytest.approx(near / 2, rel=0.2 * max(1, z) * width + 1e-6 * tails[0] / near)
