"""Pictures as networks trained on ImageNet expect them: three channels, their size, their scaling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fedward_shared.contracts.arrays import Image
from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import PretrainedTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Pictures", "pictures_of"]

_IMAGE_AXES = 3
_CHANNELS = (1, 3)
_SMALLEST = 32
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1, as torchvision declares them."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """How a record becomes a picture: times `scale` plus `centre` it runs from 0 to 1; `side` pixels (0: as it is).

    `grid` is into how many places along each side features are averaged.
    """

    scale: float
    centre: float
    side: int
    grid: int

    def shape(self, channels: int) -> tuple[int, ...]:
        """Shape of features with so many channels."""
        return (channels,) if self.grid == 1 else (channels, self.grid, self.grid)

    def prepared(self, records: Tensor) -> Tensor:
        """(records, 1 or 3, height, width) -> (records, 3, height, width), scaled as ImageNet's pictures."""
        from torch.nn import functional

        pictures = (records * self.scale + self.centre).expand(-1, len(_MEAN), -1, -1)
        if self.side:
            sides = (self.side, self.side)
            pictures = functional.interpolate(pictures, sides, mode="bilinear", align_corners=False, antialias=True)
        mean, deviation = (pictures.new_tensor(values).view(1, -1, 1, 1) for values in (_MEAN, _DEVIATION))
        return (pictures - mean) / deviation

    def averaged(self, maps: Tensor) -> Tensor:
        """(records, channels, height, width) -> (records, *self.shape(channels))."""
        from torch.nn import functional

        pooled = functional.adaptive_avg_pool2d(maps, self.grid)
        return pooled.flatten(1) if self.grid == 1 else pooled


def pictures_of(terms: PretrainedTerms, contract: DataContract) -> Pictures:
    """`side`, `grid`, and for arrays made elsewhere `centre` and `scale`: what the contract's form says otherwise.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no pictures of at least 32 pixels.
    """
    form, shape = contract.form, contract.input_shape
    known = ("side", "grid") if isinstance(form, Image) else ("side", "grid", "centre", "scale")
    fits = form is None or isinstance(form, Image)
    if not fits or len(shape) != _IMAGE_AXES or shape[0] not in _CHANNELS:
        raise UsageError(
            f'[model.backbone] name: "{terms.name}" needs pictures of shape [1 or 3 channels, height, width]',
            hint="For signals there are scattering and rocket, which have no weights.",
        )
    options = Options.of_backbone(terms, known)
    side = options.whole("side", 0, least=0, most=1024)
    if (side or min(shape[1:])) < _SMALLEST:
        raise UsageError(
            f"[model.backbone.options] side: {terms.name} needs pictures of {_SMALLEST} pixels or more, not "
            f"{side or min(shape[1:])}",
            hint="side = 64, for example, enlarges them.",
        )
    grid = options.whole("grid", 1, least=1, most=7)
    if isinstance(form, Image):
        return Pictures(form.scale, form.centre, side, grid)
    scale = options.number("scale", 1.0, least=1e-6, most=1e6)
    return Pictures(scale, options.number("centre", 0.0, least=-1e6, most=1e6), side, grid)
