"""Survival figures against definitions: pairs counted one by one, and textbook curves."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_shared.evaluation.concordance import Concordance, concordance
from fedward_shared.evaluation.kaplan_meier import Followed
from fedward_shared.evaluation.ranking import auc
from fedward_shared.evaluation.scored import Bools, Floats
from fedward_shared.evaluation.survival import AtHorizon, ObservedInGroups

PATIENTS = st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.integers(0, 5), st.integers(0, 3)), max_size=25)


def brute_force(risk: Floats, times: Floats, events: Bools, weights: Floats) -> float | None:
    """Harrell's C by looking at every pair."""
    pairs = wins = 0.0
    for i in range(len(risk)):
        for j in range(len(risk)):
            later = times[j] > times[i] or (times[j] == times[i] and not events[j])
            if i != j and events[i] and later:
                pairs += weights[i] * weights[j]
                wins += weights[i] * weights[j] * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j]))
    return wins / pairs if pairs else None


@given(PATIENTS)
@settings(max_examples=80, deadline=None)
def test_concordance_is_that_of_all_pairs(patients: list[tuple[int, bool, int, int]]) -> None:
    times = np.array([float(one[0]) for one in patients])
    events = np.array([one[1] for one in patients], dtype=bool)
    risk = np.array([float(one[2]) for one in patients])
    weights = np.array([float(one[3]) for one in patients])
    assert concordance(risk, times, events) == pytest.approx(brute_force(risk, times, events, np.ones(len(patients))))
    weighted = Concordance(risk, times, events)(weights[None])[0, 0]
    assert (None if np.isnan(weighted) else weighted) == pytest.approx(brute_force(risk, times, events, weights))


def test_many_weights_at_once_are_each_of_them() -> None:
    random = np.random.default_rng(0)
    risk, times, events = random.integers(0, 30, 70) / 30, random.integers(0, 40, 70) / 4, random.random(70) < 0.6
    weights = random.integers(0, 3, (5, 70)).astype(np.float64)
    together = Concordance(risk, times, events)(weights)[:, 0]
    assert together == pytest.approx([brute_force(risk, times, events, each) for each in weights])


def test_kaplan_and_meier_by_hand() -> None:
    # Collett, Modelling Survival Data, ch. 2: discontinuation of an IUD, weeks; 9 events among 18
    times = np.array([10, 13, 18, 19, 23, 30, 36, 38, 54, 56, 59, 75, 93, 97, 104, 107, 107, 107], dtype=np.float64)
    events = np.array([1, 0, 0, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0, 1, 0, 0], dtype=bool)
    followed, each = Followed(times, events), np.ones((1, 18))
    told = [float(followed.survival_at(each, at)[0]) for at in (9, 10, 19, 30, 36, 59, 75, 93, 97, 107)]
    assert told == pytest.approx([1, 0.9444, 0.8815, 0.8137, 0.7459, 0.6526, 0.5594, 0.4662, 0.3729, 0.2486], abs=1e-4)


def test_an_event_at_the_time_of_leaving_comes_first() -> None:
    followed = Followed(np.array([1.0, 1.0, 2.0]), np.array([True, False, True]))
    assert followed.survival(np.ones((1, 3))) == pytest.approx(np.array([[2 / 3, 0.0]]))
    assert followed.watched(np.ones((1, 3))) == pytest.approx(np.array([[0.5, 0.5]]))


def by_hand(risk: Floats, times: Floats, events: Bools, horizon: float) -> tuple[float, float]:
    """Uno's AUC and Graf's Brier score, with a loop for each weight."""

    def still_watched(moment: float) -> float:
        left = 1.0
        for at in sorted({t for t, e in zip(times, events, strict=True) if not e and t < moment}):
            risk_set = sum(t > at or (t == at and not e) for t, e in zip(times, events, strict=True))
            left *= 1 - sum(t == at and not e for t, e in zip(times, events, strict=True)) / risk_set
        return left

    cases = [i for i in range(len(risk)) if events[i] and times[i] <= horizon]
    controls = [i for i in range(len(risk)) if i not in cases and times[i] >= horizon]
    weight = {i: 1 / still_watched(times[i]) for i in cases}
    wins = sum(weight[i] * ((risk[i] > risk[j]) + 0.5 * (risk[i] == risk[j])) for i in cases for j in controls)
    lost = sum(weight[i] * (1 - risk[i]) ** 2 for i in cases) + sum(risk[j] ** 2 for j in controls) / still_watched(
        horizon
    )
    return wins / (sum(weight.values()) * len(controls)), lost / len(risk)


@pytest.mark.parametrize("horizon", [3.0, 5.0, 7.5])
def test_figures_at_a_horizon_are_those_of_their_definitions(horizon: float) -> None:
    random = np.random.default_rng(3)
    times, events, risk = random.integers(1, 20, 60) / 2, random.random(60) < 0.5, random.integers(0, 20, 60) / 20
    found = AtHorizon(risk, Followed(times, events), horizon)(np.ones((1, 60)))[0]
    assert found[:2] == pytest.approx(by_hand(risk, times, events, horizon))


def test_without_censoring_a_horizon_is_a_question_of_two_classes() -> None:
    random = np.random.default_rng(4)
    times, risk = random.uniform(0, 10, 100), random.random(100)
    ill = times <= 5
    found = AtHorizon(risk, Followed(times, np.ones(100, bool)), 5.0)(np.ones((1, 100)))[0]
    assert found[0] == pytest.approx(auc(risk, ill))
    assert found[1] == pytest.approx(((risk - ill) ** 2).mean())
    assert found[2:] == pytest.approx([ill.mean() / risk.mean(), ill.mean(), risk.mean()])


def test_who_was_watched_until_the_horizon_is_a_control() -> None:
    times, events = np.array([1.0, 2.0, 5.0, 5.0]), np.array([True, True, False, False])
    found = AtHorizon(np.array([0.9, 0.8, 0.2, 0.1]), Followed(times, events), 5.0)(np.ones((1, 4)))[0]
    assert found[0] == 1.0
    assert found[3] == 0.5


def test_leaving_early_does_not_change_what_the_weights_estimate() -> None:
    random = np.random.default_rng(5)
    strength = random.normal(size=6000)
    times, watched = random.exponential(np.exp(-strength)), random.exponential(2.0, 6000)
    risk = 1 - np.exp(-np.exp(strength))
    everybody = AtHorizon(risk, Followed(times, np.ones(6000, bool)), 1.0)(np.ones((1, 6000)))[0]
    some = AtHorizon(risk, Followed(np.minimum(times, watched), times <= watched), 1.0)(np.ones((1, 6000)))[0]
    assert some == pytest.approx(everybody, abs=0.02)


def test_groups_have_curves_of_their_own() -> None:
    times, events = np.array([1.0, 3.0, 1.0, 3.0]), np.array([True, False, False, True])
    groups = np.array([0, 0, 1, 1])
    found = ObservedInGroups(groups, Followed(times, events), 2.0)(np.ones((1, 4)))[0]
    assert found.tolist() == [0.5, 0.0]
