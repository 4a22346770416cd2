"""The one-run audit: the theorem's bound, and what it finds in the product's step with and without a defect."""

from dataclasses import replace
from math import exp

import numpy as np
import pytest
import torch
from scipy.stats import binom
from torch import Tensor

from fedward_shared.privacy.mechanism import GaussianMechanism
from fedward_shared.privacy.randomness.noise import RandomSource
from fedward_simulations.audit.one_run import guesses_for, lowest_epsilon, p_value, run_black_box, run_white_box
from tests.support.audits import audited_step, small_site

torch.set_num_threads(1)


def silent(_: int) -> None:
    return


def test_without_delta_the_bound_is_the_binomial_tail() -> None:
    for epsilon in (0.0, 1.0, 3.0):
        chance = exp(epsilon) / (1 + exp(epsilon))
        assert p_value(100, 40, 33, epsilon, 0.0) == pytest.approx(float(binom.sf(32, 40, chance)), rel=1e-9)


def test_delta_adds_what_theorem_5_2_says() -> None:
    """By the sum that the paper writes, term by term."""
    canaries, guesses, right, delta = 60, 20, 17, 1e-3
    chance = exp(1.0) / (1 + exp(1.0))
    terms = [
        2 / i * sum(float(binom.pmf(w, guesses, chance)) for w in range(max(0, right - i), right))
        for i in range(1, canaries + 1)
    ]
    expected = float(binom.sf(right - 1, guesses, chance)) + max(terms) * canaries * delta
    assert p_value(canaries, guesses, right, 1.0, delta) == pytest.approx(expected, rel=1e-9)


def test_the_bound_grows_with_what_is_right_and_falls_with_delta() -> None:
    found = [lowest_epsilon(200, 100, right, 1e-5) for right in (50, 70, 80, 90, 100)]
    assert found[0] == 0.0
    assert found == sorted(found)
    assert found[-1] > 3
    assert lowest_epsilon(200, 100, 80, 1e-2) < found[2]


def test_a_bound_is_the_largest_epsilon_that_is_refuted() -> None:
    found = lowest_epsilon(200, 100, 85, 1e-6)
    assert p_value(200, 100, 85, found, 1e-6) <= 0.05
    assert p_value(200, 100, 85, found + 0.001, 1e-6) > 0.05


def test_a_true_epsilon_is_refuted_no_more_often_than_the_level() -> None:
    """Randomised response answers every coin truly with e^ε / (1 + e^ε): the worst case of the theorem."""
    refuted = [right for right in range(101) if p_value(100, 100, right, 1.0, 0.0) <= 0.05]
    probability = float(np.sum(binom.pmf(refuted, 100, exp(1.0) / (1 + exp(1.0)))))
    assert 0.01 < probability <= 0.05


@pytest.mark.parametrize("claimed", [0.1, 3.0, 20.0, float("inf")])
def test_the_number_of_guesses_is_even_and_follows_from_the_claim_alone(claimed: float) -> None:
    guesses = guesses_for(500, claimed, 1e-5)
    assert guesses % 2 == 0
    assert 2 <= guesses <= 500


def test_a_sound_step_is_not_refuted_and_one_without_noise_is(monkeypatch: pytest.MonkeyPatch) -> None:
    step = audited_step()
    claimed = step.study.resolved.sites["north"].epsilon if step.study.resolved else 0.0
    sound = run_white_box(step, 400, claimed=claimed, seed=0, advance=silent)
    assert sound.epsilon <= claimed
    assert not sound.violated(1e-4)
    released = GaussianMechanism.release

    def noiseless(self: GaussianMechanism, total: Tensor, divisor: float, source: RandomSource, out: Tensor) -> None:
        released(replace(self, deviation=0.0), total, divisor, source, out)

    monkeypatch.setattr(GaussianMechanism, "release", noiseless)
    broken = run_white_box(step, 400, claimed=1.0, seed=0, advance=silent)
    assert broken.right == broken.guesses
    assert broken.violated(1e-3)


def test_the_black_box_sees_only_the_final_model_and_takes_every_step() -> None:
    taken: list[int] = []
    step = audited_step()
    found = run_black_box(step, small_site(40), 60, claimed=3.0, seed=0, advance=taken.append)
    assert sum(taken) == step.study.steps_per_site
    assert found.canaries == 60
    assert found.epsilon <= 3.0
