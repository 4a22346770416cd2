"""The training steps that ours is compared with. Each does the same work: one clipped and noised step of SGD.

plain         the ordinary step, on the stock model: no privacy
opacus_hooks  Opacus' GradSampleModule and DPOptimizer (per-sample gradients by hooks)
opacus_ghost  Opacus' fast gradient clipping (norms by ghost products or hooks, then a second backward)
vmap          torch.func: vmap over grad, on the stock model where vmap has rules for its layers
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.dp_models import Case, opacus_model, stock_model

__all__ = ["PEERS", "Peer", "Settings"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What every arm's step is made with. A step's sum is divided by `normaliser`."""

    normaliser: float
    clip_norm: float = 1.0
    noise_multiplier: float = 1.0
    learning_rate: float = 0.01
    momentum: float = 0.9
    device: str = "cpu"


class Peer(Protocol):
    """A way to take steps on batches that the caller brings."""

    model: nn.Module

    def take(self, records: Tensor, labels: Tensor, *, last: bool = True) -> None:
        """One portion of a batch; after the `last` one the weights change."""
        ...


class Plain:
    """The step without privacy."""

    def __init__(self, case: Case, settings: Settings) -> None:
        self.model = stock_model(case, settings.device)
        self._optimizer = _sgd(self.model, settings)
        self._normaliser = settings.normaliser

    def take(self, records: Tensor, labels: Tensor, *, last: bool = True) -> None:
        """One portion of a batch."""
        loss = functional.cross_entropy(self.model(records), labels, reduction="sum")
        torch.autograd.backward(loss / self._normaliser)
        if last:
            self._optimizer.step()
            self._optimizer.zero_grad()


class Hooks:
    """Opacus as its engine sets it up by default."""

    def __init__(self, case: Case, settings: Settings) -> None:
        from opacus.grad_sample import GradSampleModule
        from opacus.optimizers import DPOptimizer

        _quiet()
        self.model = opacus_model(case, settings.device)
        self._wrapped = GradSampleModule(self.model, batch_first=True, loss_reduction="mean")
        self._optimizer = DPOptimizer(
            _sgd(self.model, settings),
            noise_multiplier=settings.noise_multiplier,
            max_grad_norm=settings.clip_norm,
            expected_batch_size=settings.normaliser,
        )

    def take(self, records: Tensor, labels: Tensor, *, last: bool = True) -> None:
        """One portion of a batch."""
        self._optimizer.signal_skip_step(do_skip=not last)
        torch.autograd.backward(functional.cross_entropy(self._wrapped(records), labels))
        self._optimizer.step()
        self._optimizer.zero_grad()


class Ghost:
    """Opacus' fast gradient clipping."""

    def __init__(self, case: Case, settings: Settings) -> None:
        from opacus.grad_sample import GradSampleModuleFastGradientClipping
        from opacus.optimizers import DPOptimizerFastGradientClipping
        from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

        _quiet()
        self.model = opacus_model(case, settings.device)
        self._wrapped = GradSampleModuleFastGradientClipping(
            self.model, batch_first=True, loss_reduction="mean", max_grad_norm=settings.clip_norm
        )
        self._optimizer = DPOptimizerFastGradientClipping(
            _sgd(self.model, settings),
            noise_multiplier=settings.noise_multiplier,
            max_grad_norm=settings.clip_norm,
            expected_batch_size=settings.normaliser,
        )
        self._loss = DPLossFastGradientClipping(self._wrapped, self._optimizer, nn.CrossEntropyLoss(), "mean")

    def take(self, records: Tensor, labels: Tensor, *, last: bool = True) -> None:
        """One portion of a batch."""
        self._optimizer.signal_skip_step(do_skip=not last)
        self._loss(self._wrapped(records), labels).backward()
        self._optimizer.step()
        self._optimizer.zero_grad()


class Vmap:
    """Per-sample gradients by torch.func, clipped and summed by hand."""

    def __init__(self, case: Case, settings: Settings) -> None:
        self._settings = settings
        self.model = self._workable(case)
        self._optimizer = _sgd(self.model, settings)
        self._parameters = dict(self.model.named_parameters())
        self._held: dict[str, Tensor] = {}

    def _workable(self, case: Case) -> nn.Module:
        records = torch.zeros((2, *case.shape), dtype=torch.int64 if case.tokens else torch.float32)
        labels = torch.zeros(2, dtype=torch.int64)
        device = self._settings.device
        self.model = stock_model(case, device)
        try:
            self._clipped(records.to(device), labels.to(device))
        except RuntimeError:
            return opacus_model(case, device)
        return self.model

    def _clipped(self, records: Tensor, labels: Tensor) -> dict[str, Tensor]:
        from torch.func import functional_call, grad, vmap

        def loss(weights: dict[str, Tensor], record: Tensor, label: Tensor) -> Tensor:
            logits = functional_call(self.model, weights, (record[None],))
            return functional.cross_entropy(logits, label[None])

        weights = {name: value.detach() for name, value in self.model.named_parameters()}
        each = vmap(grad(loss), in_dims=(None, 0, 0), randomness="different")(weights, records, labels)
        squares = [gradient.flatten(1).square().sum(dim=1) for gradient in each.values()]
        norms = torch.stack(squares).sum(dim=0).sqrt()
        factors = (self._settings.clip_norm / (norms + 1e-6)).clamp(max=1)
        return {name: torch.einsum("b,b...->...", factors, gradient) for name, gradient in each.items()}

    def take(self, records: Tensor, labels: Tensor, *, last: bool = True) -> None:
        """One portion of a batch."""
        sums = self._clipped(records, labels)
        held = {name: value + self._held[name] if self._held else value for name, value in sums.items()}
        self._held = {} if last else held
        if not last:
            return
        deviation = self._settings.noise_multiplier * self._settings.clip_norm
        for name, value in held.items():
            noise = torch.randn_like(value).mul_(deviation)
            self._parameters[name].grad = value.add_(noise).div_(self._settings.normaliser)
        self._optimizer.step()


def _sgd(model: nn.Module, settings: Settings) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=settings.learning_rate, momentum=settings.momentum)


def _quiet() -> None:
    """Opacus' and PyTorch's advice about hooks and about randomness, which changes no figure."""
    warnings.filterwarnings("ignore", message="Full backward hook is firing")
    warnings.filterwarnings("ignore", module="opacus")


PEERS: dict[str, Callable[[Case, Settings], Peer]] = {
    "plain": Plain,
    "opacus_hooks": Hooks,
    "opacus_ghost": Ghost,
    "vmap": Vmap,
}
