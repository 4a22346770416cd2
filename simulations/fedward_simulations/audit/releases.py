"""Runs the product's step, exactly as a site's training builds it, and hands over what it releases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from fedward_client.vault.training.local_round import stepper_for, train_round
from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.models.registry import build, initial_weights
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper

if TYPE_CHECKING:
    from torch import Tensor

    from fedward_shared.contracts.study import ResolvedSite, Study
    from fedward_simulations.audit.worlds import Cohort

__all__ = ["AuditedStep", "Setting", "flat"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Setting:
    """Sampling rate q and noise multiplier σ of a release; `name` says whether the study declares them.

    With `whole_round` a release is what leaves the site after a round: the change of the weights. Its T local steps run
    at σ√T, so that at q = 1 they are together one Gaussian mechanism at σ (Dong, Roth and Su 2019, corollary 3.3).
    """

    name: str
    sampling_rate: float
    noise_multiplier: float
    whole_round: bool = False


class AuditedStep:
    """One study's step at one site.

    Model, first weights, clip norm, normaliser, records per patient and the kind of randomness are those of the site;
    a `Setting` replaces only q and σ, in the study itself, so that the product's own code builds the step from it.

    Args:
        study: published, with privacy.
        site: a site of the study.
        seed: UNSAFE: all randomness follows from it, so that an audit can be repeated.

    Raises:
        UsageError: the study has no privacy to audit, or no such site.
    """

    def __init__(self, study: Study, site: str, *, seed: int) -> None:
        if study.privacy.unsafe_no_privacy:
            raise UsageError(
                "the study says unsafe_no_privacy: there is no claim to audit",
                hint="Give it a [privacy] target_epsilon, or audit another study.",
            )
        if site not in study.sites or study.resolved is None:
            raise UsageError(
                f"the published study has no site {site!r}", hint=f"It has {', '.join(study.site_names) or 'none'}."
            )
        self.study = study
        self.site = site
        self.clip_norm = study.privacy.clip_norm
        self.declared = Setting(
            "declared", study.sites[site].sampling_rate, study.resolved.sites[site].noise_multiplier
        )
        self._seed = seed
        self.dimension = sum(parameter.numel() for parameter in build(study.model, study.data).parameters())

    def releases(self, cohort: Cohort, setting: Setting, count: int, purpose: str) -> Iterator[Floats]:
        """`count` releases of steps at the first weights, each (parameters,), independent of one another.

        They are in units of the clip norm and before the normaliser: one patient moves them by at most 1, and their
        noise has deviation σ. Of whole rounds, they are the change of the weights, in units of about the same size.
        `purpose` separates randomness: another purpose, other numbers.
        """
        if setting.whole_round:
            yield from self._rounds(cohort, setting, count, purpose)
            return
        scale = self.study.sites[self.site].normaliser / self.clip_norm
        with self._stepper(cohort, setting, purpose) as stepper:
            for _ in range(count):
                yield self._release(stepper) * scale

    def noiseless(self, cohort: Cohort) -> Floats:
        """The clipped sum of everybody, (parameters,), in units of the clip norm."""
        (total,) = self.releases(cohort, Setting("noiseless", 1.0, 0.0), 1, "noiseless")
        return total

    def _rounds(self, cohort: Cohort, setting: Setting, count: int, purpose: str) -> Iterator[Floats]:
        model, data = build(self.study.model, self.study.data), cohort.training_set()
        weights = initial_weights(self.study.model, self.study.data)
        study, source = self._at(setting), self._source(cohort, setting, purpose)
        scale = self.study.sites[self.site].normaliser / self.clip_norm / self.study.training.learning_rate
        for _ in range(count):
            try:
                change = train_round(study, self.site, model=model, data=data, weights=weights, source=source)
            except TrainingError:
                yield np.full(self.dimension, np.nan)
            else:
                yield np.concatenate([part.ravel() for part in change.values()]).astype(np.float64) * scale

    def _source(self, cohort: Cohort, setting: Setting, purpose: str) -> KeystreamSource:
        label = f"audit/{purpose}/{cohort.name}/{cohort.count}/{setting}".encode()
        return KeystreamSource.unsafe_seeded(self._seed, label)

    def _release(self, stepper: PrivateStepper) -> Floats:
        """A step that fails is a release too: an attacker sees that nothing came."""
        try:
            return flat(stepper.release())
        except TrainingError:
            return np.full(self.dimension, np.nan)

    @contextmanager
    def _stepper(self, cohort: Cohort, setting: Setting, purpose: str) -> Iterator[PrivateStepper]:
        model = build(self.study.model, self.study.data)
        source = self._source(cohort, setting, purpose)
        stepper = stepper_for(self._at(setting), self.site, model, cohort.training_set(), source)
        if not isinstance(stepper, PrivateStepper):
            raise TrainingError("the study's step is not the private one")
        try:
            yield stepper
        finally:
            stepper.close()

    def _at(self, setting: Setting) -> Study:
        if self.study.resolved is None:
            raise TrainingError("the study has not been published")
        site = replace(self.study.sites[self.site], sampling_rate=setting.sampling_rate)
        noise = setting.noise_multiplier * (self.study.training.local_steps**0.5 if setting.whole_round else 1.0)
        resolved: ResolvedSite = replace(self.study.resolved.sites[self.site], noise_multiplier=noise)
        return replace(
            self.study,
            sites={**self.study.sites, self.site: site},
            resolved=replace(self.study.resolved, sites={**self.study.resolved.sites, self.site: resolved}),
        )


def flat(released: Tensor | Sequence[Tensor]) -> Floats:
    """A release, one tensor or one a parameter, as (parameters,) float64."""
    parts = [released] if isinstance(released, torch.Tensor) else list(released)
    return torch.cat([part.detach().flatten() for part in parts]).to("cpu", torch.float64).numpy()
