"""A convolutional network over time, for recordings of shape (time, leads) such as an ECG."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import gcd

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["BLOCK_OPTIONS", "Blocks", "Convolutional1d", "cnn1d", "read_blocks"]

BLOCK_OPTIONS = ("channels", "kernel", "stride", "groups", "residual")
"""Keys of `[model.options]` that `read_blocks` reads."""
_SIGNAL_AXES = 2


class Blocks(nn.Sequential):
    """One block for each entry of `channels`, each strided over time; (records, leads, time) in and out.

    A block is Conv1d, GroupNorm, ReLU; or with `residual` two of these around a shortcut (Hannun et al. 2019 have such
    blocks for ECGs). GroupNorm, because BatchNorm mixes the patients of a batch.
    """


@dataclass(frozen=True, slots=True)
class Shape:
    """What all blocks have in common."""

    kernel: int
    stride: int
    groups: int
    residual: bool


class _Residual(nn.Module):
    """Two convolutions, of which the first is strided, around a shortcut (He et al. 2016)."""

    def __init__(self, before: int, after: int, shape: Shape) -> None:
        super().__init__()
        self.inner = nn.Sequential(*_plain(before, after, shape, shape.stride), *_plain(after, after, shape, 1)[:-1])
        self.shortcut = nn.Conv1d(before, after, 1, shape.stride) if before != after or shape.stride > 1 else None

    def forward(self, values: Tensor) -> Tensor:
        around = values if self.shortcut is None else self.shortcut(values)
        return functional.relu(self.inner(values) + around)


class Convolutional1d(nn.Module):
    """Blocks over time, then the mean over time (and with `peak` the maximum), then one linear layer."""

    def __init__(self, blocks: Blocks, width: int, logits: int, *, peak: bool) -> None:
        super().__init__()
        self.blocks = blocks
        self.peak = peak
        self.head = nn.Linear(width * (1 + peak), logits)

    def forward(self, records: Tensor) -> Tensor:
        """(records, time, leads) -> (records, logits)."""
        series = self.blocks(records.transpose(1, 2))
        pooled = series.mean(dim=2)
        if self.peak:
            pooled = torch.cat([pooled, series.amax(dim=2)], dim=1)
        logits: Tensor = self.head(pooled)
        return logits


def cnn1d(terms: ModelTerms, problem: Problem) -> Convolutional1d:
    """`[model] name = "cnn1d"`: `channels` (one block each), `kernel` (odd), `stride`, `groups`, `residual`, `peak`.

    Records are those of `[data.signal]`: time first, leads last. The pooling over time makes the model blind to when
    something happened, and its size independent of how long a recording is.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no signals, or too short for the blocks.
    """
    options = Options.of(terms, (*BLOCK_OPTIONS, "peak"))
    blocks, width, _ = read_blocks(options, problem, (32, 64, 128))
    return Convolutional1d(blocks, width, problem.outputs, peak=options.flag("peak"))


def read_blocks(options: Options, problem: Problem, default: tuple[int, ...]) -> tuple[Blocks, int, int]:
    """The blocks that the options ask for, and of what comes out of them the width and the number of steps.

    Raises:
        UsageError: as `cnn1d`.
    """
    channels = options.widths("channels", default, most_layers=12, most=2048)
    kernel = options.whole("kernel", 7, least=1, most=255)
    stride = options.whole("stride", 2, least=1, most=64)
    groups = options.whole("groups", 8, least=1, most=2048)
    shape = Shape(kernel, stride, groups, options.flag("residual"))
    if kernel % 2 == 0:
        raise UsageError(f"[model.options] kernel: an odd number is needed, not {kernel}")
    if len(problem.shape) != _SIGNAL_AXES:
        raise UsageError(
            f'[model] name: "{options.model}" needs signals, of kind "tensor" and shape [time, leads]',
            hint='For images take "cnn", for a table "logistic" or "mlp".',
        )
    steps, leads = problem.shape
    for _ in channels:
        steps = -(-steps // stride) if steps >= stride else 0
    if steps < 1:
        raise UsageError(
            f"[model.options] channels: {len(channels)} blocks of stride {stride} leave nothing of {problem.shape[0]} "
            "samples",
            hint="Give fewer channels, one block each, or a smaller stride.",
        )
    layers: list[nn.Module] = []
    for before, after in pairwise((leads, *channels)):
        layers += [_Residual(before, after, shape)] if shape.residual else _plain(before, after, shape, stride)
    return Blocks(*layers), channels[-1], steps


def _plain(before: int, after: int, shape: Shape, stride: int) -> list[nn.Module]:
    normal = nn.GroupNorm(gcd(shape.groups, after), after)
    return [nn.Conv1d(before, after, shape.kernel, stride, shape.kernel // 2), normal, nn.ReLU()]
