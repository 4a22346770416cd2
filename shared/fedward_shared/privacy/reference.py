"""The slow ways to clipped sums, for models that the fast way refuses, and to check it against.

Both hold a gradient for each patient. Neither lets one patient's records touch another's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.clipping import Clip
from fedward_shared.privacy.flat import FlatModel
from fedward_shared.privacy.sums import Objective

__all__ = ["EachPatient", "OpacusHooks", "add_clipped"]

_PORTION_VALUES = 1 << 24
"""How many per-record gradient values are held at once (64 MiB of float32)."""


class OpacusHooks:
    """Opacus' GradSampleModule. Only its per-sample gradients are used: no sampler, optimizer or noise of its.

    Raises:
        UsageError: parameters are tied, which Opacus does not always tell.
        NotImplementedError: Opacus has no rule for a layer (its own message says which).
    """

    def __init__(self, model: nn.Module, flat: FlatModel, clip: Clip, objective: Objective) -> None:
        from opacus.grad_sample import GradSampleModule

        names = sum(1 for _ in model.named_parameters(remove_duplicate=False))
        if names != sum(1 for _ in model.parameters()):
            raise UsageError("parameters are tied", hint='Ask for the way "each", which takes one patient at a time.')
        # The first layer's inputs are data, which need no gradient: PyTorch says so once for every hook.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        self._flat = flat
        self._clip = clip
        self._objective = objective
        self._model = GradSampleModule(model, batch_first=True, loss_reduction="sum", strict=True)
        self._model.train()
        self.most_records = max(1, _PORTION_VALUES // flat.size)

    def add(self, records: Tensor, labels: Tensor, shares: Tensor | None, grouping: Grouping) -> None:
        """As `ClippedSums.add`."""
        losses = self._objective.losses(self._model, records, labels)
        torch.autograd.backward((losses if shares is None else losses * shares).sum())
        with torch.no_grad():
            gradients = [grouping.sums(self._take(parameter, len(records))) for parameter in self._flat.sinks]
            finite = grouping.sums((~torch.isfinite(losses.detach())).double()) == 0
            add_clipped(gradients, finite, self._clip, self._flat)

    def _take(self, parameter: nn.Parameter, records: int) -> Tensor:
        gradient = getattr(parameter, "grad_sample", None)
        parameter.grad = None
        parameter.grad_sample = None  # type: ignore[attr-defined]  # Opacus' own attribute
        if not isinstance(gradient, Tensor) or gradient.shape != (records, *parameter.shape):
            raise TrainingError(
                "a layer of the model gave no per-record gradient",
                hint="Each layer must be used in every forward pass. Report this model to the study's contact.",
            )
        return gradient

    def close(self) -> None:
        """Takes Opacus' hooks off the model."""
        self._model.to_standard_module()


class EachPatient:
    """One backward pass for each patient: slow, and right for any model that keeps patients apart."""

    most_records = 1

    def __init__(self, model: nn.Module, flat: FlatModel, clip: Clip, objective: Objective) -> None:
        self._model = model
        self._flat = flat
        self._clip = clip
        self._objective = objective

    def add(self, records: Tensor, labels: Tensor, shares: Tensor | None, grouping: Grouping) -> None:
        """As `ClippedSums.add`."""
        parameters = list(self._flat.sinks)
        for patient in range(grouping.patients):
            own = slice(patient, patient + 1) if grouping.owner is None else grouping.owner == patient
            losses = self._objective.losses(self._model, records[own], labels[own])
            total = (losses if shares is None else losses * shares[own]).sum()
            gradients = torch.autograd.grad(total, parameters, allow_unused=True, materialize_grads=True)
            with torch.no_grad():
                add_clipped(
                    [gradient[None] for gradient in gradients],
                    torch.isfinite(losses.detach()).all()[None],
                    self._clip,
                    self._flat,
                )

    def close(self) -> None:
        """Nothing was changed."""


def add_clipped(gradients: Sequence[Tensor], finite: Tensor, clip: Clip, flat: FlatModel) -> None:
    """Adds Σ over patients of each gradient scaled by the clip's factor, in float64, to the gradient.

    `gradients` holds (patients, *shape) for each parameter. Patients that are not `finite`, or whose gradient is not,
    are left out by selection. Each parameter is a layer to the clip.
    """
    wide = [gradient.flatten(1).double() for gradient in gradients]
    squares = torch.stack([values.square().sum(dim=1) for values in wide])
    squares = torch.where(finite, squares, torch.inf)
    factors = clip.factors(squares)
    lost = ~torch.isfinite(squares).all(dim=0)
    for sink, values, factor in zip(flat.sinks.values(), wide, factors, strict=True):
        total = torch.mv(values.masked_fill_(lost[:, None], 0.0).T, factor)
        sink.add_(total.view_as(sink).to(sink.dtype))
