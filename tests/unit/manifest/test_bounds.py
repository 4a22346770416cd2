"""Honest updates stay within the bound that a study works out, and near what it expects."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import nn

from fedward_shared.contracts.study import SiteTerms, Study, TrainingTerms
from fedward_shared.manifest.bounds import expected_update_norm, largest_batch, max_update_norm
from fedward_shared.manifest.parse import load
from fedward_shared.privacy.descent import Descent
from fedward_shared.privacy.flat import FlatModel
from tests.support.samples import TWO_SITES

STUDY = load(TWO_SITES.encode())
SITE = SiteTerms("north", size=200, sampling_rate=0.25, normaliser=50.0)
SIGMA, PARAMETERS = 1.5, 40


@pytest.mark.parametrize(
    "training",
    [
        TrainingTerms(local_steps=1, learning_rate=0.5),
        TrainingTerms(local_steps=10, learning_rate=0.5),
        TrainingTerms(local_steps=10, learning_rate=0.5, momentum=0.9),
        TrainingTerms(local_steps=10, learning_rate=0.5, momentum=0.9, proximal_mu=1.0),
        TrainingTerms(local_steps=10, learning_rate=0.5, momentum=0.5, weight_decay=0.5, proximal_mu=2.0),
        TrainingTerms(local_steps=10, learning_rate=0.1, weight_decay=1.0),
        TrainingTerms(local_steps=40, learning_rate=0.19, momentum=0.9, weight_decay=10.0),
        TrainingTerms(local_steps=40, learning_rate=0.99, momentum=0.8, proximal_mu=2.0),
    ],
    ids=str,
)
def test_honest_updates_stay_within_the_bound(training: TrainingTerms) -> None:
    study = replace(STUDY, training=training)
    bound = max_update_norm(study, SITE, SIGMA, PARAMETERS)
    random = np.random.default_rng(1)

    norms = [float(np.linalg.norm(_update(study, random))) for _ in range(300)]

    assert max(norms) < bound


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.9), (0.5, 0.6), (0.9, 0.82)])
@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
@pytest.mark.parametrize("growth", [0.1, 0.9, 1.0, 1.1, 2.0, 100.0])
def test_adam_stays_within_the_bound_whatever_the_gradients(
    growth: float, optimizer: Literal["adam", "adamw"], betas: tuple[float, float]
) -> None:
    terms = TrainingTerms(12, learning_rate=0.05, weight_decay=0.5, proximal_mu=0.5, optimizer=optimizer, betas=betas)
    study = replace(STUDY, training=terms)
    model = nn.Linear(PARAMETERS, 1, bias=False)
    nn.init.constant_(model.weight, study.limits.max_weight)
    first = model.weight.detach().clone()
    flat = FlatModel(model)
    descent = Descent(flat, terms)
    farthest = 0.0
    for step in range(terms.local_steps):
        flat.gradient.fill_(1e-3 * growth**step)
        descent.apply()
        farthest = max(farthest, float((model.weight.detach() - first).norm()))
    assert 0 < farthest <= max_update_norm(study, SITE, SIGMA, PARAMETERS)
    if growth == 1.0 and optimizer == "adam" and betas == (0.9, 0.999):
        assert farthest == pytest.approx(expected_update_norm(study, SITE, SIGMA, PARAMETERS), rel=0.01)


def test_the_expected_norm_is_that_of_aligned_gradients() -> None:
    study = replace(STUDY, training=TrainingTerms(local_steps=4, learning_rate=0.5))
    random = np.random.default_rng(2)

    norms = [float(np.linalg.norm(_update(study, random, aligned=True))) for _ in range(2000)]

    assert math.sqrt(np.mean(np.square(norms))) == pytest.approx(
        expected_update_norm(study, SITE, SIGMA, PARAMETERS), rel=0.03
    )


def test_the_bound_is_not_so_wide_that_it_stops_nothing() -> None:
    study = replace(STUDY, training=TrainingTerms(local_steps=4, learning_rate=0.5))

    bound = max_update_norm(study, SITE, SIGMA, PARAMETERS)

    assert bound < 6 * expected_update_norm(study, SITE, SIGMA, PARAMETERS)


@pytest.mark.parametrize(("size", "rate"), [(1, 1.0), (10, 0.01), (100, 0.1), (1000, 0.5), (50, 1.0), (100_000, 0.001)])
def test_a_batch_twice_as_large_as_declared_still_fits(size: int, rate: float) -> None:
    random = np.random.default_rng(3)

    largest = random.binomial(2 * size, rate, size=20_000).max()

    assert largest <= largest_batch(SiteTerms("north", size, rate, 1.0))


def test_a_declared_bound_is_taken_as_it_is() -> None:
    study = replace(STUDY, limits=replace(STUDY.limits, max_update_norm=12.5))

    assert max_update_norm(study, SITE, SIGMA, PARAMETERS) == 12.5


def test_without_privacy_the_bound_is_the_distance_between_two_admitted_models() -> None:
    privacy = replace(STUDY.privacy, target_epsilon=None, unsafe_no_privacy=True)

    assert max_update_norm(replace(STUDY, privacy=privacy), SITE, 0.0, 25) == 2 * 100.0 * 5


@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("pull", [0.0, 0.001, 0.1, 1.0, 1.9, 1.999])
def test_decay_and_prox_never_enlarge_what_a_gradient_moves(momentum: float, pull: float) -> None:
    before, now, largest = 0.0, 1.0, 1.0
    for _ in range(5000):
        before, now = now, (1 + momentum - pull) * now - momentum * before
        largest = max(largest, abs(now))

    assert largest <= 1 / (1 - momentum) + 1e-9


def _update(study: Study, random: np.random.Generator, *, aligned: bool = False) -> NDArray[np.float64]:
    """One round's update by the definition: sampling, clipped gradients, noise, decay, prox, momentum."""
    terms, clip = study.training, study.privacy.clip_norm
    start = np.full(PARAMETERS, study.limits.max_weight) if terms.weight_decay else np.zeros(PARAMETERS)
    weights, velocity = start.copy(), np.zeros(PARAMETERS)
    direction = np.zeros(PARAMETERS)
    direction[0] = clip
    for _ in range(terms.local_steps):
        batch = SITE.size * SITE.sampling_rate if aligned else random.binomial(2 * SITE.size, SITE.sampling_rate)
        noisy = batch * direction + random.normal(0.0, SIGMA * clip, PARAMETERS)
        pull = terms.weight_decay * weights + terms.proximal_mu * (weights - start)
        velocity = terms.momentum * velocity + noisy / SITE.normaliser + pull
        weights = weights - terms.learning_rate * velocity
    return weights - start
