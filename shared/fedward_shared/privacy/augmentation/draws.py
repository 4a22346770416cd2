"""Random numbers for changed copies, from the randomness of the step."""

from __future__ import annotations

from math import prod

import torch
from torch import Tensor

from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["Draws"]


class Draws:
    """Numbers for one portion of records, float32 on the records' device.

    The step's own source and not `torch.Generator`, which on a CPU has 2³² streams whatever it is seeded with, and is
    no faster.
    """

    def __init__(self, source: RandomSource, device: torch.device) -> None:
        self._source = source
        self._device = device

    def uniform(self, count: int, most: float = 1.0) -> Tensor:
        """(count,): independent, uniform between -`most` and `most`."""
        numbers = torch.from_numpy(self._source.uniform(count))
        return numbers.mul_(2 * most).sub_(most).to(self._device, torch.float32)

    def chance(self, count: int, probability: float) -> Tensor:
        """(count,) Boolean: independent, true with this probability."""
        return torch.from_numpy(self._source.uniform(count) < probability).to(self._device)

    def normal(self, shape: tuple[int, ...]) -> Tensor:
        """Independent standard normal numbers; on an accelerator they are drawn there."""
        if self._device.type == "cpu":
            numbers = torch.from_numpy(self._source.gaussian(prod(shape)))
        else:
            numbers = self._source.on(self._device).gaussian(prod(shape))
        return numbers.to(torch.float32).view(shape)
