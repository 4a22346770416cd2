"""Private training in a loop of one's own, with Opacus' optimizer interface and the fast step inside.

::

    optimizer = PrivateOptimizer(torch.optim.AdamW(model.parameters()), model, records[:1],
                                 noise_multiplier=1.1, max_grad_norm=1.0, expected_batch_size=64)
    for batch, labels in loader:            # Poisson-sampled: see `sampling.poisson`, or Opacus' DPDataLoader
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), labels).backward()
        optimizer.step()

Guarantee: as `step`, for what this class does: clip, sum, noise. Sampling at the rate that is accounted, and a loss
that is a mean (or sum) of the records' own losses, are the caller's. The unit is the record, or the patient where
`patients` says before each forward pass whose the records are.
"""

from __future__ import annotations

from typing import Literal

import torch
from opacus.optimizers import DPOptimizerFastGradientClipping
from opacus.optimizers.optimizer import _check_processed_flag, _mark_as_processed
from torch import Tensor, nn

from fedward_shared.errors import UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.verify import verify
from fedward_shared.privacy.clipping import SLACK, FlatClip
from fedward_shared.privacy.mechanism import GaussianMechanism, grid
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource

__all__ = ["PrivateOptimizer"]


class PrivateOptimizer(DPOptimizerFastGradientClipping):  # type: ignore[misc]  # Opacus has no types
    """Opacus' fast-gradient-clipping optimizer, whose clipped sums come from one backward pass.

    Accountants (`attach_step_hook`), `BatchMemoryManager`, and schedulers of learning rate, noise and clip norm work
    as they do there. `model` stays as it is, with its own layers and state_dict keys.

    Args:
        optimizer: any PyTorch optimizer over the trainable parameters of `model`.
        model: its layers are noted from now until `close`.
        example: records like those of training, (records, *shape); only their kind and shape are used.
        noise_multiplier: σ.
        max_grad_norm: C.
        expected_batch_size: what a mean loss' gradient is divided by: a public constant, never the batch's own size.
        loss_reduction: whether the loss is the "mean" or the "sum" over the records of a batch.
        source: randomness of the noise; by default a fresh one.

    Raises:
        UsageError: the model cannot be trained the fast way, or parameters differ from the optimizer's.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        model: nn.Module,
        example: Tensor,
        *,
        noise_multiplier: float,
        max_grad_norm: float,
        expected_batch_size: int | None,
        loss_reduction: Literal["mean", "sum"] = "mean",
        source: RandomSource | None = None,
    ) -> None:
        super().__init__(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            expected_batch_size=expected_batch_size,
            loss_reduction=loss_reduction,
        )
        trained = {parameter for parameter in model.parameters() if parameter.requires_grad}
        if trained != set(self.params):
            raise UsageError(
                "the optimizer's parameters are not the trainable ones of the model",
                hint="Every trainable parameter needs noise: give the optimizer all of model.parameters(), or freeze "
                "the others with requires_grad_(False).",
            )
        verify(model, example)
        self._source = source if source is not None else KeystreamSource.fresh(b"optimizer")
        self._books = BookKeeping(model)
        self._flat = torch.zeros(
            sum(parameter.numel() for parameter in self.params),
            dtype=self.params[0].dtype,
            device=self.params[0].device,
        )

    def patients(self, owner: Tensor, patients: int) -> None:
        """Whose the records of the next batch are: (records,) int64, ascending from 0 to `patients` - 1.

        Call it before the forward pass; weigh the loss within a patient as you like. `loss_reduction` must be "sum".

        Raises:
            UsageError: the loss is a mean over records, which says nothing about a patient.
        """
        if self.loss_reduction != "sum":
            raise UsageError(
                "with patients as the unit, the loss must be a sum",
                hint="Give loss_reduction=\"sum\", and divide each record's loss by its patient's number of records.",
            )
        self._books.tape.begin(Grouping.of(owner, patients))

    def close(self) -> None:
        """Takes the rules off the model."""
        self._books.close()

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Opacus' own; what a backward pass left that no step used is forgotten, too."""
        super().zero_grad(set_to_none)
        self._books.tape.begin()

    @torch.no_grad()
    def accumulate(self) -> None:
        """Adds the clipped sum of the last backward pass to `p.summed_grad`; of an empty batch, nothing."""
        tape = self._books.tape
        sinks = {parameter: self._sum_of(parameter) for parameter in self.params}
        if not tape.grouping.records:
            tape.begin()
            return
        scale = tape.grouping.records if self.loss_reduction == "mean" else 1
        squares = tape.squares() * float(scale) ** 2
        factors = FlatClip(self.max_grad_norm).factors(squares)
        lost = None if bool(factors.all()) else (factors == 0).any(dim=0)
        tape.add_clipped(factors * scale, lost, sinks)

    @torch.no_grad()
    def add_noise(self) -> None:
        """Writes the noised sum into `p.grad`: cryptographic noise, wider by the slack, on one declared grid."""
        for parameter in self.params:
            _check_processed_flag(parameter.summed_grad)
        deviation = self.noise_multiplier * self.max_grad_norm * SLACK
        torch.cat([parameter.summed_grad.flatten() for parameter in self.params], out=self._flat)
        mechanism = GaussianMechanism(deviation, grid(self.max_grad_norm, self._flat.numel(), deviation))
        mechanism.release(self._flat, 1.0, self._source, self._flat)
        start = 0
        for parameter in self.params:
            own = self._flat[start : start + parameter.numel()]
            parameter.grad = own.view_as(parameter).clone()
            _mark_as_processed(parameter.summed_grad)
            start += parameter.numel()

    @staticmethod
    def _sum_of(parameter: nn.Parameter) -> Tensor:
        if parameter.summed_grad is None:  # type: ignore[attr-defined]  # Opacus' own attribute
            parameter.summed_grad = torch.zeros_like(parameter)  # type: ignore[attr-defined]
        total: Tensor = parameter.summed_grad  # type: ignore[attr-defined]
        return total
