"""The rules of normalisations that stay within a record: GroupNorm, InstanceNorm, LayerNorm, RMSNorm.

Their scale and shift have few values, so each patient's own gradient is kept. Where y = x̂·scale + shift and
x̂ = (x - mean)·r, a record's gradients are Σ g·x̂ = Σ r·g·x - Σ r·mean·g, and Σ g: the statistics are those of the
forward pass, and x̂ is never formed.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["group_norm", "instance_norm", "layer_norm", "rms_norm"]

_Instance = nn.InstanceNorm1d | nn.InstanceNorm2d | nn.InstanceNorm3d
_AXES = {nn.InstanceNorm1d: 3, nn.InstanceNorm2d: 4, nn.InstanceNorm3d: 5}


def group_norm(layer: nn.GroupNorm, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, channels, space...) both."""
    groups, stock = layer.num_groups, layer.forward

    def forward(values: Tensor) -> Tensor:
        if not tape.trains(layer.weight, layer.bias):
            return stock(values)
        given = _as_stock_takes_it(values)
        records, channels = given.shape[:2]
        sizes = records, channels, prod(given.shape[2:]), groups, layer.eps
        output, mean, inverse = torch.native_group_norm(given, layer.weight.detach(), layer.bias.detach(), *sizes)
        statistics = mean.detach(), inverse.detach()  # a note that held on to the graph would keep it for ever
        trained = _trained(layer, tape)

        def note(gradients: Tensor, kept: Tensor) -> None:
            _note_channels(tape, trained, (gradients, kept), statistics)

        return tape.watch(output, note, given)

    return forward


def instance_norm(layer: _Instance, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, channels, space...) both."""
    stock = layer.forward

    def forward(values: Tensor) -> Tensor:
        if not tape.trains(layer.weight, layer.bias):
            return stock(values)
        if values.dim() != _AXES[type(layer)]:
            _refuse_unbatched(layer, values)
        scale, shift = layer.weight.detach(), layer.bias.detach()
        output = functional.instance_norm(values, None, None, scale, shift, use_input_stats=True, eps=layer.eps)
        trained = _trained(layer, tape)

        def note(gradients: Tensor, kept: Tensor) -> None:
            variance, mean = torch.var_mean(kept.flatten(2), dim=2, correction=0)
            _note_channels(tape, trained, (gradients, kept), (mean, (variance + layer.eps).rsqrt_()))

        return tape.watch(output, note, values)

    return forward


def layer_norm(layer: nn.LayerNorm, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, ..., *normalized shape) both."""
    stock = layer.forward

    def forward(values: Tensor) -> Tensor:
        if not tape.trains(layer.weight, layer.bias):
            return stock(values)
        if values.dim() <= len(layer.normalized_shape):
            _refuse_unbatched(layer, values)
        given = _as_stock_takes_it(values)
        bias = None if layer.bias is None else layer.bias.detach()
        output, mean, inverse = torch.native_layer_norm(
            given, layer.normalized_shape, layer.weight.detach(), bias, layer.eps
        )
        statistics = mean.detach(), inverse.detach()
        trained = _trained(layer, tape)

        def note(gradients: Tensor, kept: Tensor) -> None:
            _note_positions(tape, trained, (gradients, kept), statistics)

        return tape.watch(output, note, given)

    return forward


def rms_norm(layer: nn.RMSNorm, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, ..., *normalized shape) both."""
    stock, axes = layer.forward, tuple(range(-len(layer.normalized_shape), 0))

    def forward(values: Tensor) -> Tensor:
        if not tape.trains(layer.weight):
            return stock(values)
        if values.dim() <= len(axes):
            _refuse_unbatched(layer, values)
        scale, epsilon = layer.weight.detach(), layer.eps
        output = functional.rms_norm(values, layer.normalized_shape, scale, epsilon)
        epsilon = torch.finfo(torch.promote_types(output.dtype, torch.float32)).eps if epsilon is None else epsilon
        trained = _trained(layer, tape)

        def note(gradients: Tensor, kept: Tensor) -> None:
            inverse = kept.square().mean(dim=axes).add_(epsilon).rsqrt_()
            _note_positions(tape, trained, (gradients, kept), (None, inverse))

        return tape.watch(output, note, values)

    return forward


_Trained = tuple[nn.Parameter | None, nn.Parameter | None]
"""A layer's scale and shift where they are trained; None is frozen, or not there."""


def _trained(layer: nn.Module, tape: Tape) -> _Trained:
    scale, shift = getattr(layer, "weight", None), getattr(layer, "bias", None)
    return scale if tape.trains(scale) else None, shift if tape.trains(shift) else None


def _as_stock_takes_it(values: Tensor) -> Tensor:
    """What torch's own layers do to their input before the operation that also tells its statistics."""
    device = values.device.type
    if device != "cpu" and torch.is_autocast_enabled(device):
        values = values.float()
    if values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last):  # noqa: PLR2004
        return values
    return values.contiguous()


def _refuse_unbatched(layer: nn.Module, values: Tensor) -> None:
    raise TrainingError(
        f"{type(layer).__name__} was given {values.dim()} axes, all of which it takes for one record's",
        hint="Its input needs the records as the first axis; write x.unsqueeze(0) for a single record.",
    )


def _note_channels(
    tape: Tape, trained: _Trained, both: tuple[Tensor, Tensor], statistics: tuple[Tensor, Tensor]
) -> None:
    """Notes a scale and a shift for each channel.

    `both`: the gradients and the inputs, (records, channels, space...); `statistics`: the means and the inverse
    deviations, (records, groups), for as many equal groups of channels.
    """
    (gradients, values), (mean, inverse) = both, statistics
    grouping = tape.of_records(gradients, values)
    space = tuple(range(2, gradients.dim()))
    shifts = gradients.sum(dim=space) if space else gradients
    parts: dict[nn.Parameter, Tensor] = {}
    if trained[0] is not None:
        products = gradients * values
        grouped = (products.sum(dim=space) if space else products).view(*mean.shape, -1)
        centred = grouped - mean[:, :, None] * shifts.view(grouped.shape)
        parts[trained[0]] = grouping.sums((centred * inverse[:, :, None]).flatten(1))
    if trained[1] is not None:
        parts[trained[1]] = grouping.sums(shifts)
    tape.per_patient(tuple(parts), tuple(parts.values()))


def _note_positions(
    tape: Tape, trained: _Trained, both: tuple[Tensor, Tensor], statistics: tuple[Tensor | None, Tensor]
) -> None:
    """Notes a scale and a shift of the last axes.

    `both`: the gradients and the inputs, (records, ..., *normalized shape); `statistics`: each position's mean, None
    where none is taken off, and inverse deviation.
    """
    (gradients, values), (mean, inverse) = both, statistics
    grouping = tape.of_records(gradients, values)
    records, positions = len(values), inverse.numel() // len(values)
    given = gradients.reshape(records, positions, -1)
    inverse = inverse.reshape(records, 1, positions)
    parts: dict[nn.Parameter, Tensor] = {}
    if trained[0] is not None:
        scaled = torch.bmm(inverse, given * values.reshape(given.shape))
        if mean is not None:
            scaled.baddbmm_(inverse * mean.reshape(inverse.shape), given, alpha=-1)
        parts[trained[0]] = grouping.sums(scaled.squeeze(1))
    if trained[1] is not None:
        parts[trained[1]] = grouping.sums(given.sum(dim=1))
    tape.per_patient(tuple(parts), tuple(parts.values()))
