"""An attacker with an extreme patient plays the distinguishing game against the product's own step.

Two worlds, with and without the canary; the release is projected on the canary's own gradient; a threshold chosen on
one half of the draws is judged on the other half (Clopper and Pearson 1934, at a false alarm of 1e-5 a case). Correct
code must stay within what the accountant claims. A step with half the noise, without clipping, or that clips records
instead of patients must be caught: otherwise this test could not fail.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import beta, norm
from torch import Tensor

from fedward_shared.models.registry import build
from fedward_shared.privacy import step as steps
from fedward_shared.privacy.accounting import epsilon
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.events import SampledGaussian
from fedward_shared.privacy.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper
from tests.support.cohorts import TERMS, contract_of, site, terms_of

torch.set_num_threads(1)
SIGMA, CLIP, DRAWS, FALSE_ALARM, DELTA = 1.0, 1.0, 500, 1e-5, 1e-5
CANARY_ROWS = 4


def worlds() -> tuple[TrainingSet, TrainingSet]:
    """Eight quiet patients; and the same with one whose four records all pull the same way."""
    generator = torch.Generator().manual_seed(2)
    quiet = torch.randn(8, 5, generator=generator)
    labels = torch.randint(0, 2, (8,), generator=generator)
    loud = torch.full((CANARY_ROWS, 5), 5.0)
    units = np.concatenate((np.arange(8), np.full(CANARY_ROWS, 8)))
    joined = TrainingSet.of(
        torch.cat([quiet, loud]), torch.cat([labels, torch.ones(CANARY_ROWS, dtype=torch.int64)]), units, 9
    )
    return TrainingSet.of(quiet, labels, np.arange(8), 8), joined


def draws(data: TrainingSet, sigma: float, rate: float, count: int) -> NDArray[np.float64]:
    """`count` releases of the product's step, (count, parameters)."""
    stepper = PrivateStepper(
        build(terms_of("logistic"), contract_of("logistic")),
        data,
        training=TERMS,
        site=site(rate=rate, normaliser=1.0),
        clip_norm=CLIP,
        noise_multiplier=sigma,
        records_per_patient=CANARY_ROWS,
        source=KeystreamSource.unsafe_seeded(data.count, b"audit"),
    )
    try:
        return np.stack([torch.cat([part.flatten() for part in stepper.release()]).numpy() for _ in range(count)])
    finally:
        stepper.close()


def lowest_epsilon(rate: float) -> float:
    """A lower bound on ε at DELTA of one step, as an attacker finds it, as this attacker finds it."""
    without, joined = worlds()
    direction = draws(joined, 0.0, 1.0, 1)[0] - draws(without, 0.0, 1.0, 1)[0]
    direction /= np.linalg.norm(direction)
    absent, present = (draws(data, SIGMA, rate, DRAWS) @ direction for data in (without, joined))
    half = DRAWS // 2
    threshold = (absent[:half].mean() + present[:half].mean()) / 2 if rate == 1 else absent[:half].max()
    false, missed = int((absent[half:] > threshold).sum()), int((present[half:] <= threshold).sum())
    highest_false = float(beta.ppf(1 - FALSE_ALARM / 2, false + 1, half - false))
    highest_missed = 1.0 if missed == half else float(beta.ppf(1 - FALSE_ALARM / 2, missed + 1, half - missed))
    if rate == 1:
        mu = max(0.0, norm.ppf(1 - highest_false) - norm.ppf(highest_missed))
        return epsilon([SampledGaussian(1 / mu, 1.0, 1)], DELTA) if mu > 0.05 else 0.0
    power = 1 - highest_missed - DELTA
    return float(np.log(power / highest_false)) if power > highest_false else 0.0


def claimed(rate: float) -> float:
    return epsilon([SampledGaussian(SIGMA, rate, 1)], DELTA)


@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_the_step_leaks_no_more_than_it_claims(rate: float) -> None:
    found = lowest_epsilon(rate)
    assert found <= claimed(rate)
    if rate == 1:
        assert found > 1.0  # the attack works; a blind one would prove nothing


Clip = Callable[[Sequence[Tensor], Tensor, float], list[Tensor]]


def no_clipping(gradients: Sequence[Tensor], finite: Tensor, clip_norm: float) -> list[Tensor]:
    return [gradient.double().sum(dim=0) for gradient in gradients]


def three_times_the_norm(gradients: Sequence[Tensor], finite: Tensor, clip_norm: float) -> list[Tensor]:
    return CORRECT(gradients, finite, 3 * clip_norm)


CORRECT: Clip = steps.clipped_sum


@pytest.mark.parametrize("planted", [no_clipping, three_times_the_norm])
def test_a_step_that_clips_wrongly_is_caught(planted: Clip, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "clipped_sum", planted)
    assert lowest_epsilon(1.0) > claimed(1.0)


def test_half_the_noise_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = KeystreamSource.gaussian
    monkeypatch.setattr(KeystreamSource, "gaussian", lambda self, count: drawn(self, count) / 2)
    assert lowest_epsilon(1.0) > claimed(1.0)


def test_noise_that_is_drawn_once_and_reused_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two releases with one noise: their difference is exact."""
    drawn: dict[int, NDArray[np.float64]] = {}
    fresh = KeystreamSource.gaussian
    monkeypatch.setattr(
        KeystreamSource,
        "gaussian",
        lambda self, count: drawn.setdefault(count, fresh(self, count)),
    )
    without, _ = worlds()
    first, second = draws(without, SIGMA, 1.0, 2)
    assert np.array_equal(first, second)
    monkeypatch.undo()
    first, second = draws(without, SIGMA, 1.0, 2)
    assert not np.isclose(first, second).any()


def test_a_patient_split_in_two_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clipping records instead of patients gives a patient of four records a sensitivity of 4 C."""
    grouped = TrainingSet.of

    def apart(records: Tensor, labels: Tensor, units: NDArray[np.int64], count: int) -> TrainingSet:
        return grouped(records, labels, np.arange(len(units)), len(units))

    monkeypatch.setattr(TrainingSet, "of", apart)
    assert lowest_epsilon(1.0) > claimed(1.0)
