"""Every arm as a step without arguments on one fixed batch, and whether that step is the right one.

fedward           the product's own step as a vault takes it: sampling (everybody), indexing, forward, backward,
                  clipping, noise from a fresh AES keystream, and the optimizer
fedward_no_noise  the same with normal numbers that cost nothing: what the noise costs is the difference
others            see `dp_peers`
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.dp_models import Case, draw, opacus_model, stock_model, stock_values
from benchmarks.dp_peers import PEERS, Settings
from fedward_shared.contracts.study import SiteTerms, TrainingTerms
from fedward_shared.errors import FedwardError
from fedward_shared.models.heads.classes import losses
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper

__all__ = ["ARMS", "Arm", "Truth", "WrongStepError", "brute_force", "check", "fixed_batch", "product_stepper"]

ARMS = ("plain", "fedward", "fedward_no_noise", "opacus_hooks", "opacus_ghost", "vmap")

_TOLERANCE = 1e-3
_NOISE_TOLERANCE = 0.15


class WrongStepError(FedwardError):
    """An arm's step is not the clipped sum, or its noise is not the declared one."""


class _SilentSource(KeystreamSource):
    """A keystream whose normal numbers are zeros."""

    def gaussian(self, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """`count` zeros."""
        return np.zeros(count)


@dataclass(frozen=True, slots=True)
class Arm:
    """A model and a step on it."""

    model: nn.Module
    step: Callable[[], None]


def product_stepper(
    model: nn.Module, records: Tensor, labels: Tensor, settings: Settings, rate: float, *, silent: bool = False
) -> PrivateStepper:
    """The product's step, every record a patient of its own."""
    count = len(labels)
    return PrivateStepper(
        model,
        TrainingSet.of(records, labels, np.arange(count), count),
        training=TrainingTerms(local_steps=1, learning_rate=settings.learning_rate, momentum=settings.momentum),
        site=SiteTerms("benchmark", size=count, sampling_rate=rate, normaliser=settings.normaliser),
        clip_norm=settings.clip_norm,
        noise_multiplier=settings.noise_multiplier,
        records_per_patient=1,
        source=(_SilentSource if silent else KeystreamSource).fresh(b"benchmark"),
    )


def fixed_batch(name: str, case: Case, settings: Settings) -> Arm:
    """The arm of this name, whose step takes the whole of the case's batch."""
    records, labels = draw(case, case.batch, settings.device)
    if name.startswith("fedward"):
        model = stock_model(case, settings.device)
        silent = name == "fedward_no_noise"
        return Arm(model, product_stepper(model, records, labels, settings, 1.0, silent=silent).step)
    peer = PEERS[name](case, settings)
    portions = list(zip(*(torch.split(part, case.portion or case.batch) for part in (records, labels)), strict=True))

    def step() -> None:
        for index, (some, theirs) in enumerate(portions, 1):
            peer.take(some, theirs, last=index == len(portions))

    return Arm(peer.model, step)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a step without noise must change, by one backward pass for each record.

    `clip_norm` is the median of the records' gradient norms: half of them are clipped. `change` (parameters,) float64
    is -Σ clip(g) / normaliser, what SGD's first step at a learning rate of 1 adds to the weights.
    """

    clip_norm: float
    change: Tensor


def brute_force(case: Case, settings: Settings, *, opacus: bool = False) -> Truth:
    """The truth about the case's batch, on the stock model or on the one with Opacus' layers.

    The two agree but for attention: Opacus 1.6's DPMultiheadAttention with `batch_first` interleaves heads and time
    where nn.MultiheadAttention does not (its pull request 825). It is as much work, so it is timed, and held to its
    own truth.
    """
    model = (opacus_model if opacus else stock_model)(case, settings.device)
    stock = stock_model(case, settings.device)
    records, labels = draw(case, case.batch, settings.device)

    def gradient(row: int) -> Tensor:
        model.zero_grad()
        torch.autograd.backward(losses(model(records[row : row + 1]), labels[row : row + 1]).sum())
        return torch.cat([part.flatten().double() for part in stock_values(model, stock, gradients=True)])

    norms = torch.stack([gradient(row).norm() for row in range(case.batch)])
    clip_norm = norms.median()
    total = torch.zeros_like(gradient(0))
    for row in range(case.batch):
        total += gradient(row) * (clip_norm / norms[row]).clamp(max=1)
    return Truth(float(clip_norm), -total / settings.normaliser)


def check(name: str, case: Case, settings: Settings, truth: Truth) -> None:
    """Takes one step without noise and one with, and compares both with the truth.

    Raises:
        WrongStepError: the arm does something else than it is timed for.
    """
    settings = replace(settings, clip_norm=truth.clip_norm, learning_rate=1.0)
    off = _change(name, case, replace(settings, noise_multiplier=0.0)) - truth.change
    wrong = float(off.norm() / truth.change.norm())
    if not wrong <= _TOLERANCE:
        raise WrongStepError(f"the step differs from the clipped sum by {wrong:.1e} of its norm")
    if name == "fedward_no_noise":
        return
    noise = _change(name, case, replace(settings, noise_multiplier=1.0)) - truth.change
    ratio = float(noise.square().mean().sqrt()) * settings.normaliser / truth.clip_norm
    if not abs(ratio - 1) <= _NOISE_TOLERANCE:
        raise WrongStepError(f"the noise is {ratio:.2f} of what was declared")


def _change(name: str, case: Case, settings: Settings) -> Tensor:
    stock = stock_model(case, settings.device)
    arm = fixed_batch(name, case, settings)
    arm.step()
    pairs = zip(stock_values(arm.model, stock), stock.parameters(), strict=True)
    return torch.cat([(after.double() - before.detach().double()).flatten() for after, before in pairs])
