"""Changes of pictures (records, channels, height, width): mirrored, turned, moved, brighter. All records at once."""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor
from torch.nn import functional

from fedward_shared.privacy.augmentation.draws import Draws

__all__ = ["Brighten", "Move", "Turn", "moved", "turned"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Turned by up to `degrees` either way."""

    degrees: float

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        return turned(records, draws.uniform(len(records), self.degrees))


@dataclass(frozen=True, slots=True)
class Move:
    """Mirrored left to right half of the time (if `flip`), and moved by whole pixels, up to `shift` of each side."""

    flip: bool
    shift: float

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        count, (height, width) = len(records), records.shape[2:]
        mirror = draws.chance(count, 0.5 if self.flip else 0.0)
        down, right = (draws.uniform(count, self.shift * side).round().long() for side in (height, width))
        return moved(records, mirror, down, right)


@dataclass(frozen=True, slots=True)
class Brighten:
    """Times a gain and plus an offset, up to `most` from 1 and 0; the same for all pixels and channels of a record."""

    most: float

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        gain, offset = (draws.uniform(len(records), self.most).view(-1, 1, 1, 1) for _ in range(2))
        return records * (1 + gain) + offset


def turned(records: Tensor, degrees: Tensor) -> Tensor:
    """Each record turned clockwise around its middle by its entry of `degrees` (records,); corners get the border."""
    height, width = records.shape[2:]
    angle = degrees * (pi / 180)
    cosine, sine, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # Where each pixel comes from, in coordinates in which either side runs from -1 to 1.
    across = torch.stack((cosine, sine * (height / width), none), dim=1)
    along = torch.stack((-sine * (width / height), cosine, none), dim=1)
    grid = functional.affine_grid(torch.stack((across, along), dim=1), list(records.shape), align_corners=False)
    return functional.grid_sample(records, grid, mode="bilinear", padding_mode="border", align_corners=False)


def moved(records: Tensor, mirror: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Each record mirrored where `mirror` says so, then moved by `down` and `right` pixels; gaps get the border.

    `mirror` (records,) is Boolean, `down` and `right` (records,) are int64.
    """
    count, channels, height, width = records.shape
    row = (torch.arange(height, device=records.device) - down[:, None]).clamp_(0, height - 1)
    column = (torch.arange(width, device=records.device) - right[:, None]).clamp_(0, width - 1)
    column = torch.where(mirror[:, None], width - 1 - column, column)
    which = torch.arange(count, device=records.device).view(-1, 1, 1, 1)
    plane = torch.arange(channels, device=records.device).view(1, -1, 1, 1)
    return records[which, plane, row.view(count, 1, height, 1), column.view(count, 1, 1, width)]
