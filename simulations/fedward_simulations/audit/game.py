"""The distinguishing game: is the canary there? Chosen on one half of the draws, judged on the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedward_simulations.audit.bounds import (
    any_epsilon,
    effective_mu,
    family_epsilon,
    highest_rate,
    repeated_epsilon,
    trade_off,
)
from fedward_simulations.audit.releases import Setting
from fedward_simulations.audit.statistics import choose

__all__ = ["Claim", "Game", "Played", "judge"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Claim:
    """What is charged: ε of one release and of the study's `steps` at `delta`, with the study's q and σ replaced."""

    setting: Setting
    steps: int
    delta: float
    one_step: float
    all_steps: float

    @classmethod
    def of(cls, setting: Setting, steps: int, delta: float) -> Claim:
        """By the accountant."""
        mu, rate = 1 / setting.noise_multiplier, setting.sampling_rate
        return cls(setting, steps, delta, family_epsilon(mu, rate, 1, delta), family_epsilon(mu, rate, steps, delta))


@dataclass(frozen=True, slots=True)
class Game:
    """One pair of worlds: this background with this canary and without, at this claim."""

    background: str
    canary: str
    claim: Claim


@dataclass(frozen=True, slots=True)
class Played:
    """A game's outcome on the held-out half.

    `false_alarms` and `misses` of `held_out` draws each, by `statistic` above or below a `threshold`; `mu` and the ε
    are lower bounds that hold with the game's share of the audit's confidence; `mu` is that of the sampled Gaussian.
    """

    game: Game
    statistic: str
    sign: int
    threshold: float
    held_out: int
    false_alarms: int
    misses: int
    highest_false_alarm: float
    highest_miss: float
    mu: float

    @property
    def epsilon_gaussian(self) -> float:
        """ε of one step, if the noise is Gaussian."""
        claim = self.game.claim
        return family_epsilon(self.mu, claim.setting.sampling_rate, 1, claim.delta)

    @property
    def epsilon_gaussian_study(self) -> float:
        """ε of all steps, if the noise is Gaussian."""
        claim = self.game.claim
        return family_epsilon(self.mu, claim.setting.sampling_rate, claim.steps, claim.delta)

    @property
    def epsilon_any(self) -> float:
        """ε of one step, whatever the noise."""
        return any_epsilon(self.highest_false_alarm, self.highest_miss, self.game.claim.delta)

    @property
    def epsilon_any_study(self) -> float:
        """ε of all steps, whatever the noise."""
        claim = self.game.claim
        return repeated_epsilon(self.highest_false_alarm, self.highest_miss, claim.steps, claim.delta)

    @property
    def claimed_mu(self) -> float:
        """1/σ."""
        return 1 / self.game.claim.setting.noise_multiplier

    @property
    def violated(self) -> bool:
        """Whether the point, with its confidence, lies below the claimed trade-off curve."""
        return self.mu > self.claimed_mu or self.epsilon_any > self.game.claim.one_step

    @property
    def allowed_miss(self) -> float:
        """The smallest miss rate that the claimed curve allows at the highest credible false alarm rate."""
        setting = self.game.claim.setting
        return float(
            trade_off(
                self.highest_false_alarm,
                sampling_rate=setting.sampling_rate,
                noise_multiplier=setting.noise_multiplier,
            )
        )


def judge(game: Game, named: tuple[str, ...], absent: Floats, present: Floats, *, alpha: float) -> Played:
    """Plays on two samples of statistics, (draws, statistics) each.

    The first half of the draws chooses statistic, side and threshold; the second half gives two Clopper-Pearson
    bounds at `alpha` / 2 each. So a step that keeps its claim is called violated with probability at most `alpha`.
    """
    half, claim = len(absent) // 2, game.claim
    rate = claim.setting.sampling_rate
    rule = choose(absent[:half], present[:half], sampling_rate=rate, alpha=alpha / 2)
    held_out = len(absent) - half
    false = int(rule.says_present(absent[half:]).sum())
    missed = int((~rule.says_present(present[half:])).sum())
    false_rate = float(highest_rate(false, held_out, alpha / 2))
    miss_rate = float(highest_rate(missed, held_out, alpha / 2))
    return Played(
        game=game,
        statistic=named[rule.column],
        sign=rule.sign,
        threshold=rule.threshold,
        held_out=held_out,
        false_alarms=false,
        misses=missed,
        highest_false_alarm=false_rate,
        highest_miss=miss_rate,
        mu=float(effective_mu(false_rate, miss_rate, rate)),
    )
