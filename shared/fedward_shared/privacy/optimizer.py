"""Private training in a loop of one's own, with Opacus' optimizer interface and the fast step inside.

::

    optimizer = PrivateOptimizer(torch.optim.AdamW(model.parameters()), model, records[:1],
                                 noise_multiplier=1.1, max_grad_norm=1.0, expected_batch_size=64)
    for batch, labels in loader:            # Poisson-sampled: see `sampling.poisson`, or Opacus' DPDataLoader
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(batch), labels).backward()
        optimizer.step()

Guarantee: as `step`, for what this class does: clip, sum, noise. Sampling at the rate that is accounted, and a loss
that is a mean (or sum) of the records' own losses, are the caller's. A record whose gradient is not finite adds
nothing; losses are not seen here. The unit is the record, or with `unit="patient"` the patient: `patients` then says
before each forward pass whose the records are.
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
from fedward_shared.privacy.bookkeeping.weights import left_out
from fedward_shared.privacy.clipping import FlatClip
from fedward_shared.privacy.mechanism import GaussianMechanism, grid
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource
from fedward_shared.privacy.rounding import slack

__all__ = ["PrivateOptimizer"]

_LARGE_BATCH = 4096
"""The patients in a step that noise is widened for where none are declared."""


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
        unit: whose gradient is clipped as one. With "patient" the loss must be a "sum", each batch must be announced by
            `patients`, and no batch can be cut (a patient's records would be clipped apart).
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
        unit: Literal["record", "patient"] = "record",
        source: RandomSource | None = None,
    ) -> None:
        super().__init__(
            optimizer,
            noise_multiplier=noise_multiplier,
            max_grad_norm=max_grad_norm,
            expected_batch_size=expected_batch_size,
            loss_reduction=loss_reduction,
        )
        if unit == "patient" and loss_reduction != "sum":
            raise UsageError(
                "with patients as the unit, the loss must be a sum: a mean over records says nothing about a patient",
                hint="Give loss_reduction=\"sum\", and divide each record's loss by its patient's number of records.",
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
        self._model = model
        self._by_patient = unit == "patient"
        self._announced: Grouping | None = None
        self._norm: float | None = None
        self._scratch = {parameter: torch.zeros_like(parameter) for parameter in self.params}
        self._books.tape.announced_only = self._by_patient

    def patients(self, owner: Tensor, patients: int) -> None:
        """Whose the records of the next batch are: (records,) int64, ascending from 0 to `patients` - 1.

        Call it before the forward pass; weigh the loss within a patient as you like.

        Raises:
            UsageError: the unit is the record, or `owner` is not as it must be.
        """
        if not self._by_patient:
            raise UsageError("the unit is the record", hint='Give unit="patient" where the optimizer is made.')
        steps = torch.diff(owner) if owner.dim() == 1 else owner
        right = owner.dim() == 1 and owner.dtype == torch.int64 and (patients > 0) == (len(owner) > 0)
        if right and patients:
            right = int(owner[0]) == 0 and int(owner[-1]) == patients - 1 and bool(((steps == 0) | (steps == 1)).all())
        if not right:
            raise UsageError(
                "owners must be ascending whole numbers (int64), from 0 to patients - 1, each with a record",
                hint="Sort the batch by patient, then torch.unique_consecutive(ids, return_inverse=True)[1].",
            )
        self._announced = Grouping.of(owner, patients) if patients else Grouping.one_each(0)
        self._books.tape.begin(self._announced)

    def close(self) -> None:
        """Takes the rules off the model, and what was summed off its parameters."""
        self._books.close()
        for parameter in self.params:
            vars(parameter).pop("summed_grad", None)

    def zero_grad(self, set_to_none: bool = False) -> None:
        """Opacus' own; what a backward pass left that no step used is forgotten, too. Announced patients stay."""
        super().zero_grad(set_to_none)
        if not self._is_last_step_skipped:
            self._norm = None
        self._books.tape.begin(self._announced)

    @torch.no_grad()
    def accumulate(self) -> None:
        """Adds the clipped sum of the last backward pass to `p.summed_grad` (float64); of an empty batch, nothing.

        Raises:
            UsageError: a part of a batch was given where it must be whole, or something was changed that must stay.
        """
        tape = self._books.tape
        records = tape.grouping.records
        self._check_unchanged()
        for parameter in self.params:
            if parameter.summed_grad is None:
                parameter.summed_grad = torch.zeros_like(parameter, dtype=torch.float64)
            _check_processed_flag(parameter.summed_grad)
        self._announced, self._norm = None, self.max_grad_norm
        if not records:
            tape.begin()
            return
        scale = records if self.loss_reduction == "mean" else 1
        factors = FlatClip(self._norm).factors(tape.squares() * float(scale) ** 2)
        for total in self._scratch.values():
            total.zero_()
        tape.add_clipped(factors * scale, left_out(factors), self._scratch)
        for parameter, total in self._scratch.items():
            parameter.summed_grad.add_(total)

    def _check_unchanged(self) -> None:
        """What must not change between the parts of a batch, or since the optimizer was made."""
        cut = self._is_last_step_skipped or (self._step_skip_queue and self._step_skip_queue[0])
        if self._by_patient and cut:
            raise UsageError(
                "a batch was cut, and the parts of a patient's gradient would be clipped apart",
                hint="With patients as the unit take whole batches; PrivateStepper cuts them between patients.",
            )
        if self._norm is not None and self._norm != self.max_grad_norm:
            raise UsageError(
                "the clip norm changed within a batch",
                hint="Step its scheduler once for each whole batch, after the last of its parts.",
            )
        trained = {parameter for parameter in self._model.parameters() if parameter.requires_grad}
        if trained != set(self._scratch):
            raise UsageError(
                "layers were frozen or unfrozen since the optimizer was made",
                hint="close() it and make another, so that every trained parameter is clipped and noised.",
            )

    @torch.no_grad()
    def add_noise(self) -> None:
        """Writes the noised sum into `p.grad`: cryptographic noise, wider by the slack, on one declared grid."""
        for parameter in self.params:
            _check_processed_flag(parameter.summed_grad)
        norm = self.max_grad_norm if self._norm is None else self._norm
        deviation = self.noise_multiplier * norm * slack(self.expected_batch_size or _LARGE_BATCH)
        flat = torch.cat([parameter.summed_grad.flatten() for parameter in self.params])
        mechanism = GaussianMechanism(deviation, grid(norm, flat.numel(), deviation))
        mechanism.release(flat, 1.0, self._source, flat)
        start = 0
        for parameter in self.params:
            parameter.grad = flat[start : start + parameter.numel()].view_as(parameter).to(parameter.dtype)
            # The sum itself is nobody's to see, nor to save with the model.
            parameter.summed_grad = flat.new_empty(0)
            _mark_as_processed(parameter.summed_grad)
            start += parameter.numel()
        self._norm = None
