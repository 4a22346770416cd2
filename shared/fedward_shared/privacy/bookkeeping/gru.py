"""One layer of `nn.GRU` in one direction. Its new gate n = tanh(x's part + r * h's part) has two gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedward_shared.privacy.bookkeeping.cell import Cell, sigmoid_slope, tanh_slope

__all__ = ["Gru"]


class Gru(torch.autograd.Function):
    """(rows, inputs), first states (records, states) -> the states of every row (rows, states), the last ones."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, hidden: Tensor, anchor: Tensor, cell: Cell) -> tuple[Tensor, Tensor]:
        """Keeps, of each row, what the gates saw and were, and h's part of n."""
        del anchor
        seen, timeline, width = cell.seen(values, hidden), cell.timeline, cell.states
        weights = cell.matrix()
        both, of_inputs, of_states = weights[: 2 * width], *_halves(cell, weights[2 * width :])
        gates = seen.new_empty(len(seen), 3 * width)
        output, recalled = (seen.new_empty(len(seen), width) for _ in range(2))
        torch.mm(seen[:, :-width], of_inputs.mul_(2).t(), out=gates[:, 2 * width :])
        one = seen.new_ones(width)
        minus, both, of_states = -one, both.t(), of_states.t()
        before = cell.before(seen)
        parts = (seen, seen[:, cell.inputs :], gates[:, : 2 * width], *gates.split(width, dim=1), recalled, output)
        steps = zip(
            *(timeline.split(each) for each in parts), before, [*before[1:], seen[:0, -width:]], strict=True
        )
        for x, from_one, open_, r, z, n, of_h, h, earlier, after in steps:
            torch.mm(x, both, out=open_).sigmoid_()
            torch.mm(from_one, of_states, out=of_h)
            n.addcmul_(r, of_h, value=2).sigmoid_()
            torch.lerp(minus, one, n, out=n)
            torch.lerp(n, earlier, z, out=h)
            after.copy_(h[: len(after)])
        ctx.cell, ctx.shape, ctx.kept = cell, values.shape, (seen, gates, recalled)
        return output, timeline.final(output)

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, output: Tensor, hidden: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        """Given the gradients of what `forward` gave."""
        cell: Cell = ctx.cell
        seen, gates, recalled = ctx.kept
        timeline, width = cell.timeline, cell.states
        r, z, n = gates.split(width, dim=1)
        # First what the gradient of h is multiplied by, for all rows at once: for x's part of the sums, and for h's.
        for_x, for_h = torch.empty_like(gates), torch.empty_like(gates)
        new = for_x[:, 2 * width :]
        tanh_slope(1 - z, n, grad_input=new)
        sigmoid_slope(recalled, r, grad_input=for_h[:, :width]).mul_(new)
        sigmoid_slope(seen[:, -width:] - n, z, grad_input=for_h[:, width : 2 * width])
        torch.mul(new, r, out=for_h[:, 2 * width :])
        hidden, weight = hidden.clone(), cell.weight_hh.detach()
        parts = (for_h, for_h.view(-1, 3, width), for_h[:, : 2 * width], for_x[:, : 2 * width], new, z, output)
        steps = zip(*(timeline.split(each) for each in parts), timeline.running(hidden), strict=True)
        for of_h, by_gate, open_, copy, of_n, keep, of_output, h in reversed(list(steps)):
            h.add_(of_output)
            by_gate.mul_(h[:, None])
            of_n.mul_(h)
            copy.copy_(open_)
            h.mul_(keep).addmm_(of_h, weight)
        cell.note_inputs(for_x, seen)
        cell.note_states(for_h, seen)
        inputs = (for_x @ cell.weight_ih.detach()).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return inputs, hidden, None, None


def _halves(cell: Cell, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of gate n, apart: x's (states, inputs + 1) and h's (states, 1 + states), each with its own bias."""
    of_inputs, of_states = weights[:, : -cell.states].clone(), weights[:, cell.inputs :].clone()
    if cell.bias_ih is not None and cell.bias_hh is not None:
        of_inputs[:, -1], of_states[:, 0] = (bias.detach()[-cell.states :] for bias in (cell.bias_ih, cell.bias_hh))
    return of_inputs, of_states
