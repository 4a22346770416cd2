"""The private training step: DP-SGD (Abadi et al. 2016) with the patient as the unit and declared constants.

One release is ``(Σ clip(g_p, C) + N(0, σ²C²)) / normaliser``, where the sum runs over the patients p that Poisson
sampling drew, and g_p is the mean (or declared sum) of the gradients of at most `records_per_patient` of p's records.
Where changes of records are declared, a record's gradient is the mean over its changed copies (`augmentation`).

Formal guarantees (neighbours: one patient added or removed; tests/unit/privacy and tests/adversarial test each)
  sensitivity   one patient changes the sum by at most C in L2 norm, and at most C(1 + 1e-4) as computed (`norms`,
                `clipping`); noise is wider by a declared slack, so the accounted σ stays true
  noise         N(0, (σ·C·slack)²) is added to every coordinate once a step, also where nobody was drawn; sum and noise
                are rounded to one declared grid (`mechanism`)
  sampling      each patient independently with the declared rate q; the cost is `clip.event(σ, q, 1)`
  normaliser    a declared constant, never the number of patients drawn or held
  trap weights  a patient whose loss or gradient is not finite contributes exactly zero, by selection (0 x NaN is NaN),
                and the noisy step is taken all the same
  after noise   division, rounding to float32, optimizer, weight decay and the prox term see released values only

Edge cases: nobody drawn: noise alone. No patients at all: noise alone. σ = 0: clipping alone, for tests; accounting
says ∞.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import SiteTerms, TrainingTerms
from fedward_shared.models.heads.classes import losses
from fedward_shared.privacy.augmentation.plan import Augmentation, check_declared
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.clipping import Clip, FlatClip
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.descent import Descent
from fedward_shared.privacy.flat import FlatModel
from fedward_shared.privacy.mechanism import GaussianMechanism, grid
from fedward_shared.privacy.randomness.noise import RandomSource
from fedward_shared.privacy.rounding import slack
from fedward_shared.privacy.sampling import Indices, choose_records, poisson
from fedward_shared.privacy.sums import Loss, Objective, Way, clipped_sums

__all__ = ["PrivateStepper", "Stepper"]


class Stepper(Protocol):
    """Takes training steps on the model it was made for."""

    def step(self) -> None:
        """One step; the model's weights change in place."""
        ...

    def close(self) -> None:
        """Leaves the model without any trace but its weights."""
        ...


class PrivateStepper:
    """Clipped, noised steps on `model`; see the module's guarantees.

    Args:
        model: on the device of `data`; its weights change in place.
        data: the site's training records; labels within the model's classes (checked where data are read, since a loss
            that fails would say so for a single patient).
        training: learning rate and what follows the noise; how a patient's records are put together.
        site: the declared sampling rate and normaliser.
        clip_norm: C, or a `Clip` of another kind.
        noise_multiplier: σ.
        records_per_patient: the most records of one patient in one step.
        source: randomness of sampling and noise.
        loss: each record's loss; by default the cross-entropy of the study's models.
        way: how gradients are bounded. Only "fast" is fast; the others take models that it refuses.
        autocast: bfloat16 in the forward and backward pass (no loss scaling, which would depend on data).
        augmentation: what `training.augment` means for these records.

    Raises:
        UsageError: the model cannot be trained this way: what stands against it, and what to do.
    """

    def __init__(
        self,
        model: nn.Module,
        data: TrainingSet,
        *,
        training: TrainingTerms,
        site: SiteTerms,
        clip_norm: float | Clip,
        noise_multiplier: float,
        records_per_patient: int,
        source: RandomSource,
        loss: Loss = losses,
        way: Way = "fast",
        autocast: bool = False,
        augmentation: Augmentation | None = None,
    ) -> None:
        check_declared(augmentation, training)
        model.train()
        self._data = data
        self._site = site
        self._clip: Clip = FlatClip(clip_norm) if isinstance(clip_norm, int | float) else clip_norm
        self._sigma = noise_multiplier
        self._most = records_per_patient
        self._source = source
        self._augmentation = augmentation
        self._copies = 1 if augmentation is None else augmentation.copies
        self._mean = training.within_patient == "mean"
        self._flat = FlatModel(model)
        self._descent = Descent(self._flat, training)
        try:
            self._sums = clipped_sums(model, self._flat, self._clip, Objective(loss, autocast), data.records, way=way)
        except BaseException:
            self._flat.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leaves the model without any trace but its weights."""
        self._sums.close()
        self._flat.close()

    def step(self) -> None:
        """One private step; the model's weights change in place."""
        self.release()
        self._descent.apply()

    def release(self) -> Tensor:
        """The noised sum over the normaliser, (D,) in the order of the parameters: all that a step reveals.

        The tensor is written over by the next step.
        """
        clip, gradient = self._clip, self._flat.gradient
        deviation = self._sigma * clip.sensitivity * slack(self._site.size * self._site.sampling_rate)
        mechanism = GaussianMechanism(deviation, grid(clip.sensitivity, self._flat.size, deviation))
        mechanism.release(self._sum(), self._site.normaliser, self._source, gradient)
        clip.advance(self._source)
        return gradient

    def _sum(self) -> Tensor:
        """The clipped sum over those drawn, without noise: nobody else's to see."""
        gradient, total = self._flat.gradient.zero_(), None
        self._clip.begin()
        chosen = poisson(self._data.count, self._site.sampling_rate, self._source)
        for place, (rows, groups, patients) in enumerate(self._portions(chosen)):
            if place:  # float32 would lose the small parts of a sum over many
                total = gradient.double() if total is None else total.add_(gradient)
                gradient.zero_()
            self._add(rows, groups, patients)
        return gradient if total is None else total.add_(gradient)

    def _add(self, rows: Indices, groups: Indices, patients: int) -> None:
        """Adds the clipped gradients of one portion of whole patients."""
        records, labels = self._data.records, self._data.labels
        if not (self._data.one_each and len(rows) == len(records)):
            where = torch.from_numpy(rows).to(records.device)
            records, labels = records[where], labels[where]
        if self._augmentation is not None:
            records, labels = self._augmentation(records, labels, self._source)
        grouping, shares = Grouping.one_each(len(rows)), None
        if not (self._data.one_each and self._copies == 1):
            each = np.arange(patients) if self._data.one_each else groups
            owner = torch.from_numpy(each if self._copies == 1 else np.repeat(each, self._copies)).to(records.device)
            grouping = Grouping.of(owner, patients)
            if self._mean:
                shares = torch.bincount(owner, minlength=patients).to(self._flat.weights.dtype).reciprocal()[owner]
            elif self._copies > 1:
                shares = self._flat.weights.new_full((len(owner),), 1 / self._copies)
        self._sums.add(records, labels, shares, grouping)

    def _portions(self, chosen: Indices) -> Iterator[tuple[Indices, Indices, int]]:
        """The drawn records in portions of whole patients that fit in memory: rows, groups from 0, patients."""
        most = max(1, self._sums.most_records // self._copies)
        if self._data.one_each:
            for start in range(0, len(chosen), most):
                part = chosen[start : start + most]
                yield self._data.order[part], part, len(part)
            return
        rows, groups = choose_records(*self._data.rows_of(chosen), self._most, self._source)
        ends = np.searchsorted(groups, np.arange(len(chosen)), side="right")
        first = start = 0
        while first < len(chosen):
            last = max(first + 1, int(np.searchsorted(ends, start + most, side="right")))
            stop = int(ends[last - 1])
            yield rows[start:stop], groups[start:stop] - first, last - first
            first, start = last, stop
