"""The mechanism audit: distinguishing games and named checks on the product's own step, at one level of confidence.

Settings: as declared, where a study's large σ hides most defects from any affordable number of draws; with everybody
drawn; and two probes of the same code at a small σ, where half the noise or twice the sensitivity shows at once. The
check of the noise's law ties the declared σ to them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fedward_shared.models.heads.head import head_for
from fedward_shared.models.registry import build, record_shape
from fedward_simulations.audit.bounds import family_epsilon
from fedward_simulations.audit.canaries import Canaries
from fedward_simulations.audit.checks import Finding
from fedward_simulations.audit.game import Claim, Game, Played, judge
from fedward_simulations.audit.laws import CROWD, Laws
from fedward_simulations.audit.releases import AuditedStep, Setting
from fedward_simulations.audit.statistics import Statistics, unit
from fedward_simulations.audit.worlds import Cohort, Patient

__all__ = ["FALSE_ALARM", "SETTINGS", "MechanismAudit", "audit_mechanism"]

Floats = npt.NDArray[np.float64]
Advance = Callable[[int], None]

FALSE_ALARM = 1e-4
"""The most that the probability of "violated" may be, over the whole audit, for a step that keeps its claim."""
SETTINGS = ("declared", "everybody drawn", "probe", "probe, half drawn", "probe, whole round")
"""Where games are played: the study's q and σ; q = 1; both replaced by 1 and 0.5; by 0.5 and 0.5; and what leaves the
site after all local steps, which together have q = 1 and σ = 0.5."""
_PROBE_NOISE = 0.5
_PROBE_RATE = 0.5
_PILOT_SHARE = 10
_STEPS_A_DRAW, _FEWEST_ROUNDS = 4, 400


@dataclass(frozen=True, slots=True)
class MechanismAudit:
    """What was found. `alpha` is each game's and each check's share of the false alarm; `draws` a world and game."""

    games: tuple[Played, ...]
    findings: tuple[Finding, ...]
    alpha: float
    draws: int
    claim: Claim

    @property
    def implied_epsilon(self) -> float:
        """What the strongest game means for the study: ε of its steps at σ made smaller by the share that was found.

        Sound as far as the step scales with σ, which the check of the noise's law tests at the declared σ.
        """
        best, declared = self.strongest, self.claim.setting
        mu = best.mu / best.claimed_mu / declared.noise_multiplier
        return family_epsilon(mu, declared.sampling_rate, self.claim.steps, self.claim.delta)

    @property
    def violations(self) -> list[str]:
        """In words, what contradicts the claim; empty where everything is consistent with it."""
        games = [
            f"{one.game.background} with the canary {one.game.canary!r}, {one.game.claim.setting.name}: "
            f"μ is at least {one.mu:.3f}, claimed {one.claimed_mu:.3f}"
            for one in self.games
            if one.violated
        ]
        return games + [
            f"{one.check}, {one.where}: {one.measured}, claimed {one.claimed}"
            for one in self.findings
            if one.violated(self.alpha)
        ]

    @property
    def strongest(self) -> Played:
        """The game that found most of what is claimed."""
        return max(self.games, key=lambda one: one.mu / one.claimed_mu)


@dataclass(frozen=True, slots=True)
class _World:
    """A background and the canaries that join it, at one setting."""

    background: Cohort
    canaries: tuple[Patient, ...]
    setting: Setting


def audit_mechanism(
    step: AuditedStep,
    site: Cohort,
    *,
    draws: int,
    seed: int,
    settings: Sequence[str] = SETTINGS,
    extra_tests: int = 0,
    advance: Advance | None = None,
    begin: Advance | None = None,
) -> MechanismAudit:
    """Plays every game and makes every check.

    Args:
        step: what is audited.
        site: the site's own patients, as a background.
        draws: releases in each world of each game, half of them held out.
        seed: UNSAFE: of the candidates for canaries.
        settings: which of `SETTINGS` to play games at; the checks are made all the same.
        extra_tests: how many further tests share the false alarm.
        advance: told of releases made.
        begin: told how many releases there will be.
    """
    audit = _Audit(step, site, draws, seed, advance or _nobody_listens)
    return audit.run(settings, extra_tests, begin or _nobody_listens)


class _Audit:
    def __init__(self, step: AuditedStep, site: Cohort, draws: int, seed: int, advance: Advance) -> None:
        study = step.study
        self._step, self._draws, self._advance = step, draws, advance
        self._site = site
        self._nobody = Cohort.nobody(record_shape(study.model, study.data))
        model = build(study.model, study.data)
        self._canaries = Canaries.design(
            model, head_for(study.model, study.data), study.data, site, step.clip_norm, seed=seed
        )
        self._laws = Laws(step, self._canaries, draws=draws, advance=advance)
        self._claims: dict[Setting, Claim] = {}

    def run(self, settings: Sequence[str], extra_tests: int, begin: Advance) -> MechanismAudit:
        worlds = [world for world in self._plan() if world.setting.name in settings]
        begin(self._laws.planned + sum(self._planned(world) for world in worlds))
        played: list[Callable[[float], Played]] = [game for world in worlds for game in self._games(world)]
        findings = tuple(self._laws.findings())
        alpha = FALSE_ALARM / (len(played) + len(findings) + extra_tests)
        return MechanismAudit(
            tuple(game(alpha) for game in played), findings, alpha, self._draws, self._claim(self._step.declared)
        )

    def _plan(self) -> Iterator[_World]:
        declared, planted = self._step.declared, self._canaries.planted
        everybody = Setting(SETTINGS[1], 1.0, declared.noise_multiplier)
        loud = Setting(SETTINGS[2], 1.0, _PROBE_NOISE)
        halved = Setting(SETTINGS[3], _PROBE_RATE, _PROBE_NOISE)
        crowd = Cohort.crowd(self._canaries.crowd_member, CROWD)
        yield _World(self._site, planted, declared)
        if declared.sampling_rate < 1:
            yield _World(self._nobody, planted, declared)
            yield _World(self._nobody, planted, everybody)
        for setting in (loud, halved):
            yield _World(self._nobody, planted, setting)
            yield _World(crowd, (self._canaries.opposed,), setting)
        whole = Setting(SETTINGS[4], 1.0, _PROBE_NOISE, whole_round=True)
        yield _World(self._nobody, (self._canaries.extreme,), whole)

    def _games(self, world: _World) -> list[Callable[[float], Played]]:
        """Draws once; the verdicts wait until the number of tests, and so the level, is known."""
        without = self._pilot(world.background, world.setting)
        directions = {canary.name: self._directions(world, canary, without) for canary in world.canaries}
        every = [pair for own in directions.values() for pair in own]
        measured = Statistics.of(every, self._step.dimension)
        absent = self._values(measured, world.background, world.setting)
        claim = self._claim(world.setting)

        def one(canary: Patient) -> Callable[[float], Played]:
            mine = [name for name, _ in directions[canary.name]]
            present = self._values(measured, world.background.joined_by(canary), world.setting)
            names, without_it = measured.only(mine, absent)
            _, with_it = measured.only(mine, present)
            game = Game(world.background.name, canary.name, claim)
            return lambda alpha: judge(game, names, without_it, with_it, alpha=alpha)

        return [one(canary) for canary in world.canaries]

    def _planned(self, world: _World) -> int:
        return (1 + len(world.canaries)) * (self._pilot_draws + self._game_draws(world.setting))

    @property
    def _pilot_draws(self) -> int:
        return max(2, self._draws // _PILOT_SHARE)

    def _game_draws(self, setting: Setting) -> int:
        if not setting.whole_round:
            return self._draws
        steps = self._step.study.training.local_steps
        return min(self._draws, max(_FEWEST_ROUNDS, _STEPS_A_DRAW * self._draws // steps))

    def _pilot(self, cohort: Cohort, setting: Setting) -> Floats:
        """The mean of a few releases that are used for nothing else."""
        total = np.zeros(self._step.dimension)
        for release in self._releases(cohort, setting, self._pilot_draws, "pilot"):
            total += release
        return total / self._pilot_draws

    def _directions(self, world: _World, canary: Patient, without: Floats) -> list[tuple[str, Floats]]:
        """Where to look: along the canary's own clipped gradient, and from one world's mean to the other's."""
        alone = self._step.noiseless(self._nobody.joined_by(canary))
        apart = self._pilot(world.background.joined_by(canary), world.setting) - without
        found = {f"own gradient ({canary.name})": alone, f"distance of means ({canary.name})": apart}
        named = ((name, unit(direction)) for name, direction in found.items())
        return [(name, direction) for name, direction in named if direction is not None]

    def _values(self, measured: Statistics, cohort: Cohort, setting: Setting) -> Floats:
        return measured.measure(self._releases(cohort, setting, self._game_draws(setting), "game"))

    def _releases(self, cohort: Cohort, setting: Setting, count: int, purpose: str) -> Iterator[Floats]:
        for release in self._step.releases(cohort, setting, count, purpose):
            self._advance(1)
            yield release

    def _claim(self, setting: Setting) -> Claim:
        if setting not in self._claims:
            study = self._step.study
            times = study.strategy.charged_rounds if setting.whole_round else study.steps_per_site
            self._claims[setting] = Claim.of(setting, times, study.privacy.delta)
        return self._claims[setting]


def _nobody_listens(_: int) -> None:
    return
