"""The verdict: how often it is wrong about a step that keeps its claim, and what it finds in one that does not."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from fedward_simulations.audit.checks import Finding, batch_sizes, chosen_alone, contribution, fresh_noise, noise_law
from fedward_simulations.audit.game import Claim, Game, judge
from fedward_simulations.audit.releases import Setting
from fedward_simulations.audit.statistics import Statistics, choose, unit

Floats = NDArray[np.float64]
CLAIM = Claim.of(Setting("probe", 1.0, 1.0), 10, 1e-5)
HALF = Claim.of(Setting("probe, half drawn", 0.5, 1.0), 10, 1e-5)


def worlds(random: np.random.Generator, draws: int, *, mu: float, rate: float = 1.0) -> tuple[Floats, Floats]:
    """The tightest pair there is: N(0, 1) and (1 - q) N(0, 1) + q N(μ, 1), and a statistic that knows nothing."""
    absent = random.standard_normal((draws, 2))
    present = random.standard_normal((draws, 2))
    present[:, 0] += mu * (random.random(draws) < rate)
    return absent, present


@pytest.mark.parametrize("claim", [CLAIM, HALF], ids=["q = 1", "q = 0.5"])
def test_a_true_claim_is_called_violated_no_more_often_than_alpha(claim: Claim) -> None:
    """At α = 0.2 on the tightest pair: of 150 audits 30 may be wrong on average, and far fewer are."""
    random, wrong = np.random.default_rng(1), 0
    for _ in range(150):
        absent, present = worlds(random, 100, mu=1.0, rate=claim.setting.sampling_rate)
        wrong += judge(Game("nobody", "extreme", claim), ("a", "b"), absent, present, alpha=0.2).violated
    assert wrong <= 30


@pytest.mark.parametrize(("claim", "mu"), [(CLAIM, 2.0), (HALF, 3.0)], ids=["q = 1", "q = 0.5"])
def test_a_false_claim_is_found_out(claim: Claim, mu: float) -> None:
    absent, present = worlds(np.random.default_rng(2), 4000, mu=mu, rate=claim.setting.sampling_rate)
    played = judge(Game("nobody", "extreme", claim), ("a", "b"), absent, present, alpha=1e-6)
    assert played.violated
    assert played.statistic == "a"
    assert 1.0 < played.mu < mu
    assert played.highest_miss < played.allowed_miss


def test_a_patient_drawn_too_often_is_found_out_though_the_noise_is_right() -> None:
    absent, present = worlds(np.random.default_rng(3), 4000, mu=2.0, rate=0.9)
    claim = Claim.of(Setting("declared", 0.3, 0.5), 10, 1e-5)
    assert judge(Game("nobody", "extreme", claim), ("a", "b"), absent, present, alpha=1e-6).violated


def test_what_is_found_is_a_lower_bound_on_what_is_claimed() -> None:
    absent, present = worlds(np.random.default_rng(4), 10_000, mu=1.0)
    played = judge(Game("nobody", "extreme", CLAIM), ("a", "b"), absent, present, alpha=1e-6)
    assert 0.7 < played.mu < 1.0
    assert 0.6 * CLAIM.one_step < played.epsilon_gaussian < CLAIM.one_step
    assert 0.6 * CLAIM.all_steps < played.epsilon_gaussian_study < CLAIM.all_steps
    assert 0 < played.epsilon_any < CLAIM.one_step
    assert played.epsilon_any < played.epsilon_any_study < CLAIM.all_steps


def test_the_first_half_chooses_and_the_second_judges() -> None:
    """Half of the draws tell all, the other half nothing: a rule judged where it was chosen would be fooled."""
    random = np.random.default_rng(5)
    absent, present = random.standard_normal((200, 1)), random.standard_normal((200, 1))
    present[:100] += 100
    assert judge(Game("nobody", "extreme", CLAIM), ("a",), absent, present, alpha=0.01).mu == 0.0


def test_a_canary_that_lowers_the_statistic_is_seen_too() -> None:
    random = np.random.default_rng(6)
    rule = choose(random.normal(0, 1, (300, 1)), random.normal(-3, 1, (300, 1)), sampling_rate=1.0, alpha=0.01)
    assert rule.sign == -1
    assert rule.says_present(np.array([[-4.0], [1.0]])).tolist() == [True, False]


def test_a_release_that_is_not_finite_stands_out() -> None:
    measured = Statistics.of([("own gradient (a)", np.array([1.0, 0.0])), ("own gradient (b)", np.zeros(2))], 2)
    values = measured.measure([np.array([3.0, -4.0]), np.array([np.nan, 0.0])])
    assert values[0].tolist() == [3.0, 0.0, 5.0, 4.0]
    assert (values[1] > 1e200).all()
    names, kept = measured.only(["own gradient (b)"], values)
    assert names == ("own gradient (b)", "total norm", "largest coordinate")
    assert kept[0].tolist() == [0.0, 5.0, 4.0]


def test_a_direction_without_length_is_none() -> None:
    assert unit(np.zeros(3)) is None
    assert unit(np.array([np.inf, 1.0])) is None
    direction = unit(np.array([3.0, 4.0]))
    assert direction is not None
    assert direction.tolist() == pytest.approx([0.6, 0.8])


NORMAL = np.random.default_rng(7).normal(0, 2.0, (400, 6))


def least(findings: Sequence[Finding]) -> float:
    return min(finding.p_value for finding in findings)


def test_noise_that_keeps_the_law_is_not_suspected() -> None:
    assert least(noise_law("here", NORMAL, 2.0)) > 0.001
    assert fresh_noise("here", NORMAL).p_value > 0.001


@pytest.mark.parametrize(
    ("noise", "named"),
    [
        (NORMAL * 0.8, "noise, all coordinates"),
        (NORMAL * np.array([1, 1, 1, 1, 1, 0.5]), "noise, quietest coordinate"),
        (np.sign(NORMAL) * 2.0, "noise, shape"),
        (np.zeros_like(NORMAL), "noise, all coordinates"),
    ],
    ids=["too little", "one coordinate", "two values", "none"],
)
def test_noise_that_breaks_the_law_is_named(noise: Floats, named: str) -> None:
    (found,) = [finding for finding in noise_law("here", noise, 2.0) if finding.check == named]
    assert found.p_value < 1e-8


@pytest.mark.parametrize(
    "noise",
    [
        np.repeat(NORMAL, 2, axis=0),
        np.tile(NORMAL, (1, 2)),
        np.concatenate([NORMAL[:, None], -NORMAL[:, None]], axis=1).reshape(-1, 6),
        np.stack([NORMAL[0]] * 50),
        np.stack([NORMAL[at // 3 * 2 + at % 3 % 2] for at in range(400)]),
        np.zeros((10, 4)),
    ],
    ids=["two steps", "two halves", "with the other sign", "for ever", "two steps apart", "none"],
)
def test_noise_that_is_used_twice_is_noticed(noise: Floats) -> None:
    assert fresh_noise("here", noise).p_value < 1e-8


def test_batches_by_poisson_are_not_suspected_and_others_are() -> None:
    random = np.random.default_rng(8)
    good = random.binomial(20, 0.4, 1000)
    assert least(batch_sizes("here", good, 20, 0.4)) > 0.001
    fixed, often = (least(batch_sizes("here", sizes, 20, 0.4)) for sizes in (np.full(1000, 8), good + 1))
    assert fixed < 1e-8
    assert often < 1e-8
    assert least(batch_sizes("here", np.full(30, 20), 20, 1.0)) == 1.0
    assert least(batch_sizes("here", np.full(30, 19), 20, 1.0)) == 0.0


def test_a_patient_who_is_drawn_in_turn_is_noticed() -> None:
    drawn = np.random.default_rng(9).random(2000) < 0.5
    assert least(chosen_alone("here", drawn, 0.5)) > 0.001
    in_turn, twice = np.arange(2000) % 2 == 0, np.repeat(drawn[:1000], 2)
    for odd in (in_turn, twice):
        assert least(chosen_alone("here", odd, 0.5)) < 1e-8


@pytest.mark.parametrize(
    ("length", "sound"), [(0.0, True), (1.0, True), (1.00009, True), (1.001, False), (np.nan, False)]
)
def test_a_contribution_may_be_as_long_as_the_clip_norm(length: float, sound: bool) -> None:
    assert contribution("here", np.ones(2), np.ones(2) + np.array([0.0, length])).violated(1e-6) is not sound
