"""A tap on a tensor that no trainable input led to: its gradient is wanted all the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Tap"]


class Tap(torch.autograd.Function):
    """The identity, in place; `receive` is told the gradient. Stops there: what came before needs none."""

    @classmethod
    def on(cls, output: Tensor, receive: Callable[[Tensor], None]) -> Tensor:
        """`output`, now part of the graph; operations in place on it stay allowed."""
        anchor = torch.empty(0, requires_grad=True)
        tapped: Tensor = cls.apply(output, anchor, receive)  # type: ignore[no-untyped-call]
        return tapped

    @staticmethod
    def forward(ctx: Any, output: Tensor, anchor: Tensor, receive: Callable[[Tensor], None]) -> Tensor:
        """`output` itself."""
        del anchor
        ctx.receive = receive
        ctx.mark_dirty(output)
        return output

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[None, None, None]:
        """Tells `receive`."""
        ctx.receive(gradient)
        return None, None, None
