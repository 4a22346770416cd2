"""Defects planted in the step, one at a time; the audit must catch each of them, or it proves nothing.

`MUTATIONS` is the list that docs/audit.md shows. Seeds are fixed: every run sees the same draws.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedward_shared.privacy import step as steps
from fedward_shared.privacy.clipping import FlatClip
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.mechanism import GaussianMechanism
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource
from fedward_shared.privacy.sampling import poisson
from fedward_shared.privacy.step import PrivateStepper
from tests.support.audits import broken, small_audit

torch.set_num_threads(1)
Indices = NDArray[np.int64]
Patch = pytest.MonkeyPatch
_PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
_DECLARED_BATCH = 4.0

_FACTORS, _RELEASE = FlatClip.factors, GaussianMechanism.release
_SUM, _STEP_RELEASE = PrivateStepper._sum, PrivateStepper.release
_GROUPED = TrainingSet.of


def _no_clip(patch: Patch) -> None:
    def factors(_: FlatClip, squares: Tensor) -> Tensor:
        return torch.isfinite(squares).all(dim=0).double().expand_as(squares)

    patch.setattr(FlatClip, "factors", factors)


def _half_noise(patch: Patch) -> None:
    def release(self: GaussianMechanism, total: Tensor, divisor: float, source: RandomSource, out: Tensor) -> None:
        _RELEASE(replace(self, deviation=self.deviation / 2), total, divisor, source, out)

    patch.setattr(GaussianMechanism, "release", release)


def _noise_reused(patch: Patch) -> None:
    """Every second step takes the noise of the step before."""
    kept: dict[int, list[NDArray[np.float64]]] = {}
    gaussian = KeystreamSource.gaussian

    def drawn(self: KeystreamSource, count: int) -> NDArray[np.float64]:
        waiting = kept.setdefault(id(self), [])
        if waiting:
            return waiting.pop()
        fresh = gaussian(self, count)
        waiting.append(fresh.copy())
        return fresh

    patch.setattr(KeystreamSource, "gaussian", drawn)


def _no_noise_for_nobody(patch: Patch) -> None:
    def release(self: GaussianMechanism, total: Tensor, divisor: float, source: RandomSource, out: Tensor) -> None:
        if total.any():
            _RELEASE(self, total, divisor, source, out)
        else:
            out.zero_()

    patch.setattr(GaussianMechanism, "release", release)


def _noise_on_part(patch: Patch) -> None:
    """The last parameter, a bias, is forgotten."""

    def release(self: GaussianMechanism, total: Tensor, divisor: float, source: RandomSource, out: Tensor) -> None:
        bare = total[-1:].clone() / divisor
        _RELEASE(self, total, divisor, source, out)
        out[-1:] = bare

    patch.setattr(GaussianMechanism, "release", release)


def _uniform_noise(patch: Patch) -> None:
    """The right variance, and no tails."""
    patch.setattr(KeystreamSource, "gaussian", lambda self, count: (self.uniform(count) - 0.5) * 12**0.5)


def _shuffle(patch: Patch) -> None:
    def fixed(units: int, rate: float, source: RandomSource) -> Indices:
        order = np.argsort(source.uniform(units), kind="stable")
        return np.sort(order[: round(rate * units)]).astype(np.int64)

    patch.setattr(steps, "poisson", fixed)


def _same_batch_twice(patch: Patch) -> None:
    kept: dict[tuple[int, int], Indices] = {}

    def repeated(units: int, rate: float, source: RandomSource) -> Indices:
        place = (id(source), units)
        return kept.pop(place) if place in kept else kept.setdefault(place, poisson(units, rate, source))

    patch.setattr(steps, "poisson", repeated)


def _rate_from_the_count(patch: Patch) -> None:
    """The rate is batch / number of patients, as Opacus' make_private has it."""

    def drawn(units: int, _: float, source: RandomSource) -> Indices:
        return poisson(units, min(1.0, _DECLARED_BATCH / max(1, units)), source)

    patch.setattr(steps, "poisson", drawn)


def _normaliser_from_the_count(patch: Patch) -> None:
    def release(self: PrivateStepper) -> Tensor:
        released: Tensor = _STEP_RELEASE(self)
        return released.mul_(self._site.normaliser / max(1.0, self._site.sampling_rate * self._data.count))

    patch.setattr(PrivateStepper, "release", release)


def _patient_split(patch: Patch) -> None:
    """Every record is a patient of its own: clipping by record."""

    def apart(records: Tensor, labels: Tensor, units: Indices, count: int) -> TrainingSet:
        return _GROUPED(records, labels, np.arange(len(units), dtype=np.int64), len(units))

    patch.setattr(TrainingSet, "of", apart)


def _clip_after_averaging(patch: Patch) -> None:
    """The batch's gradient is clipped, and not each patient's."""
    _no_clip(patch)

    def clipped(self: PrivateStepper) -> Tensor:
        total: Tensor = _SUM(self)
        return total.mul_(min(1.0, self._clip.sensitivity / max(float(total.norm()), 1e-30)))

    patch.setattr(PrivateStepper, "_sum", clipped)


def _nan_multiplied(patch: Patch) -> None:
    """A patient who is not finite is multiplied by zero, which leaves NaN."""

    def factors(self: FlatClip, squares: Tensor) -> Tensor:
        whole = squares.sum(dim=0, dtype=torch.float64)
        kept = (self.sensitivity / whole.sqrt()).clamp(max=1.0) * torch.isfinite(whole)
        return kept.expand(squares.shape)

    patch.setattr(FlatClip, "factors", factors)


def _patient_repeated(patch: Patch) -> None:
    """Whoever is drawn is there twice."""
    patch.setattr(steps, "poisson", lambda units, rate, source: np.repeat(poisson(units, rate, source), 2))


def _step_without_noise(patch: Patch) -> None:
    """Releases are noised, but the weights move along the sum without noise."""

    def step(self: PrivateStepper) -> None:
        self._sum().div_(self._site.normaliser)
        self._descent.apply()

    patch.setattr(PrivateStepper, "step", step)


def _three_times_the_norm(patch: Patch) -> None:
    patch.setattr(FlatClip, "factors", lambda self, squares: _FACTORS(FlatClip(3 * self.sensitivity), squares))


@dataclass(frozen=True)
class Mutation:
    """A defect, how it is planted, and what must catch it (among others)."""

    name: str
    plant: Callable[[Patch], None]
    caught_by: tuple[str, ...]


_ROUND = "game: extreme in nobody, probe, whole round"
_EXTREME, _MANY, _OPPOSED, _TRAP = (
    f"game: {canary}, probe" for canary in ("extreme in nobody", "many in nobody", "opposed in crowd", "trap in nobody")
)

MUTATIONS = (
    Mutation("no clipping", _no_clip, (_EXTREME, "contribution")),
    Mutation("clipping at three times the norm", _three_times_the_norm, (_EXTREME, "contribution")),
    Mutation("half the noise", _half_noise, (_EXTREME, "noise, all coordinates")),
    Mutation("weights that move along the sum without noise", _step_without_noise, (_ROUND,)),
    Mutation("noise on all but one parameter", _noise_on_part, ("noise, quietest coordinate",)),
    Mutation("noise of the right variance that is not normal", _uniform_noise, ("noise, shape",)),
    Mutation("one noise for two steps", _noise_reused, ("fresh noise",)),
    Mutation("no noise on an empty batch", _no_noise_for_nobody, (_EXTREME, "noise, all coordinates")),
    Mutation("batches of a fixed size instead of Poisson sampling", _shuffle, ("batch size, spread",)),
    Mutation("the same batch in two steps", _same_batch_twice, ("one patient, step after step",)),
    Mutation("q from the real number of patients", _rate_from_the_count, ("batch size, mean",)),
    Mutation(
        "the normaliser from the real number of patients", _normaliser_from_the_count, ("contribution", "noise, shape")
    ),
    Mutation("a patient split into records", _patient_split, (_MANY, "contribution")),
    Mutation("clipping after averaging", _clip_after_averaging, (_OPPOSED, "contribution")),
    Mutation("a patient of NaN multiplied by zero", _nan_multiplied, (_TRAP, "contribution")),
    Mutation("whoever is drawn is there twice", _patient_repeated, (_EXTREME, "contribution")),
)


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_planted_defect_is_caught(mutation: Mutation, monkeypatch: Patch) -> None:
    mutation.plant(monkeypatch)
    found = broken(small_audit(settings=("probe, whole round" if _ROUND in mutation.caught_by else "probe",)))
    assert set(mutation.caught_by) <= found, sorted(found)


def test_without_a_defect_nothing_is_found() -> None:
    assert broken(small_audit(settings=("probe", "probe, whole round"))) == set()


def test_the_page_shows_this_list() -> None:
    rows = [f"| {mutation.name} | {'; '.join(mutation.caught_by)} |" for mutation in MUTATIONS]
    text = _PAGE.read_text(encoding="utf-8")
    assert "\n".join(rows) in text
