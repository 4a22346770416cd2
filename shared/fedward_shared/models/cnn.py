"""A small convolutional network for images (channels, height, width) and volumes (channels, depth, height, width)."""

from __future__ import annotations

from math import gcd, prod

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Convolutional", "cnn"]

_CONVOLUTIONS: dict[int, tuple[type[nn.Module], type[nn.Module]]] = {
    2: (nn.Conv2d, nn.MaxPool2d),
    3: (nn.Conv3d, nn.MaxPool3d),
}
"""For so many axes of space: convolution and pooling."""


class Convolutional(nn.Module):
    """Blocks of convolution (3 along each axis), GroupNorm, ReLU and max-pooling by 2; then one hidden linear layer.

    GroupNorm, because BatchNorm mixes the patients of a batch, which no per-patient guarantee survives. With `average`
    the linear layers see the mean over space instead of every place: fewer parameters, and no say of where.
    """

    def __init__(
        self, shape: tuple[int, ...], channels: tuple[int, ...], *, groups: int, hidden: int, logits: int, average: bool
    ) -> None:
        super().__init__()
        before, sides = shape[0], list(shape[1:])
        convolution, pooling = _CONVOLUTIONS[len(sides)]
        blocks: list[nn.Module] = []
        for after in channels:
            normal = nn.GroupNorm(gcd(groups, after), after)
            blocks += [convolution(before, after, 3, padding=1), normal, nn.ReLU(), pooling(2)]
            before, sides = after, [side // 2 for side in sides]
        self.average = average
        self.blocks = nn.Sequential(*blocks)
        inputs = before if average else before * prod(sides)
        self.head = nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, logits))

    def forward(self, records: Tensor) -> Tensor:
        """(records, channels, *space) -> (records, logits)."""
        maps = self.blocks(records).flatten(2)
        logits: Tensor = self.head(maps.mean(dim=2) if self.average else maps.flatten(1))
        return logits


def cnn(terms: ModelTerms, problem: Problem) -> Convolutional:
    """`[model] name = "cnn"`: `channels` (one block each), `groups` of GroupNorm, `hidden` width, `pool`.

    `pool = "flatten"` shows every place to the linear layers, "average" the mean over space.

    Raises:
        UsageError: an option is unknown or out of range, or the data are neither images nor volumes, or too small for
            the blocks.
    """
    options = Options.of(terms, ("channels", "groups", "hidden", "pool"))
    channels = options.widths("channels", (16, 32), most_layers=6, most=1024)
    groups = options.whole("groups", 8, least=1, most=1024)
    hidden = options.whole("hidden", 64, least=1, most=65_536)
    average = options.choice("pool", "flatten", ("flatten", "average")) == "average"
    sides = problem.shape[1:]
    if len(sides) not in _CONVOLUTIONS:
        raise UsageError(
            '[model] name: "cnn" needs arrays of shape [channels, height, width] or [channels, depth, height, width]',
            hint='For a table take "logistic" or "mlp", for signals "cnn1d".',
        )
    if min(sides) >> len(channels) < 1:
        raise UsageError(
            f"[model.options] channels: {len(channels)} blocks halve {' x '.join(map(str, sides))} "
            f"{'pixels' if len(sides) == len('hw') else 'voxels'} down to nothing",
            hint="Give fewer channels, one block each.",
        )
    return Convolutional(problem.shape, channels, groups=groups, hidden=hidden, logits=problem.outputs, average=average)
