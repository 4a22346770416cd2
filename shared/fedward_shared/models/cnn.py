"""A small convolutional network for images of shape (channels, height, width)."""

from __future__ import annotations

from math import gcd

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Convolutional", "cnn"]

_IMAGE_AXES = 3


class Convolutional(nn.Module):
    """Blocks of 3x3 convolution, GroupNorm, ReLU and 2x2 max-pooling; then one hidden linear layer.

    GroupNorm, because BatchNorm mixes the patients of a batch, which no per-patient guarantee survives.
    """

    def __init__(
        self, shape: tuple[int, int, int], channels: tuple[int, ...], groups: int, hidden: int, logits: int
    ) -> None:
        super().__init__()
        before, height, width = shape
        blocks: list[nn.Module] = []
        for after in channels:
            normal = nn.GroupNorm(gcd(groups, after), after)
            blocks += [nn.Conv2d(before, after, 3, padding=1), normal, nn.ReLU(), nn.MaxPool2d(2)]
            before, height, width = after, height // 2, width // 2
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Sequential(nn.Linear(before * height * width, hidden), nn.ReLU(), nn.Linear(hidden, logits))

    def forward(self, records: Tensor) -> Tensor:
        """(records, channels, height, width) -> (records, logits)."""
        logits: Tensor = self.head(self.blocks(records).flatten(1))
        return logits


def cnn(terms: ModelTerms, problem: Problem) -> Convolutional:
    """`[model] name = "cnn"`: `channels` (one block each), `groups` of GroupNorm, `hidden` width.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no images, or too small for the blocks.
    """
    options = Options.of(terms, ("channels", "groups", "hidden"))
    channels = options.widths("channels", (16, 32), most_layers=6, most=1024)
    groups = options.whole("groups", 8, least=1, most=1024)
    hidden = options.whole("hidden", 64, least=1, most=65_536)
    if len(problem.shape) != _IMAGE_AXES:
        raise UsageError(
            '[model] name: "cnn" needs images, of kind "tensor" and shape [channels, height, width]',
            hint='For a table take "logistic" or "mlp".',
        )
    planes, height, width = problem.shape
    if min(height, width) >> len(channels) < 1:
        raise UsageError(
            f"[model.options] channels: {len(channels)} blocks halve {height} x {width} pixels down to nothing",
            hint="Give fewer channels, one block each.",
        )
    return Convolutional((planes, height, width), channels, groups, hidden, problem.outputs)
