"""Everything an audit found, its verdict, and result.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import isfinite
from typing import Any

from fedward_simulations.audit.bounds import largest_true_positive_rate
from fedward_simulations.audit.game import Played
from fedward_simulations.audit.mechanism import FALSE_ALARM, MechanismAudit
from fedward_simulations.audit.membership import RATES, Attack
from fedward_simulations.audit.one_run import OneRun

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the attacks found at one site of a study that claims ε `epsilon` at `delta` there for each `unit`.

    `attacks` holds the membership attack by way of training; `largest_epsilon` is the largest claim among the sites,
    whose patients it attacks all together.
    """

    site: str
    unit: str
    epsilon: float
    delta: float
    mechanism: MechanismAudit
    one_run: tuple[OneRun, ...]
    attacks: dict[str, Attack]
    largest_epsilon: float

    @property
    def violations(self) -> list[str]:
        """What contradicts the claim, in words; wrong about a step that keeps it with probability 1e-4 at most."""
        runs = [
            f"{one.attack}: {one.right} of {one.guesses} guesses were right, which ε = {one.claimed:.3f} does not allow"
            for one in self.one_run
            if one.violated(self.mechanism.alpha)
        ]
        return self.mechanism.violations + runs

    @property
    def verdict(self) -> str:
        """`consistent` with the claim, or `VIOLATED`."""
        return "VIOLATED" if self.violations else "consistent"

    def allowed(self, rate: float) -> float:
        """The largest TPR of a membership attack at this FPR that the largest claim allows."""
        return float(largest_true_positive_rate(rate, self.largest_epsilon, self.delta))

    def as_json(self) -> dict[str, Any]:
        """For result.json; infinite figures are null."""
        best = self.mechanism.strongest
        body = {
            "verdict": self.verdict,
            "violations": self.violations,
            "site": self.site,
            "unit": self.unit,
            "claimed": {"epsilon": self.epsilon, "delta": self.delta, "one_step": self.mechanism.claim.one_step},
            "false_alarm": FALSE_ALARM,
            "tests_at": self.mechanism.alpha,
            "lower_bound": {
                "share_of_mu": best.mu / best.claimed_mu,
                "implied_epsilon_of_study": self.mechanism.implied_epsilon,
            },
            "games": [_game(one) for one in self.mechanism.games],
            "checks": [
                {**asdict(one), "violated": one.violated(self.mechanism.alpha)} for one in self.mechanism.findings
            ],
            "one_run": [asdict(one) for one in self.one_run],
            "membership": {
                "largest_epsilon": self.largest_epsilon,
                "allowed_tpr": {str(rate): self.allowed(rate) for rate in RATES},
                **{
                    way: {
                        "models": found.models,
                        "patients": found.patients,
                        "auc": asdict(found.auc),
                        "tpr": {
                            str(rate): asdict(one) for rate, one in zip(RATES, found.true_positive_rates, strict=True)
                        },
                    }
                    for way, found in self.attacks.items()
                },
            },
        }
        return {key: _finite(value) for key, value in body.items()}


def _game(one: Played) -> dict[str, Any]:
    flat = {key: value for key, value in asdict(one).items() if key != "game"}
    return {
        "background": one.game.background,
        "canary": one.game.canary,
        **asdict(one.game.claim.setting),
        "claimed_mu": one.claimed_mu,
        "claimed_epsilon": one.game.claim.one_step,
        "claimed_epsilon_study": one.game.claim.all_steps,
        "allowed_miss": one.allowed_miss,
        **flat,
        "epsilon": {
            "gaussian": one.epsilon_gaussian,
            "gaussian_study": one.epsilon_gaussian_study,
            "any": one.epsilon_any,
            "any_study": one.epsilon_any_study,
        },
        "violated": one.violated,
    }


def _finite(value: Any) -> Any:
    """JSON has no ∞."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not isfinite(value) else value
