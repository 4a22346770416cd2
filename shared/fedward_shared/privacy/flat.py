"""Every trained parameter in one tensor, and every gradient in another: one noise call, one optimizer step."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedward_shared.errors import UsageError

__all__ = ["FlatModel"]


class FlatModel:
    """The trainable parameters of `model`, in order, as views of `weights` (D,) until `close`.

    `gradient` (D,) has the same order; `sinks` is each parameter's part of it, shaped like the parameter. The model's
    state_dict keeps its keys and shapes.

    Raises:
        UsageError: nothing is trainable, or parameters differ in type or device.
    """

    def __init__(self, model: nn.Module) -> None:
        self._parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if len({(parameter.dtype, parameter.device) for parameter in self._parameters}) != 1:
            raise UsageError(
                "trainable parameters must have one type and be on one device, and there must be some",
                hint="Move the whole model with model.to(device, dtype).",
            )
        if self._parameters[0].dtype not in {torch.float32, torch.float64}:
            raise UsageError(
                "private training needs parameters of float32 or float64",
                hint="Convert the model with model.float(); bfloat16 is for autocast.",
            )
        self.weights = nn.Parameter(torch.cat([parameter.detach().flatten() for parameter in self._parameters]))
        self.gradient = torch.zeros_like(self.weights, requires_grad=False)
        self.sinks: dict[nn.Parameter, Tensor] = {}
        start = 0
        for parameter in self._parameters:
            own = slice(start, start + parameter.numel())
            parameter.data = self.weights.detach()[own].view_as(parameter)
            parameter.grad = None
            self.sinks[parameter] = self.gradient[own].view_as(parameter)
            start = own.stop

    @property
    def size(self) -> int:
        """D."""
        return self.weights.numel()

    def close(self) -> None:
        """Gives every parameter its own memory again, with the weights as they are."""
        for parameter in self._parameters:
            parameter.data = parameter.data.clone()
