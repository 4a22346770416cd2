"""The rule of `nn.Linear`."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["linear"]


def linear(layer: nn.Linear, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, ..., p) -> (records, ..., d)."""

    def forward(values: Tensor) -> Tensor:
        weight, bias = cast("nn.Parameter", layer.weight), cast("nn.Parameter | None", layer.bias)
        if not tape.trains(weight, bias):
            return functional.linear(values, weight, bias)
        output = functional.linear(values, weight.detach(), None if bias is None else bias.detach())
        return tape.watch(output, lambda gradients, kept: tape.outer(gradients, [(weight, kept)], [bias]), values)

    return forward
