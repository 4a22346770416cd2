"""`[model.backbone] name = "rocket"`: many fixed random convolutions of a signal, and two numbers of each.

Dempster et al. 2020 (ROCKET) and 2021 (MiniRocket), whose biases come from the training data. Here they are relative to
each record's own spread instead, so that the features are a function of one record and of declared constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log2
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_shared.contracts.arrays import Signal
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.contracts.study import PretrainedTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from fedward_shared.models.backbones.backbone import Extract

__all__ = ["Rocket", "rocket"]

_SIGNAL_AXES = 2
_LENGTH = 9
_SMALL = 1e-6
_MOST_LEADS = 9
_SPREAD = 0.25
"""About the standard deviation, over records, of the share of time that a smooth signal spends above a threshold."""


@dataclass(frozen=True, slots=True)
class Rocket:
    """`kernels` convolutions of length 9 over signals of (time, leads), drawn from `seed`."""

    samples: int
    leads: int
    kernels: int
    seed: int

    @property
    def shape(self) -> tuple[int, ...]:
        """A share and an energy for each kernel, and the mean energy."""
        return (2 * self.kernels + 1,)

    @property
    def weighs(self) -> bool:
        """Its kernels follow from the seed."""
        return False

    def open(self, weights: Path | None, device: torch.device) -> Extract:
        """The transform on `device`."""
        del weights
        return _Kernels(self, device)


def rocket(terms: PretrainedTerms, contract: DataContract) -> Rocket:
    """`kernels` (1 to 10000), `seed`.

    Of each convolution's output: how much of the time it is above a threshold, which is a drawn multiple (-1 to 1) of
    its own standard deviation, less what a normal distribution gives, over 0.25; and the logarithm of its variance,
    less the mean over kernels, halved. The last feature is half that mean.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no signals of at least 9 samples.
    """
    fits = contract.form is None or isinstance(contract.form, Signal)
    if contract.kind is not DataKind.TENSOR or not fits or len(contract.input_shape) != _SIGNAL_AXES:
        raise UsageError('[model.backbone] name: "rocket" needs signals of shape (time, leads)')
    options = Options.of_backbone(terms, ("kernels", "seed"))
    samples, leads = contract.input_shape
    if samples < _LENGTH:
        raise UsageError(f'[model.backbone] name: "rocket" needs {_LENGTH} samples or more, not {samples}')
    kernels = options.whole("kernels", 500, least=1, most=10_000)
    return Rocket(samples, leads, kernels, options.whole("seed", 0, least=0, most=2**31 - 1))


class _Kernels:
    """The drawn kernels, those of one dilation together."""

    def __init__(self, terms: Rocket, device: torch.device) -> None:
        import torch

        generator = torch.Generator().manual_seed(terms.seed)
        count, leads = terms.kernels, terms.leads
        weights = torch.randn(count, leads, _LENGTH, generator=generator)
        weights -= weights.mean(dim=2, keepdim=True)
        most = log2(min(leads, _MOST_LEADS) + 1)
        together = torch.exp2(torch.rand(count, generator=generator) * most).long().clamp(max=leads)
        rank = torch.rand(count, leads, generator=generator).argsort(dim=1).argsort(dim=1)
        weights *= (rank < together[:, None])[:, :, None]
        weights /= weights.flatten(1).norm(dim=1)[:, None, None]
        widest = log2((terms.samples - 1) / (_LENGTH - 1)) if terms.samples > _LENGTH else 0.0
        dilations = torch.exp2((torch.rand(count, generator=generator) * widest).floor()).long()
        order = dilations.argsort(stable=True)
        sizes = torch.unique_consecutive(dilations[order], return_counts=True)
        self._dilations = sizes[0].tolist()
        self._weights = torch.split(weights[order].to(device), sizes[1].tolist())
        thresholds = torch.rand(count, generator=generator) * 2 - 1
        self._thresholds = thresholds.to(device)
        self._normal = torch.special.ndtr(-thresholds).to(device)

    def __call__(self, records: Tensor) -> Tensor:
        """(records, time, leads) -> (records, 2 · kernels + 1)."""
        import torch
        from torch.nn import functional

        signals = records.float().transpose(1, 2)
        shares, energies, start = [], [], 0
        with torch.no_grad():
            for dilation, weights in zip(self._dilations, self._weights, strict=True):
                thresholds = self._thresholds[start : start + len(weights)]
                start += len(weights)
                waves = functional.conv1d(signals, weights, padding=dilation * (_LENGTH // 2), dilation=dilation)
                variance = waves.var(dim=2, correction=0)
                above = waves > (variance.sqrt() * thresholds)[:, :, None]
                shares.append(above.float().mean(dim=2))
                energies.append((variance + _SMALL).log() / 2)
            energy = torch.cat(energies, dim=1)
            mean = energy.mean(dim=1, keepdim=True)
            return torch.cat([(torch.cat(shares, dim=1) - self._normal) / _SPREAD, energy - mean, mean], dim=1)
