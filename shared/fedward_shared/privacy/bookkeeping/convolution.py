"""The rules of convolutions and transposed convolutions over one, two or three axes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.kernels import Part, kernel_part
from fedward_shared.privacy.bookkeeping.norms import squares
from fedward_shared.privacy.bookkeeping.patches import Geometry, Sides
from fedward_shared.privacy.bookkeeping.tape import Sinks, Tape
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["convolution", "transposed_convolution"]

_Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d
_Transposed = nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d

_FORWARD: tuple[Callable[..., Tensor], ...] = (functional.conv1d, functional.conv2d, functional.conv3d)
_BACK: tuple[Callable[..., Tensor], ...] = (
    functional.conv_transpose1d,
    functional.conv_transpose2d,
    functional.conv_transpose3d,
)


def convolution(layer: _Convolution, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, channels, space...) -> (records, channels, positions...)."""
    axes = len(layer.kernel_size)
    # as (left, right) from the last axis on: what 'same' pads can differ between the ends
    around: list[int] = layer._reversed_padding_repeated_twice  # noqa: SLF001
    even = all(around[place] == around[place + 1] for place in range(0, len(around), 2))
    stock, unnoted = layer.padding_mode == "zeros", layer.forward
    ends = tuple(around[-2::-2]) if stock and even else (0,) * axes
    at = Geometry(layer.kernel_size, layer.stride, ends, layer.dilation, layer.groups)

    def forward(values: Tensor) -> Tensor:
        trained = _Trained.of(layer, tape)
        if not trained:
            return unnoted(values)
        _refuse_unbatched(values, axes)
        padding: Any = layer.padding
        if not stock:
            values, padding = functional.pad(values, around, mode=layer.padding_mode), 0
        weight, bias = layer.weight.detach(), None if layer.bias is None else layer.bias.detach()
        output = _FORWARD[axes - 1](values, weight, bias, layer.stride, padding, layer.dilation, layer.groups)

        def note(gradients: Tensor, kept: Tensor) -> None:
            larger = functional.pad(kept, around) if stock and not even else kept
            _note(tape, trained, Sides(larger, gradients, at), gradients)

        return tape.watch(output, note, values)

    return forward


def transposed_convolution(layer: _Transposed, tape: Tape) -> Callable[..., Tensor]:
    """A forward of `layer` that is noted: (records, channels, positions...) -> (records, channels, space...)."""
    axes = len(layer.kernel_size)
    padding: Any = layer.padding
    at = Geometry(layer.kernel_size, layer.stride, padding, layer.dilation, layer.groups)
    stock = layer.forward

    def forward(values: Tensor, output_size: list[int] | None = None) -> Tensor:
        trained = _Trained.of(layer, tape)
        if not trained:
            return stock(values, output_size)
        _refuse_unbatched(values, axes)
        stride, kernel, dilation = list(layer.stride), list(layer.kernel_size), list(layer.dilation)
        extra = layer._output_padding(values, output_size, stride, list(padding), kernel, axes, dilation)  # noqa: SLF001
        weight, bias = layer.weight.detach(), None if layer.bias is None else layer.bias.detach()
        output = _BACK[axes - 1](values, weight, bias, layer.stride, padding, extra, layer.groups, layer.dilation)
        # A kernel may then fit once more into the output than the input has positions.
        uneven = any(more >= step for more, step in zip(extra, layer.stride, strict=True))
        exact = replace(at, padding=(0,) * axes) if uneven else at

        def note(gradients: Tensor, kept: Tensor) -> None:
            larger = gradients
            if uneven:
                ends = zip(reversed(padding), reversed(extra), strict=True)
                larger = functional.pad(larger, [width for each, more in ends for width in (each, each - more)])
            _note(tape, trained, Sides(larger, kept, exact), gradients)

        return tape.watch(output, note, values)

    return forward


@dataclass(frozen=True, slots=True)
class _Trained:
    """The parameters of a layer that are trained; None is frozen, or not there."""

    weight: nn.Parameter | None
    bias: nn.Parameter | None

    @classmethod
    def of(cls, layer: _Convolution | _Transposed, tape: Tape) -> _Trained:
        weight, bias = (cast("nn.Parameter | None", each) for each in (layer.weight, layer.bias))
        return cls(weight if tape.trains(weight) else None, bias if tape.trains(bias) else None)

    def __bool__(self) -> bool:
        return self.weight is not None or self.bias is not None


def _refuse_unbatched(values: Tensor, axes: int) -> None:
    if values.dim() != axes + 2:
        raise TrainingError(
            f"a convolution over {axes} axes was given {values.dim()} axes, so that records cannot be told apart",
            hint="Its input needs the records first and the channels second; write x.unsqueeze(0) for a single record.",
        )


def _note(tape: Tape, trained: _Trained, sides: Sides, gradients: Tensor) -> None:
    """Notes a layer by its two sides and, for the bias, the gradients of its output."""
    grouping = tape.of_records(sides.larger, sides.smaller)
    parts: dict[nn.Parameter, Part] = {}
    if trained.weight is not None:
        parts[trained.weight] = kernel_part(trained.weight, sides, grouping)
    if trained.bias is not None:
        parts[trained.bias] = _bias_part(trained.bias, grouping.sums(gradients.flatten(2).sum(dim=2)))

    def add(weights: Weights, sinks: Sinks) -> None:
        for part in parts.values():
            part.add(weights, sinks)

    norms = [part.squares for part in parts.values()]
    tape.note(tuple(parts), norms[0] if len(norms) == 1 else norms[0] + norms[1], add, sides.larger, sides.smaller)


def _bias_part(bias: nn.Parameter, own: Tensor) -> Part:
    """`own`: each patient's gradient, (patients, channels)."""

    def add(weights: Weights, sinks: Sinks) -> None:
        sinks[bias].addmv_(weights.of_patients(own).t(), weights.patients)

    return Part(squares(own), add)
