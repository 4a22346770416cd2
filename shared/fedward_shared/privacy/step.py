"""The private training step: DP-SGD (Abadi et al. 2016) with the patient as the unit and declared constants.

One release is ``(Σ clip(g_p, C) + N(0, σ²C²)) / normaliser``, where the sum runs over the patients p that Poisson
sampling drew, and g_p is the mean gradient over at most `records_per_patient` of p's records.

Formal guarantees (neighbours: one patient added or removed; tests/unit/privacy and tests/adversarial test each)
  sensitivity   one patient changes the sum by at most C in L2 norm: the factor is computed in float64 from the very
                gradients that are summed in float64, and rounded down, never up
  noise         N(0, σ²C²) is added to every coordinate once a step, also where nobody was drawn
  sampling      each patient independently with the declared rate q; the cost is `SampledGaussian(σ, q, 1)`
  normaliser    a declared constant, never the number of patients drawn or held
  trap weights  a patient whose loss or gradient is not finite contributes exactly zero, by selection (0 x NaN is NaN),
                and the noisy step is taken all the same
  after noise   division, rounding to float32, momentum, weight decay and the prox term see released values only

Edge cases: nobody drawn: noise alone. No patients at all: noise alone. σ = 0: clipping alone, for tests; accounting
says ∞.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import SiteTerms, TrainingTerms
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.gradients import patient_gradients
from fedward_shared.privacy.noise import RandomSource
from fedward_shared.privacy.sampling import Indices, choose_records, poisson

__all__ = ["Descent", "PrivateStepper", "Stepper", "clipped_sum"]

_ROUND_DOWN = 1 - 2.0**-40


class Stepper(Protocol):
    """Takes training steps on the model it was made for."""

    def step(self) -> None:
        """One step; the model's weights change in place."""
        ...

    def close(self) -> None:
        """Leaves the model without any trace but its weights."""
        ...


class Descent:
    """SGD with momentum, weight decay and a prox term towards the round's first weights (FedProx, Li et al. 2020).

    It sees only gradients that were released (noised), so everything it keeps is post-processing.
    """

    def __init__(self, model: nn.Module, terms: TrainingTerms) -> None:
        self._parameters = list(model.parameters())
        self._mu = terms.proximal_mu
        self._origin = [parameter.detach().clone() for parameter in self._parameters] if self._mu else []
        self._optimizer = torch.optim.SGD(
            self._parameters, lr=terms.learning_rate, momentum=terms.momentum, weight_decay=terms.weight_decay
        )

    def clear(self) -> None:
        """Forgets the last gradients."""
        self._optimizer.zero_grad(set_to_none=True)

    def apply(self) -> None:
        """One step along the gradients that the parameters hold."""
        for parameter, origin in zip(self._parameters, self._origin, strict=False):
            if parameter.grad is not None:
                parameter.grad.add_(parameter.detach() - origin, alpha=self._mu)
        self._optimizer.step()


class PrivateStepper:
    """Clipped, noised steps on `model`; see the module's guarantees.

    Args:
        model: on the device of `data`; its weights change in place.
        data: the site's training records.
        training: learning rate and what follows the noise.
        site: the declared sampling rate and normaliser.
        clip_norm: C.
        noise_multiplier: σ.
        records_per_patient: the most records of one patient in one step.
        source: randomness of sampling and noise.
    """

    def __init__(
        self,
        model: nn.Module,
        data: TrainingSet,
        *,
        training: TrainingTerms,
        site: SiteTerms,
        clip_norm: float,
        noise_multiplier: float,
        records_per_patient: int,
        source: RandomSource,
    ) -> None:
        self._parameters = list(model.parameters())
        self._data = data
        self._site = site
        self._clip_norm = clip_norm
        self._noise = noise_multiplier * clip_norm
        self._most = records_per_patient
        self._source = source
        self._descent = Descent(model, training)
        self._gradients = patient_gradients(model)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Takes the hooks off the model."""
        self._gradients.close()

    def step(self) -> None:
        """One private step; the model's weights change in place."""
        released = self.release()
        self._descent.clear()
        for parameter, gradient in zip(self._parameters, released, strict=True):
            parameter.grad = gradient.to(parameter.dtype)
        self._descent.apply()

    def release(self) -> list[Tensor]:
        """The noised sum over the normaliser, float64, one tensor per parameter: all that a step reveals."""
        totals = [torch.zeros_like(parameter, dtype=torch.float64) for parameter in self._parameters]
        chosen = poisson(self._data.count, self._site.sampling_rate, self._source)
        for rows, groups, patients in self._portions(chosen):
            where = torch.from_numpy(rows).to(self._data.records.device)
            whose = torch.from_numpy(groups).to(self._data.records.device)
            gradients, finite = self._gradients(self._data.records[where], self._data.labels[where], whose, patients)
            for total, part in zip(totals, clipped_sum(gradients, finite, self._clip_norm), strict=True):
                total.add_(part)
        for total in totals:
            noise = torch.from_numpy(self._source.gaussian(total.numel())).to(total.device)
            total.add_(noise.view_as(total), alpha=self._noise).div_(self._site.normaliser)
        return totals

    def _portions(self, chosen: Indices) -> Iterator[tuple[Indices, Indices, int]]:
        """The drawn records in portions of whole patients that fit in memory: rows, groups from 0, patients."""
        rows, groups = choose_records(*self._data.rows_of(chosen), self._most, self._source)
        ends = np.searchsorted(groups, np.arange(len(chosen)), side="right")
        first = start = 0
        while first < len(chosen):
            last = max(first + 1, int(np.searchsorted(ends, start + self._gradients.most_records, side="right")))
            stop = int(ends[last - 1])
            yield rows[start:stop], groups[start:stop] - first, last - first
            first, start = last, stop


def clipped_sum(gradients: Sequence[Tensor], finite: Tensor, clip_norm: float) -> list[Tensor]:
    """Σ over patients of each gradient scaled to an L2 norm of at most `clip_norm`, in float64.

    `gradients` holds (patients, *shape) for each parameter. Patients that are not `finite`, or whose gradient is not,
    are left out.
    """
    wide = [gradient.to(torch.float64).flatten(1) for gradient in gradients]
    squares = torch.stack([values.square().sum(dim=1) for values in wide]).sum(dim=0)
    norms = squares.sqrt()
    drop = ~(finite & torch.isfinite(norms))
    factors = torch.where(norms > clip_norm, clip_norm / norms * _ROUND_DOWN, torch.ones_like(norms))
    factors = torch.where(drop, torch.zeros_like(factors), factors)
    return [
        torch.mv(values.masked_fill_(drop[:, None], 0.0).T, factors).view(gradient.shape[1:])
        for values, gradient in zip(wide, gradients, strict=True)
    ]
