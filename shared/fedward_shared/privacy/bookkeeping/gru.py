"""One layer of `nn.GRU` in one direction. Its new gate n = tanh(x's part + r * h's part) has two gradients."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedward_shared.privacy.bookkeeping.cell import CACHED, Cell, sigmoid_slope, take, tanh_slope

__all__ = ["Gru"]


class Gru(torch.autograd.Function):
    """(rows, inputs), first states (records, states) -> the states of every row (rows, states), the last ones."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, hidden: Tensor, cell: Cell) -> tuple[Tensor, Tensor]:
        """Keeps, of each row, what the gates saw and were, and h's part of n."""
        seen, timeline, width = cell.seen(values), cell.timeline, cell.states
        weights = cell.matrix()
        both, of_inputs, of_states = weights[: 2 * width], *_halves(cell, weights[2 * width :])
        gates = seen.new_empty(timeline.rows, 3 * width)
        recalled = seen.new_empty(timeline.rows, width)
        output = seen.new_empty(*values.shape[:-1], width)
        torch.mm(seen[:, :-width], of_inputs.mul_(2).t(), out=gates[:, 2 * width :])
        one, outputs = seen.new_ones(width), timeline.steps(output)
        minus, both, of_states = -one, both.t(), of_states.t()
        parts = (
            seen,
            seen[:, cell.inputs :],
            seen[:, -width:],
            gates[:, : 2 * width],
            *gates.chunk(3, dim=1),
            recalled,
        )
        steps = zip(
            *(timeline.split(each) for each in parts), [hidden, *timeline.carried(outputs)], outputs, strict=True
        )
        for x, from_one, place, open_, r, z, n, of_h, h_before, h in steps:
            place.copy_(h_before)
            torch.mm(x, both, out=open_).sigmoid_()
            torch.mm(from_one, of_states, out=of_h)
            n.addcmul_(r, of_h, value=2).sigmoid_()
            torch.lerp(minus, one, n, out=n)
            torch.lerp(n, place, z, out=h)
        ctx.cell, ctx.version, ctx.shape, ctx.kept = cell, cell.version(), values.shape, (seen, gates, recalled)
        return output, timeline.final(output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output: Tensor, hidden: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """Given the gradients of what `forward` gave."""
        cell: Cell = ctx.cell
        hidden = hidden.clone()
        for_x, for_h, seen = _walk_back(ctx, output, hidden)
        cell.note_inputs(for_x, seen)
        inputs = (for_x @ cell.weight_ih.detach()).view(ctx.shape) if ctx.needs_input_grad[0] else None
        del for_x
        cell.note_states(for_h, seen)
        return inputs, hidden, None


def _walk_back(ctx: Any, output: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of x's and of h's part of the sums, (rows, 3 * states) each, and what the gates saw.

    `hidden`, the gradient of the last state, becomes that of the first. What else the forward pass kept is gone
    afterwards, before each patient's own gradient takes its place.
    """
    cell: Cell = ctx.cell
    seen, gates, recalled = take(ctx)
    timeline, width = cell.timeline, cell.states
    for_x, for_h, weight = torch.empty_like(gates), torch.empty_like(gates), cell.weight_hh.detach()
    parts = (
        *(for_h, for_h.view(-1, 3, width), for_h[:, : 2 * width]),
        *(for_x[:, : 2 * width], for_x[:, 2 * width :], gates[:, width : 2 * width]),
    )
    steps = list(
        zip(*(timeline.split(each) for each in parts), timeline.steps(output), timeline.running(hidden), strict=True)
    )
    for rows, run in reversed(timeline.runs(CACHED // (4 * width))):
        _factors(gates[rows], recalled[rows], seen[rows, -width:], for_x[rows, 2 * width :], for_h[rows])
        for of_h, by_gate, open_, copy, new, keep, of_output, h in reversed(steps[run]):
            h.add_(of_output)
            by_gate.mul_(h[:, None])
            new.mul_(h)
            copy.copy_(open_)
            h.mul_(keep).addmm_(of_h, weight)
    return for_x, for_h, seen


def _factors(gates: Tensor, recalled: Tensor, before: Tensor, new: Tensor, for_h: Tensor) -> None:
    """What the gradient of h is multiplied by: for x's part of n, into `new`, and for h's part of r, z, n."""
    r, z, n = gates.chunk(3, dim=1)
    for_r, for_z, for_n = for_h.chunk(3, dim=1)
    tanh_slope(1 - z, n, grad_input=new)
    sigmoid_slope(recalled, r, grad_input=for_r).mul_(new)
    sigmoid_slope(before - n, z, grad_input=for_z)
    torch.mul(new, r, out=for_n)


def _halves(cell: Cell, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The rows of gate n, apart: x's (states, inputs + 1) and h's (states, 1 + states), each with its own bias."""
    of_inputs, of_states = weights[:, : -cell.states].clone(), weights[:, cell.inputs :].clone()
    if cell.bias_ih is not None and cell.bias_hh is not None:
        of_inputs[:, -1], of_states[:, 0] = (bias.detach()[-cell.states :] for bias in (cell.bias_ih, cell.bias_hh))
    return of_inputs, of_states
