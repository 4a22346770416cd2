"""One layer of `nn.LSTM` in one direction.

tanh(x) is computed as 2 sigmoid(2x) - 1, which is right to 2u beside 1 and takes a fifth of the time; the doubling is
in the weights, where it is exact.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedward_shared.privacy.bookkeeping.cell import CACHED, Cell, sigmoid_slope, take, tanh_slope

__all__ = ["Lstm"]


class Lstm(torch.autograd.Function):
    """Series (rows, inputs) or (steps, records, inputs), first h and c -> h at every row, last h, last c."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, hidden: Tensor, memory: Tensor, cell: Cell) -> tuple[Tensor, Tensor, Tensor]:
        """Keeps, of each row, what the gates saw and were, c before, and tanh of c after."""
        seen, timeline, width = cell.seen(values), cell.timeline, cell.states
        weights = cell.matrix()
        weights[2 * width : 3 * width] *= 2
        weights = weights.t()
        gates = seen.new_empty(timeline.rows, 4 * width)
        earlier, bent = (seen.new_empty(timeline.rows, width) for _ in range(2))
        output = seen.new_empty(*values.shape[:-1], width)
        memory = memory.to(seen.dtype, copy=True)
        one, two = seen.new_ones(width), seen.new_full((), 2)
        minus, outputs = -one, timeline.steps(output)
        parts = (seen, seen[:, -width:], gates, *gates.chunk(4, dim=1), earlier, bent)
        steps = zip(
            *(timeline.split(each) for each in parts),
            [hidden, *timeline.carried(outputs)],
            outputs,
            timeline.running(memory),
            strict=True,
        )
        for x, place, sums, i, f, g, o, c_before, tanh_c, h_before, h, c in steps:
            place.copy_(h_before)
            torch.mm(x, weights, out=sums).sigmoid_()
            torch.lerp(minus, one, g, out=g)
            c_before.copy_(c)
            c.mul_(f).addcmul_(i, g)
            torch.mul(c, two, out=tanh_c).sigmoid_()
            torch.lerp(minus, one, tanh_c, out=tanh_c)
            torch.mul(o, tanh_c, out=h)
        ctx.cell, ctx.version, ctx.shape, ctx.kept = cell, cell.version(), values.shape, (seen, gates, earlier, bent)
        return output, timeline.final(output), memory

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(
        ctx: Any, output: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor, None]:
        """Given the gradients of what `forward` gave."""
        cell: Cell = ctx.cell
        hidden, memory = hidden.clone(), memory.clone()
        sums, seen = _walk_back(ctx, output, hidden, memory)
        cell.note(sums, seen)
        inputs = (sums @ cell.weight_ih.detach()).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return inputs, hidden, memory, None


def _walk_back(ctx: Any, output: Tensor, hidden: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of the sums that went through the gates, (rows, 4 * states), and what the gates saw.

    `hidden` and `memory`, the gradients of the last states, become those of the first. What else the forward pass kept
    is gone afterwards, before each patient's own gradient takes its place.
    """
    cell: Cell = ctx.cell
    seen, gates, earlier, bent = take(ctx)
    timeline, width = cell.timeline, cell.states
    sums, slopes = torch.empty_like(gates), torch.empty_like(bent)
    by_gate, weight = sums.view(-1, 4, width), cell.weight_hh.detach()
    parts = (sums, by_gate[:, :3], by_gate[:, 3], slopes, gates[:, width : 2 * width])
    steps = list(
        zip(
            *(timeline.split(each) for each in parts),
            timeline.steps(output),
            timeline.running(hidden),
            timeline.running(memory),
            strict=True,
        )
    )
    for rows, run in reversed(timeline.runs(CACHED // (4 * width))):
        _factors(gates[rows], earlier[rows], bent[rows], sums[rows], slopes[rows])
        for of_sums, of_c, of_o, slope, forget, of_output, h, c in reversed(steps[run]):
            h.add_(of_output)
            c.addcmul_(h, slope)
            of_c.mul_(c[:, None])
            of_o.mul_(h)
            torch.mm(of_sums, weight, out=h)
            c.mul_(forget)
    return sums, seen


def _factors(gates: Tensor, earlier: Tensor, bent: Tensor, sums: Tensor, slopes: Tensor) -> None:
    """What the gradients of c (for i, f, g) and of h (for o) are multiplied by, and, into `slopes`, h's for c."""
    i, f, g, o = gates.chunk(4, dim=1)
    of_i, of_f, of_g, of_o = sums.chunk(4, dim=1)
    sigmoid_slope(g, i, grad_input=of_i)
    sigmoid_slope(earlier, f, grad_input=of_f)
    tanh_slope(i, g, grad_input=of_g)
    sigmoid_slope(bent, o, grad_input=of_o)
    tanh_slope(o, bent, grad_input=slopes)
