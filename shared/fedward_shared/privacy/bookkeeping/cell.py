"""One layer of a recurrent network in one direction: its parameters as one matrix, and what is noted of them.

What every gate sees is x, a constant one for the biases, and h, the state before. Side by side, as (rows, inputs + 1 +
states), they take part in one matrix product a step on the way there, and in one a patient on the way back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.columns import Part, columns
from fedward_shared.privacy.bookkeeping.tape import Tape
from fedward_shared.privacy.bookkeeping.timeline import Timeline

__all__ = ["CACHED", "Cell", "sigmoid_slope", "take", "tanh_slope"]

CACHED = 2**17
"""How many numbers to go through at a time: those of half a megabyte stay near the processor."""


sigmoid_slope = torch.ops.aten.sigmoid_backward.grad_input
"""sigmoid_slope(g, y, grad_input=out): g y (1 - y) into `out`."""
tanh_slope = torch.ops.aten.tanh_backward.grad_input
"""tanh_slope(g, y, grad_input=out): g (1 - y^2) into `out`."""


@dataclass(frozen=True, slots=True)
class Cell:
    """The parameters of one layer and direction, as `nn.RNNBase` has them; the biases are both there or not."""

    weight_ih: nn.Parameter
    weight_hh: nn.Parameter
    bias_ih: nn.Parameter | None
    bias_hh: nn.Parameter | None
    timeline: Timeline
    tape: Tape
    whole: bool
    """None of them is frozen."""

    @property
    def inputs(self) -> int:
        """Width of x."""
        return self.weight_ih.shape[1]

    @property
    def states(self) -> int:
        """Width of h."""
        return self.weight_hh.shape[1]

    def seen(self, values: Tensor) -> Tensor:
        """What the gates see, but for h: `values` (rows, inputs), or (steps, records, inputs), and ones."""
        biased = self.bias_ih is not None
        seen = self.weight_ih.new_empty(self.timeline.rows, self.inputs + biased + self.states)
        seen[:, : self.inputs].view(values.shape).copy_(values)
        if biased:
            seen[:, self.inputs] = 1
        return seen

    def matrix(self) -> Tensor:
        """What turns that into the sums that go through the gates, (d, inputs + 1 + states), a copy."""
        parts = [self.weight_ih.detach(), self.weight_hh.detach()]
        if self.bias_ih is not None and self.bias_hh is not None:
            parts.insert(1, (self.bias_ih.detach() + self.bias_hh.detach())[:, None])
        return torch.cat(parts, dim=1)

    def version(self) -> int:
        """A number that rises when a parameter is changed in place."""
        parameters = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        return sum(each._version for each in parameters if each is not None)  # noqa: SLF001

    def note(self, gradients: Tensor, seen: Tensor) -> None:
        """Notes everything, by the gradients (rows, d) of those sums."""
        shared = [
            (bias, slice(self.inputs, self.inputs + 1)) for bias in (self.bias_ih, self.bias_hh) if bias is not None
        ]
        self._note(
            gradients,
            seen,
            [(self.weight_ih, slice(self.inputs)), *shared, (self.weight_hh, slice(-self.states, None))],
        )

    def note_inputs(self, gradients: Tensor, seen: Tensor) -> None:
        """Notes the parameters of x, by the gradients (rows, d) of their part of the sums."""
        parts: list[Part] = [(self.weight_ih, slice(self.inputs))]
        if self.bias_ih is not None:
            parts.append((self.bias_ih, slice(self.inputs, None)))
        self._note(gradients, seen[:, : -self.states], parts)

    def note_states(self, gradients: Tensor, seen: Tensor) -> None:
        """Notes the parameters of h, by the gradients (rows, d) of their part of the sums."""
        parts: list[Part] = [(self.weight_hh, slice(-self.states, None))]
        if self.bias_hh is not None:
            parts.append((self.bias_hh, slice(1)))
        self._note(gradients, seen[:, self.inputs :], parts)

    def _note(self, gradients: Tensor, seen: Tensor, parts: list[Part]) -> None:
        columns(self.tape, self.timeline.by_record(gradients), self.timeline.by_record(seen), parts, whole=self.whole)


def take(ctx: Any) -> tuple[Tensor, ...]:
    """What a forward pass left in `ctx.kept`, which lets go of it; `ctx` has the `cell` and its `version` then, too.

    Raises:
        TrainingError: it was taken before, or the parameters are not those of the forward pass.
    """
    kept: tuple[Tensor, ...] | None = ctx.kept
    ctx.kept = None
    if kept is None:
        raise TrainingError(
            "a backward pass went a second time through a layer that one forward pass used",
            hint="Call backward() once for each forward pass, on the sum of all losses.",
        )
    if ctx.cell.version() != ctx.version:
        raise TrainingError(
            "a recurrent layer's weights were changed between the forward and the backward pass",
            hint="Take the optimizer's step after the backward pass.",
        )
    return kept
