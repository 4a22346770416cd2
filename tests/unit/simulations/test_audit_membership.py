"""The membership attack: it finds what was planted in the confidences, and nothing where nothing is."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm

from fedward_client.vault.training.dataset import Part
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_simulations.audit.membership import RATES, attack, roc
from fedward_simulations.audit.shadows import Shadows, train_shadows
from fedward_simulations.baselines import without_privacy
from tests.support.samples import TWO_SITES

torch.set_num_threads(1)


def planted(separation: float, *, models: int = 24, patients: int = 300) -> Shadows:
    """Confidences that are `separation` deviations higher for members, about a level of each patient's own."""
    random = np.random.default_rng(3)
    members = random.random((models, patients)) < 0.5
    level = random.normal(0, 10, patients)
    return Shadows(level + separation * members + random.standard_normal((models, patients)), members)


def test_a_planted_difference_is_found_though_patients_differ_far_more() -> None:
    found = attack(planted(2.0), seed=0)
    ideal = norm.cdf(2.0 / np.sqrt(2))
    assert 0.9 * ideal < found.auc.value <= ideal + 0.01
    assert found.auc.low < found.auc.value < found.auc.high
    at_one_percent = norm.sf(norm.isf(0.01) - 2.0)
    assert 0.5 * at_one_percent < found.true_positive_rates[0].value < 1.3 * at_one_percent
    assert (found.models, found.patients) == (24, 300)


def test_where_nothing_is_planted_the_interval_holds_chance() -> None:
    found = attack(planted(0.0), seed=0)
    assert found.auc.low < 0.5 < found.auc.high
    for rate, one in zip(RATES, found.true_positive_rates, strict=True):
        assert one.low <= rate * 1.5


def test_the_curve_rises_from_nothing_to_all() -> None:
    scores = np.arange(1000.0)
    curve = np.array(roc(scores, scores >= 500))
    assert (np.diff(curve) >= 0).all()
    assert curve[-1].tolist() == [1.0, 1.0]
    assert curve[0, 1] > 0.99


def test_ties_are_not_counted_as_found() -> None:
    curve = np.array(roc(np.zeros(100), np.arange(100) % 2 == 0))
    assert (curve[:-1, 1] == 0).all()


@pytest.fixture
def parts() -> dict[str, Part]:
    """Forty patients at each site; the first has two records."""
    random = np.random.default_rng(0)
    units = np.concatenate(([0], np.arange(40)))
    return {
        site: Part(
            random.standard_normal((41, 5)).astype(np.float32), random.integers(0, 2, 41), units, 40, np.arange(41)
        )
        for site in ("north", "south")
    }


def test_every_model_is_trained_on_about_half_and_all_patients_are_scored(parts: dict[str, Part]) -> None:
    study = load(published(TWO_SITES.encode()))
    rounds: list[int] = []
    shadows = train_shadows(study, parts, 3, seed=1, advance=rounds.append)
    assert shadows.confidence.shape == shadows.members.shape == (3, 80)
    assert sum(rounds) == 3 * study.strategy.rounds
    assert (np.abs(shadows.members.mean(axis=1) - 0.5) < 0.25).all()
    assert len(np.unique(shadows.members, axis=0)) == 3
    again = train_shadows(study, parts, 3, seed=1, advance=rounds.append)
    np.testing.assert_array_equal(again.confidence, shadows.confidence)


def test_privacy_takes_away_what_the_attack_finds(parts: dict[str, Part]) -> None:
    """Without noise and with many steps a model of forty patients remembers them."""
    text = TWO_SITES.replace("rounds = 3", "rounds = 15").replace("epsilon = 3.0", "epsilon = 0.2")
    private = load(published(text.encode()))
    plain = load(without_privacy(text.encode()))
    found = {
        study.privacy.unsafe_no_privacy: attack(
            train_shadows(study, parts, 12, seed=0, advance=lambda _: None), seed=0
        ).auc.value
        for study in (private, replace(plain, training=replace(plain.training, learning_rate=2.0)))
    }
    assert found[True] > 0.56
    assert found[False] < found[True] - 0.03
