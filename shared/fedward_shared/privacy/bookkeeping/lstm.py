"""One layer of `nn.LSTM` in one direction.

tanh(x) is computed as 2 sigmoid(2x) - 1, which is right to 2u beside 1 and takes a fifth of the time; the doubling is
in the weights, where it is exact.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedward_shared.privacy.bookkeeping.cell import Cell, sigmoid_slope, tanh_slope

__all__ = ["Lstm"]


class Lstm(torch.autograd.Function):
    """(rows, inputs), first states h and c -> h of every row (rows, states), last h and last c (records, states)."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, hidden: Tensor, memory: Tensor, anchor: Tensor, cell: Cell
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Keeps, of each row, what the gates saw and were, c before, and tanh of c after."""
        del anchor
        seen, timeline, width = cell.seen(values, hidden), cell.timeline, cell.states
        weights = cell.matrix()
        weights[2 * width : 3 * width] *= 2
        weights = weights.t()
        gates = seen.new_empty(len(seen), 4 * width)
        output, earlier, bent = (seen.new_empty(len(seen), width) for _ in range(3))
        memory = memory.to(seen.dtype, copy=True)
        one, two = seen.new_ones(width), seen.new_full((), 2)
        minus = -one
        before = cell.before(seen)
        steps = zip(
            *(timeline.split(each) for each in (seen, gates, *gates.split(width, dim=1), earlier, bent, output)),
            timeline.running(memory),
            [*before[1:], seen[:0, -width:]],
            strict=True,
        )
        for x, sums, i, f, g, o, c_before, tanh_c, h, c, after in steps:
            torch.mm(x, weights, out=sums).sigmoid_()
            torch.lerp(minus, one, g, out=g)
            c_before.copy_(c)
            c.mul_(f).addcmul_(i, g)
            torch.mul(c, two, out=tanh_c).sigmoid_()
            torch.lerp(minus, one, tanh_c, out=tanh_c)
            torch.mul(o, tanh_c, out=h)
            after.copy_(h[: len(after)])
        ctx.cell, ctx.shape, ctx.kept = cell, values.shape, (seen, gates, earlier, bent)
        return output, timeline.final(output), memory

    @staticmethod
    @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
    def backward(
        ctx: Any, output: Tensor, hidden: Tensor, memory: Tensor
    ) -> tuple[Tensor | None, Tensor, Tensor, None, None]:
        """Given the gradients of what `forward` gave."""
        cell: Cell = ctx.cell
        seen, gates, earlier, bent = ctx.kept
        timeline, width = cell.timeline, cell.states
        i, f, g, o = gates.split(width, dim=1)
        # First what the gradients of c and h are multiplied by, for all rows at once.
        sums, slopes = torch.empty_like(gates), torch.empty_like(bent)
        of_i, of_f, of_g, of_o = sums.split(width, dim=1)
        sigmoid_slope(g, i, grad_input=of_i)
        sigmoid_slope(earlier, f, grad_input=of_f)
        tanh_slope(i, g, grad_input=of_g)
        sigmoid_slope(bent, o, grad_input=of_o)
        tanh_slope(o, bent, grad_input=slopes)
        by_gate = sums.view(-1, 4, width)
        hidden, memory = hidden.clone(), memory.clone()
        weight = cell.weight_hh.detach()
        steps = zip(
            *(timeline.split(each) for each in (sums, by_gate[:, :3], by_gate[:, 3], output, slopes, f)),
            timeline.running(hidden),
            timeline.running(memory),
            strict=True,
        )
        for of_sums, of_c, of_o, of_output, slope, forget, h, c in reversed(list(steps)):
            h.add_(of_output)
            c.addcmul_(h, slope)
            of_c.mul_(c[:, None])
            of_o.mul_(h)
            torch.mm(of_sums, weight, out=h)
            c.mul_(forget)
        cell.note(sums, seen)
        inputs = (sums @ cell.weight_ih.detach()).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return inputs, hidden, memory, None, None
