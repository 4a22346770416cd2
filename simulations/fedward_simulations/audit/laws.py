"""The laws that a claim rests on, looked up in the product's own step: what is measured for each check of `checks`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

import numpy as np
import numpy.typing as npt

from fedward_shared.models.registry import build, record_shape
from fedward_simulations.audit.canaries import Canaries
from fedward_simulations.audit.checks import Finding, batch_sizes, chosen_alone, contribution, fresh_noise, noise_law
from fedward_simulations.audit.releases import AuditedStep, Setting
from fedward_simulations.audit.worlds import Cohort

__all__ = ["CROWD", "Laws"]

Floats = npt.NDArray[np.float64]

CROWD = 4
"""Members of the crowd that the opposed canary joins."""
_MOST_VALUES = 4_000_000
_MOST_COLUMNS = 4096
_READABLE = 0.05
_HALF = 0.5
_DRAWN_AT_ONCE, _MOST_PATIENTS = 8, 512
_CERTAIN_DRAWS = 20


class Laws:
    """Every check at one step.

    Args:
        step: what is audited.
        canaries: the patients to plant.
        draws: releases a check.
        advance: told of releases made.
    """

    def __init__(self, step: AuditedStep, canaries: Canaries, *, draws: int, advance: Callable[[int], None]) -> None:
        self._step, self._canaries, self._draws, self._advance = step, canaries, draws, advance
        self._nobody = Cohort.nobody(record_shape(step.study.model, step.study.data))
        self._columns = _columns(step)
        self._noise_draws = max(8, min(draws, _MOST_VALUES // len(self._columns)))

    @property
    def planned(self) -> int:
        """How many releases `findings` makes."""
        each = ((1 if rate == 1 else 2) * self._draws_at(rate) for rate in self._rates())
        return 2 * self._noise_draws + sum(each)

    def findings(self) -> Iterator[Finding]:
        """All checks; how many there are depends on the study alone."""
        crowd = Cohort.crowd(self._canaries.crowd_member, CROWD)
        for background, canaries in ((self._nobody, self._canaries.planted), (crowd, (self._canaries.opposed,))):
            without = self._step.noiseless(background)
            for canary in canaries:
                joined = self._step.noiseless(background.joined_by(canary))
                yield contribution(f"{canary.name} joins {background.name}", without, joined)
        yield from self._noise()
        yield from self._sampling()

    def _noise(self) -> Iterator[Finding]:
        """Noise alone: of an empty batch, and of a batch that holds the canary, whose part is known and taken away."""
        everybody = Setting("everybody drawn", 1.0, self._step.declared.noise_multiplier)
        for where, cohort in (
            ("empty batch", self._nobody),
            ("batch of one", self._nobody.joined_by(self._canaries.extreme)),
        ):
            known = self._step.noiseless(cohort)
            releases = self._releases(cohort, everybody, self._noise_draws, "noise")
            noise = np.stack([(release - known)[self._columns] for release in releases])
            yield from noise_law(where, noise, everybody.noise_multiplier)
            yield fresh_noise(where, noise)

    def _sampling(self) -> Iterator[Finding]:
        """Patients who are all alike make the batch's size readable from the release, at next to no noise."""
        member = self._canaries.crowd_member
        one = self._step.noiseless(self._nobody.joined_by(member))
        length = float(np.linalg.norm(one))
        if not 0 < length < np.inf:
            yield Finding("batch size, mean", "everywhere", f"not readable: a patient adds {length} C", "readable", 0.0)
            return
        for rate in self._rates():
            patients = int(np.clip(ceil(_DRAWN_AT_ONCE / rate), 2 * _DRAWN_AT_ONCE, _MOST_PATIENTS))
            quiet = Setting("nearly noiseless", rate, _READABLE * length)
            where = f"q = {rate:g}"
            sizes = self._sizes(Cohort.crowd(member, patients), quiet, one)
            yield from batch_sizes(f"{where}, {patients} patients", sizes, patients, rate)
            if rate < 1:
                alone = self._sizes(self._nobody.joined_by(member), quiet, one)
                yield from chosen_alone(where, alone > 0, rate)

    def _rates(self) -> list[float]:
        return sorted({self._step.declared.sampling_rate, _HALF, 1.0})

    def _draws_at(self, rate: float) -> int:
        return self._draws if rate < 1 else min(self._draws, _CERTAIN_DRAWS)

    def _sizes(self, cohort: Cohort, setting: Setting, one: Floats) -> npt.NDArray[np.int64]:
        along = one / float(one @ one)
        releases = self._releases(cohort, setting, self._draws_at(setting.sampling_rate), "sizes")
        read = np.nan_to_num([float(release @ along) for release in releases], nan=-1.0)
        return np.asarray(np.rint(read), dtype=np.int64)

    def _releases(self, cohort: Cohort, setting: Setting, count: int, purpose: str) -> Iterator[Floats]:
        for release in self._step.releases(cohort, setting, count, purpose):
            self._advance(1)
            yield release


def _columns(step: AuditedStep) -> npt.NDArray[np.int64]:
    """All coordinates, or the first of each tensor and an even choice of the others where there are many."""
    shapes = [parameter.numel() for parameter in build(step.study.model, step.study.data).parameters()]
    firsts = np.cumsum([0, *shapes[:-1]])
    even = np.linspace(0, step.dimension - 1, min(step.dimension, _MOST_COLUMNS))
    return np.union1d(firsts, even.astype(np.int64))
