"""One layer of `nn.RNN` in one direction: tanh, computed as for an LSTM, or ReLU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fedward_shared.privacy.bookkeeping.cell import Cell, take, tanh_slope

__all__ = ["ReluRnn", "TanhRnn"]

_relu_slope = torch.ops.aten.threshold_backward.grad_input


class TanhRnn(torch.autograd.Function):
    """Series (rows, inputs) or (steps, records, inputs), first states -> the states at every row, the last ones."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, hidden: Tensor, cell: Cell) -> tuple[Tensor, Tensor]:
        """Keeps, of each row, what led to the state, and the state."""
        return _forward(ctx, values, hidden, cell, bent=True)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output: Tensor, hidden: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """Given the gradients of what `forward` gave."""
        return _backward(ctx, output, hidden, bent=True)


class ReluRnn(torch.autograd.Function):
    """As `TanhRnn`."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, hidden: Tensor, cell: Cell) -> tuple[Tensor, Tensor]:
        """Keeps, of each row, what led to the state, and the state."""
        return _forward(ctx, values, hidden, cell, bent=False)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, output: Tensor, hidden: Tensor) -> tuple[Tensor | None, Tensor, None]:
        """Given the gradients of what `forward` gave."""
        return _backward(ctx, output, hidden, bent=False)


def _forward(ctx: Any, values: Tensor, hidden: Tensor, cell: Cell, *, bent: bool) -> tuple[Tensor, Tensor]:
    seen, timeline, width = cell.seen(values), cell.timeline, cell.states
    weights = cell.matrix().mul_(2 if bent else 1).t()
    output = seen.new_empty(*values.shape[:-1], width)
    one, outputs = seen.new_ones(width), timeline.steps(output)
    minus = -one
    places = timeline.split(seen[:, -width:])
    for x, place, h_before, h in zip(
        timeline.split(seen), places, [hidden, *timeline.carried(outputs)], outputs, strict=True
    ):
        place.copy_(h_before)
        torch.mm(x, weights, out=h)
        if bent:
            torch.lerp(minus, one, h.sigmoid_(), out=h)
        else:
            h.relu_()
    ctx.cell, ctx.version, ctx.shape, ctx.kept = (
        cell,
        cell.version(),
        values.shape,
        (seen, output.detach().clone().view(-1, width)),
    )
    return output, timeline.final(output)


def _backward(ctx: Any, output: Tensor, hidden: Tensor, *, bent: bool) -> tuple[Tensor | None, Tensor, None]:
    cell: Cell = ctx.cell
    seen, states = take(ctx)
    timeline, sums = cell.timeline, torch.empty_like(states)
    hidden, weight = hidden.clone(), cell.weight_hh.detach()
    steps = zip(
        timeline.split(sums), timeline.split(states), timeline.steps(output), timeline.running(hidden), strict=True
    )
    for of_sums, state, of_output, h in reversed(list(steps)):
        h.add_(of_output)
        if bent:
            tanh_slope(h, state, grad_input=of_sums)
        else:
            _relu_slope(h, state, 0, grad_input=of_sums)
        torch.mm(of_sums, weight, out=h)
    cell.note(sums, seen)
    inputs = (sums @ cell.weight_ih.detach()).view(ctx.shape) if ctx.needs_input_grad[0] else None
    return inputs, hidden, None
