"""ResNet-18 (He et al. 2016) with GroupNorm (Wu & He 2018), for images and volumes."""

from __future__ import annotations

from itertools import pairwise
from math import gcd
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["ResidualBlock", "ResidualNetwork", "resnet18"]

_CONVOLUTIONS: dict[int, tuple[type[nn.Module], type[nn.Module]]] = {
    2: (nn.Conv2d, nn.MaxPool2d),
    3: (nn.Conv3d, nn.MaxPool3d),
}
_STAGES = (1, 2, 4, 8)
_SMALLEST = 8
_SMALL_PICTURE = 64
"""Up to so many pixels the stem neither strides nor pools (He et al. 2016, section 4.2, for CIFAR)."""


class ResidualBlock(nn.Module):
    """Two convolutions of 3 along each axis around a shortcut, which is a convolution of 1 where the shape changes."""

    def __init__(self, axes: int, before: int, after: int, *, stride: int, groups: int) -> None:
        super().__init__()
        self.conv1 = _convolution(axes, before, after, 3, stride)
        self.norm1 = nn.GroupNorm(gcd(groups, after), after)
        self.conv2 = _convolution(axes, after, after, 3, 1)
        self.norm2 = nn.GroupNorm(gcd(groups, after), after)
        self.downsample = (
            nn.Sequential(_convolution(axes, before, after, 1, stride), nn.GroupNorm(gcd(groups, after), after))
            if stride > 1 or before != after
            else None
        )

    def forward(self, values: Tensor) -> Tensor:
        """(records, before, *space) -> (records, after, *space / stride)."""
        around = values if self.downsample is None else self.downsample(values)
        inner = functional.relu(self.norm1(self.conv1(values)))
        return functional.relu(self.norm2(self.conv2(inner)) + around)


class ResidualNetwork(nn.Module):
    """A stem, four stages of two blocks, the mean over space, one linear layer. Names are torchvision's, but `norm`."""

    def __init__(self, shape: tuple[int, ...], *, width: int, groups: int, logits: int) -> None:
        super().__init__()
        axes = len(shape) - 1
        large = min(shape[1:]) > _SMALL_PICTURE
        self.conv1 = _convolution(axes, shape[0], width, 7 if large else 3, 2 if large else 1)
        self.norm1 = nn.GroupNorm(gcd(groups, width), width)
        pooling: Any = _CONVOLUTIONS[axes][1]
        self.pool = pooling(3, 2, 1) if large else nn.Identity()
        widths = [width, *(width * times for times in _STAGES)]
        for place, (before, after) in enumerate(pairwise(widths), start=1):
            first = ResidualBlock(axes, before, after, stride=1 if place == 1 else 2, groups=groups)
            setattr(self, f"layer{place}", nn.Sequential(first, _same(axes, after, groups)))
        self.fc = nn.Linear(widths[-1], logits)

    def forward(self, records: Tensor) -> Tensor:
        """(records, channels, *space) -> (records, logits)."""
        maps = self.pool(functional.relu(self.norm1(self.conv1(records))))
        for place in range(1, len(_STAGES) + 1):
            maps = getattr(self, f"layer{place}")(maps)
        logits: Tensor = self.fc(maps.flatten(2).mean(dim=2))
        return logits


def resnet18(terms: ModelTerms, problem: Problem) -> ResidualNetwork:
    """`[model] name = "resnet18"`: `width` of the first stage (64 in the paper), `groups` of GroupNorm.

    Images of 8 to 64 pixels get a stem of one 3x3 convolution, larger ones (such as 224) that of the paper.

    Raises:
        UsageError: an option is unknown or out of range, or the data are neither images nor volumes, or too small.
    """
    options = Options.of(terms, ("width", "groups"))
    width = options.whole("width", 64, least=1, most=1024)
    groups = options.whole("groups", 16, least=1, most=1024)
    sides = problem.shape[1:]
    if len(sides) not in _CONVOLUTIONS or min(sides) < _SMALLEST:
        raise UsageError(
            f'[model] name: "resnet18" needs images or volumes of {_SMALLEST} pixels or more along each side',
            hint='For smaller pictures take "cnn", for a table "logistic" or "mlp".',
        )
    return ResidualNetwork(problem.shape, width=width, groups=groups, logits=problem.outputs)


def _same(axes: int, width: int, groups: int) -> ResidualBlock:
    return ResidualBlock(axes, width, width, stride=1, groups=groups)


def _convolution(axes: int, before: int, after: int, size: int, stride: int) -> nn.Module:
    kind: Any = _CONVOLUTIONS[axes][0]
    layer: nn.Conv2d | nn.Conv3d = kind(before, after, size, stride, size // 2, bias=False)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    return layer
