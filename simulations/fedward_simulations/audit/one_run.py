"""One training run, many canaries: a lower bound on ε from how many coins an attacker guesses right.

Source: Steinke, Nasr and Jagielski 2023, "Privacy auditing with one (1) training run", theorem 5.2. Each of m canaries
is included by a fair coin; the attacker sees the outcome and guesses r of the coins. Under (ε, δ)-DP (neighbours: one
patient added or removed) the number of right guesses is stochastically bounded. A low value is no evidence of privacy:
it may only mean that this attacker was weak.

How many guesses are made is fixed before the run, from m and the claimed ε alone: a number chosen by looking at the
outcome would need a correction that this bound does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import expit, ndtr
from scipy.stats import binom
from torch import nn

from fedward_client.vault.training.local_round import stepper_for
from fedward_shared.errors import TrainingError
from fedward_shared.models.heads.head import Head, head_for
from fedward_shared.models.registry import build, record_shape
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper
from fedward_simulations.audit.bounds import gaussian_mu
from fedward_simulations.audit.canaries import labels_tried, random_records
from fedward_simulations.audit.releases import AuditedStep, flat
from fedward_simulations.audit.worlds import Cohort, Patient

if TYPE_CHECKING:
    from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["OneRun", "guesses_for", "lowest_epsilon", "p_value", "run_black_box", "run_white_box"]

Floats = npt.NDArray[np.float64]
Coins = npt.NDArray[np.bool_]
Advance = Callable[[int], None]

_CONFIDENCE = 0.95
_SEARCH = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_HIGHEST, _PRECISION = 50.0, 1e-4
_FAIR = 0.5
_LOUD = 1e3


@dataclass(frozen=True, slots=True)
class OneRun:
    """What one run gave: `right` of `guesses` coins, of `canaries`; ε at 95 %, and the p-value of the claimed ε."""

    attack: str
    canaries: int
    guesses: int
    right: int
    epsilon: float
    claimed: float
    p_value: float

    def violated(self, alpha: float) -> bool:
        """Whether so many right guesses have a probability of at most `alpha` under the claim."""
        return self.p_value <= alpha


def p_value(canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """The most probable that `right` or more of `guesses` are right, under (ε, δ)-DP (theorem 5.2).

    β + m δ · max over i of (2 / i) Pr[v > W ≥ v − i], with W binomial at e^ε / (1 + e^ε) and β = Pr[W ≥ v].
    """
    chance = float(expit(epsilon))
    tail = float(binom.sf(right - 1, guesses, chance))
    steps = np.arange(1, canaries + 1)
    between = binom.sf(right - steps - 1, guesses, chance) - tail
    return min(1.0, tail + canaries * delta * float(np.max(2 * between / steps)))


def lowest_epsilon(canaries: int, guesses: int, right: int, delta: float, alpha: float = 1 - _CONFIDENCE) -> float:
    """The largest ε that is refuted with confidence 1 - `alpha`; 0 where none is. Bisection, from below."""
    if p_value(canaries, guesses, right, 0.0, delta) > alpha:
        return 0.0
    low, high = 0.0, _HIGHEST
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if p_value(canaries, guesses, right, middle, delta) <= alpha else (low, middle)
    return low


def guesses_for(canaries: int, claimed: float, delta: float) -> int:
    """How many guesses prove most on average, if each score were a Gaussian of the claimed ε: known before the run."""
    mu = gaussian_mu(claimed, delta)
    grid = np.linspace(-8.0, 8.0 + mu, 20001)
    below = (ndtr(grid) + ndtr(grid - mu)) / 2

    def proves(share: float) -> float:
        """Expected bound where the highest and the lowest share / 2 of the scores are guessed."""
        top = grid[min(int(np.searchsorted(below, 1 - share / 2)), len(grid) - 1)]
        right = ndtr(mu - top) / (ndtr(-top) + ndtr(mu - top))
        made = _even(share * canaries)
        return lowest_epsilon(canaries, made, int(made * right), delta)

    return _even(max(_SEARCH, key=proves) * canaries)


def run_white_box(step: AuditedStep, canaries: int, *, claimed: float, seed: int, advance: Advance) -> OneRun:
    """Canaries in gradient space: one coordinate each, nobody else, and an attacker who sees every release.

    The study's own step at its q, σ, C, normaliser and number of steps, on a linear model whose input j is patient j:
    each clipped gradient is a Dirac vector of length C. The score is the sum of the releases' coordinate.
    """
    study = step.study
    coins = _coins(canaries, seed)
    chosen = np.flatnonzero(coins)
    records = torch.zeros((len(chosen), canaries))
    records[torch.arange(len(chosen)), torch.from_numpy(chosen)] = _LOUD * step.clip_norm
    cohort = Cohort("dirac", records, torch.zeros(len(chosen), dtype=torch.int64), np.arange(len(chosen)), len(chosen))
    model = _zero(nn.Linear(canaries, 1, bias=False))
    score = np.zeros(canaries)
    with _stepper(step, model, cohort, _source(seed, "dirac")) as stepper:
        for _ in range(study.steps_per_site):
            score += flat(stepper.release())
            advance(1)
    return _judged("white box: every release, one coordinate a canary", score, coins, claimed, study.privacy.delta)


def run_black_box(
    step: AuditedStep, site: Cohort, canaries: int, *, claimed: float, seed: int, advance: Advance
) -> OneRun:
    """Canaries are records of random signs with random labels among the site's patients; the final model is seen.

    One site trains alone for all of its steps. The score is how much a canary's loss fell.
    """
    study = step.study
    coins = _coins(canaries, seed + 1)
    records = random_records(record_shape(study.model, study.data), canaries, scale=1.0, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    tried = torch.tensor(labels_tried(study.data.label))
    labels = tried[torch.randint(0, len(tried), (canaries,), generator=generator)]
    joining = [Patient("coin", records[at : at + 1], labels[at : at + 1]) for at in np.flatnonzero(coins)]
    cohort = site.joined_by(*joining) if joining else site
    model, head = build(study.model, study.data), head_for(study.model, study.data)
    before = _losses(model, head, records, labels)
    with _stepper(step, model, cohort, _source(seed, "loss")) as stepper:
        for _ in range(study.steps_per_site):
            stepper.step()
            advance(1)
    score = before - _losses(model, head, records, labels)
    return _judged("black box: the final model's loss", score, coins, claimed, study.privacy.delta)


def _judged(attack: str, score: Floats, coins: Coins, claimed: float, delta: float) -> OneRun:
    canaries = len(coins)
    guesses = guesses_for(canaries, claimed, delta)
    order = np.argsort(-np.nan_to_num(score), kind="stable")
    in_, out = order[: guesses // 2], order[canaries - guesses // 2 :]
    right = int(coins[in_].sum() + (~coins[out]).sum())
    return OneRun(
        attack=attack,
        canaries=canaries,
        guesses=guesses,
        right=right,
        epsilon=lowest_epsilon(canaries, guesses, right, delta),
        claimed=claimed,
        p_value=p_value(canaries, guesses, right, claimed, delta),
    )


def _stepper(step: AuditedStep, model: nn.Module, cohort: Cohort, source: RandomSource) -> PrivateStepper:
    stepper = stepper_for(step.study, step.site, model, cohort.training_set(), source)
    if not isinstance(stepper, PrivateStepper):
        raise TrainingError("the study's step is not the private one")
    return stepper


def _coins(count: int, seed: int) -> Coins:
    return KeystreamSource.unsafe_seeded(seed, b"audit/coins").uniform(count) < _FAIR


def _source(seed: int, purpose: str) -> RandomSource:
    return KeystreamSource.unsafe_seeded(seed, f"audit/one run/{purpose}".encode())


def _losses(model: nn.Module, head: Head, records: torch.Tensor, labels: torch.Tensor) -> Floats:
    with torch.no_grad():
        return head.losses(model(records), labels).double().numpy()


def _zero(model: nn.Linear) -> nn.Linear:
    with torch.no_grad():
        model.weight.zero_()
    return model


def _even(count: float) -> int:
    return max(2, int(count) // 2 * 2)
