"""The sum of clipped gradients over patients: what noise is added to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.verify import refuse_changing_buffers, verify
from fedward_shared.privacy.bookkeeping.weights import left_out
from fedward_shared.privacy.clipping import Clip
from fedward_shared.privacy.flat import FlatModel

__all__ = ["BookKept", "ClippedSums", "Loss", "Objective", "Way", "clipped_sums"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""(model's output, labels) -> (records,): each record's loss, a function of that record alone."""

Way = Literal["fast", "opacus", "each"]
"""How gradients are bounded: book-keeping; Opacus' hooks; or one backward pass for each patient."""

_PORTION_VALUES = 1 << 20
_LARGEST_PORTION = 1024
"""More would be added up in float32 within one product (see `clipping.slack`)."""


@dataclass(frozen=True, slots=True)
class Objective:
    """What is minimised: `loss`, with the model under bfloat16 where `autocast` says so."""

    loss: Loss
    autocast: bool = False

    def losses(self, model: nn.Module, records: Tensor, labels: Tensor) -> Tensor:
        """Each record's loss (records,). Norms, sums and the backward pass stay outside of autocast."""
        if not self.autocast:
            return self.loss(model(records), labels)
        with torch.autocast(records.device.type, dtype=torch.bfloat16):
            return self.loss(model(records), labels)


class ClippedSums(Protocol):
    """A way to sum. `most_records` is how many records one call should be given at most."""

    most_records: int

    def add(self, records: Tensor, labels: Tensor, shares: Tensor | None, grouping: Grouping) -> None:
        """Adds Σ over patients of clip(Σ over the patient's records of share x gradient of the loss) to the gradient.

        `shares` (records,) weighs records; None where all are 1. A patient with a loss or gradient that is not finite
        adds exactly nothing.
        """
        ...

    def close(self) -> None:
        """Leaves the model as it was found."""
        ...


def clipped_sums(
    model: nn.Module, flat: FlatModel, clip: Clip, objective: Objective, example: Tensor, *, way: Way = "fast"
) -> ClippedSums:
    """The way that is asked for. `example` (records, *shape) shows what records look like; its values are not used.

    Raises:
        UsageError: the model cannot be trained that way: what stands against it, and what to do.
    """
    if way == "fast":
        verify(model, example)
        return BookKept(model, flat, clip, objective, _portion(example))
    refuse_changing_buffers(model, example)
    from fedward_shared.privacy.reference import EachPatient, OpacusHooks

    return (OpacusHooks if way == "opacus" else EachPatient)(model, flat, clip, objective)


class BookKept:
    """One backward pass for all patients."""

    def __init__(self, model: nn.Module, flat: FlatModel, clip: Clip, objective: Objective, most_records: int) -> None:
        self.most_records = most_records
        self._model = model
        self._flat = flat
        self._clip = clip
        self._objective = objective
        self._books = BookKeeping(model)

    def add(self, records: Tensor, labels: Tensor, shares: Tensor | None, grouping: Grouping) -> None:
        """As `ClippedSums.add`."""
        tape = self._books.tape
        tape.begin(grouping)
        losses = self._objective.losses(self._model, records, labels)
        total = (losses if shares is None else losses * shares).sum()
        torch.autograd.backward(total)
        with torch.no_grad():
            squares = tape.squares()
            if not isfinite(float(total)):
                # Zero where a patient's losses are finite, else NaN, which takes the patient out.
                squares[0] += grouping.sums(losses.detach().double() * 0)
            factors = self._clip.factors(squares)
            tape.add_clipped(factors, left_out(factors), self._flat.sinks)

    def close(self) -> None:
        """Takes the rules off the model."""
        self._books.close()


def _portion(example: Tensor) -> int:
    """How many records are taken at once: a function of their shape alone."""
    values = max(1, example[:1].numel() if len(example) else 1)
    return max(16, min(_LARGEST_PORTION, _PORTION_VALUES // values))
