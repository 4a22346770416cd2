"""Parameters that a layer uses in disjoint parts, each with an input of its own: noted as one.

The norm of a patient's gradient of a matrix is not the sum of what its uses have, unless the uses are of disjoint
rows: then the gradient's rows are theirs, side by side, and squared norms add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.privacy.bookkeeping.tape import Sinks, Tape
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["Part", "projected"]


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of a matrix, and as many places of a bias: y = W[rows] x + b[places]."""

    weight: nn.Parameter
    rows: slice
    bias: nn.Parameter | None
    places: slice

    def applied(self, values: Tensor) -> Tensor:
        """(..., p) -> (..., rows), without a gradient for the parameters."""
        bias = None if self.bias is None else self.bias.detach()[self.places]
        return functional.linear(values, self.weight.detach()[self.rows], bias)


def projected(tape: Tape, parts: Sequence[Part], inputs: Sequence[Tensor], *, axis: int) -> list[Tensor]:
    """Each part of its input, noted; no two parts share a row or a place, and one by itself is a whole matrix.

    Inputs (records, positions, p) give (records, positions, rows); with `axis` 1, positions come first in both.
    """
    outputs = [_turned(part.applied(values), axis) for part, values in zip(parts, inputs, strict=True)]
    trained = frozenset(
        each for part in parts for each in (part.weight, part.bias) if each is not None and tape.trains(each)
    )
    if trained:
        outputs = _noted(tape, trained, parts, outputs, [_turned(values, axis) for values in inputs])
    return [_turned(output, axis) for output in outputs]


def _noted(
    tape: Tape,
    trained: frozenset[nn.Parameter],
    parts: Sequence[Part],
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
) -> list[Tensor]:
    """`outputs`, noted; all with the records first."""
    if len(parts) == 1:
        return [tape.watch(outputs[0], partial(_note_whole, tape, parts[0]), inputs[0])]
    heard: list[Tensor] = []

    def note(_: Tensor, *values: Tensor) -> None:
        gradients = [_wide(each) for each in heard]
        heard.clear()
        _note_parts(tape, trained, list(zip(parts, gradients, values, strict=True)))

    after = tape.watch(outputs[0].new_zeros(outputs[0].shape[0]), note, *inputs)
    together: tuple[Tensor, ...] = _Together.apply(after, heard, *outputs)  # type: ignore[no-untyped-call]
    return list(together)


class _Together(torch.autograd.Function):
    """The identity on several tensors, whose gradients are heard together, once in a backward pass.

    Hooks on each of them would not do: of two backward passes, one could leave a part for the other to find.
    """

    @staticmethod
    def forward(ctx: Any, after: Tensor, heard: list[Tensor], *outputs: Tensor) -> tuple[Tensor, ...]:
        """`outputs`; in the backward pass `after` comes next."""
        ctx.heard, ctx.after = heard, after.shape
        return outputs

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Leaves the gradients for `after`'s note."""
        ctx.heard[:] = gradients
        return gradients[0].new_zeros(ctx.after), None, *gradients


def _note_whole(tape: Tape, part: Part, gradients: Tensor, values: Tensor) -> None:
    tape.outer(gradients, [(part.weight, values)], [part.bias])


def _note_parts(tape: Tape, trained: frozenset[nn.Parameter], pairs: Sequence[tuple[Part, Tensor, Tensor]]) -> None:
    """Each part, with its gradients and values, is a matrix of its own on a tape of their own."""
    own_places: dict[nn.Parameter, tuple[nn.Parameter, slice]] = {}
    uses = []
    for part, gradients, values in pairs:
        matrix, bias = nn.Parameter(torch.empty(0)), nn.Parameter(torch.empty(0))
        for stand_in, whole, where in ((matrix, part.weight, part.rows), (bias, part.bias, part.places)):
            if whole is not None and whole in trained:
                own_places[stand_in] = (whole, where)
        uses.append((gradients, [(matrix, values)], [bias]))
    own = Tape(dict.fromkeys(own_places, "a part"))
    own.begin(tape.of_records(*(gradients for _, gradients, _ in pairs)))
    for use in uses:
        own.outer(*use)

    def add(weights: Weights, sinks: Sinks) -> None:
        places = {stand_in: sinks[whole][where] for stand_in, (whole, where) in own_places.items()}
        own.add_clipped(weights.patients[None], weights.lost, places)

    tape.note(tuple(trained), own.squares().sum(dim=0), add)


def _turned(values: Tensor, axis: int) -> Tensor:
    return values.transpose(0, axis) if axis else values


def _wide(values: Tensor) -> Tensor:
    return values.to(torch.promote_types(values.dtype, torch.float32))
