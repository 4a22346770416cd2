"""VGG-like networks (Simonyan & Zisserman 2015) with GroupNorm, for images."""

from __future__ import annotations

from math import gcd

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["VisualGeometry", "vgg"]

_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3)}
"""Convolutions in each stage, by the number of layers with weights that the original has."""
_TIMES = (1, 2, 4, 8, 8)
_IMAGE_AXES = 3
_SMALLEST = 8
_POOLED_FROM = 6
"""Pictures below so many pixels are not pooled any more: 28 pixels become 3, and 224 become 7."""


class VisualGeometry(nn.Module):
    """Five stages of 3x3 convolutions, GroupNorm and ReLU, each pooled by 2 where that leaves 3 pixels or more.

    Then the mean over space and two linear layers, in the place of the original's three on 7x7 pixels.
    """

    def __init__(
        self, shape: tuple[int, int, int], stages: tuple[int, ...], *, width: int, groups: int, hidden: int, logits: int
    ) -> None:
        super().__init__()
        before, side = shape[0], min(shape[1:])
        layers: list[nn.Module] = []
        for count, times in zip(stages, _TIMES, strict=True):
            for _ in range(count):
                after = width * times
                convolution = nn.Conv2d(before, after, 3, padding=1, bias=False)
                nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
                layers += [convolution, nn.GroupNorm(gcd(groups, after), after), nn.ReLU()]
                before = after
            if side >= _POOLED_FROM:
                layers.append(nn.MaxPool2d(2))
                side //= 2
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(before, hidden), nn.ReLU(), nn.Linear(hidden, logits))

    def forward(self, records: Tensor) -> Tensor:
        """(records, channels, height, width) -> (records, logits)."""
        logits: Tensor = self.classifier(self.features(records).mean(dim=(2, 3)))
        return logits


def vgg(terms: ModelTerms, problem: Problem) -> VisualGeometry:
    """`[model] name = "vgg"`: `depth` (11, 13 or 16), `width` of the first stage (64 in the paper), `groups`, `hidden`.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no images, or too small.
    """
    options = Options.of(terms, ("depth", "width", "groups", "hidden"))
    depth = options.whole("depth", 11, least=min(_STAGES), most=max(_STAGES))
    if depth not in _STAGES:
        raise UsageError(f"[model.options] depth: one of {', '.join(map(str, _STAGES))} is needed, not {depth}")
    width = options.whole("width", 64, least=1, most=1024)
    groups = options.whole("groups", 16, least=1, most=1024)
    hidden = options.whole("hidden", 512, least=1, most=65_536)
    if len(problem.shape) != _IMAGE_AXES or min(problem.shape[1:]) < _SMALLEST:
        raise UsageError(
            f'[model] name: "vgg" needs images of {_SMALLEST} pixels or more along each side',
            hint='For volumes take "cnn" or "resnet18", for a table "logistic" or "mlp".',
        )
    channels, height, across = problem.shape
    return VisualGeometry(
        (channels, height, across), _STAGES[depth], width=width, groups=groups, hidden=hidden, logits=problem.outputs
    )
