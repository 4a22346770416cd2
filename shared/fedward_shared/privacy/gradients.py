"""The gradient of each patient's own loss: by Opacus' hooks, or patient by patient where they do not reach.

A patient's loss is the mean over the records that were drawn. Both ways give the exact gradient; neither lets one
patient's records touch another's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError
from fedward_shared.models.heads import losses

__all__ = ["PatientGradients", "patient_gradients"]

_CHUNK_VALUES = 1 << 24
"""How many per-record gradient values are held at once (64 MiB of float32)."""

_HOOKED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.GroupNorm, nn.LayerNorm, nn.Embedding)


class PatientGradients(Protocol):
    """A way to compute per-patient gradients. `most_records` is how many records one call may be given."""

    most_records: int

    def __call__(
        self, records: Tensor, labels: Tensor, groups: Tensor, patients: int
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Gradients, one tensor (patients, *parameter shape) per parameter, and whether each patient's loss is finite.

        `groups` (records,) says whose each record is, 0 to `patients` - 1, ascending; each patient has a record.
        """
        ...

    def close(self) -> None:
        """Leaves the model as it was found."""
        ...


def patient_gradients(model: nn.Module) -> PatientGradients:
    """The way that fits the model: hooks where Opacus has an exact rule for every layer, else one patient at a time.

    Tied parameters and layers outside the list take the slow way, never a wrong norm.
    """
    owners = [module for module in model.modules() if any(True for _ in module.parameters(recurse=False))]
    tied = sum(1 for _ in model.named_parameters(remove_duplicate=False)) != sum(1 for _ in model.parameters())
    if not tied and all(type(module) in _HOOKED for module in owners):
        return _HookedGradients(model)
    return _LoopedGradients(model)


class _HookedGradients:
    """Opacus' GradSampleModule. Only its per-sample gradients are used: no sampler, optimizer or noise of its."""

    def __init__(self, model: nn.Module) -> None:
        from opacus.grad_sample import GradSampleModule

        # The first layer's inputs are data, which need no gradient: PyTorch says so once for every hook.
        warnings.filterwarnings("ignore", message="Full backward hook is firing")
        self._parameters = list(model.parameters())
        self._model = GradSampleModule(model, batch_first=True, loss_reduction="sum", strict=True)
        self._model.train()
        self.most_records = max(1, _CHUNK_VALUES // sum(parameter.numel() for parameter in self._parameters))

    def __call__(self, records: Tensor, labels: Tensor, groups: Tensor, patients: int) -> tuple[list[Tensor], Tensor]:
        share = torch.bincount(groups, minlength=patients).to(records.dtype).reciprocal()
        each = losses(self._model(records), labels)
        torch.autograd.backward((each * share[groups]).sum())
        return [self._take(parameter, groups, patients) for parameter in self._parameters], _finite(
            each.detach(), groups, patients
        )

    def _take(self, parameter: nn.Parameter, groups: Tensor, patients: int) -> Tensor:
        gradient = getattr(parameter, "grad_sample", None)
        parameter.grad = None
        parameter.grad_sample = None  # type: ignore[attr-defined]  # Opacus' own attribute
        if not isinstance(gradient, Tensor) or gradient.shape != (len(groups), *parameter.shape):
            raise TrainingError(
                "a layer of the model gave no per-record gradient",
                hint="Each layer must be used in every forward pass. Report this model to the study's contact.",
            )
        if patients == len(groups):
            return gradient
        return gradient.new_zeros((patients, *parameter.shape)).index_add_(0, groups, gradient)

    def close(self) -> None:
        self._model.to_standard_module()


class _LoopedGradients:
    """One backward pass for each patient: slow, and right for any layer."""

    most_records = 1

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._model.train()
        self._parameters = list(model.parameters())

    def __call__(self, records: Tensor, labels: Tensor, groups: Tensor, patients: int) -> tuple[list[Tensor], Tensor]:
        stacked = [parameter.new_zeros((patients, *parameter.shape)) for parameter in self._parameters]
        finite = torch.ones(patients, dtype=torch.bool, device=records.device)
        sizes = torch.bincount(groups, minlength=patients).tolist()
        start = 0
        for patient, size in enumerate(sizes):
            own = slice(start, start + size)
            each = losses(self._model(records[own]), labels[own])
            finite[patient] = torch.isfinite(each.detach()).all()
            for whole, gradient in zip(stacked, torch.autograd.grad(each.mean(), self._parameters), strict=True):
                whole[patient] = gradient
            start += size
        return stacked, finite

    def close(self) -> None:
        """Nothing was changed."""


def _finite(each: Tensor, groups: Tensor, patients: int) -> Tensor:
    wrong = torch.zeros(patients, dtype=torch.int64, device=each.device)
    return wrong.index_add_(0, groups, (~torch.isfinite(each)).to(torch.int64)) == 0
