"""Changes of signals and series (records, time, width): moved in time, louder, without a lead. All records at once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fedward_shared.privacy.augmentation.draws import Draws

__all__ = ["Amplify", "Delay", "Drop", "delayed", "without_leads"]


@dataclass(frozen=True, slots=True)
class Delay:
    """Moved by whole steps, up to `share` of the length either way."""

    share: float

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        return delayed(records, draws.uniform(len(records), self.share * records.shape[1]).round().long())


@dataclass(frozen=True, slots=True)
class Amplify:
    """Times a gain up to `most` from 1, one for all leads; `values` (width,) says which columns are measurements."""

    most: float
    values: Tensor

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        gain = draws.uniform(len(records), self.most).view(-1, 1, 1)
        return records * (1 + gain * self.values.to(records.device))


@dataclass(frozen=True, slots=True)
class Drop:
    """Each lead is absent with a chance of `chance`; `leads` (width,) int64 says whose each column is, from 0."""

    chance: float
    leads: Tensor

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        most = int(self.leads.max()) + 1
        gone = draws.chance(len(records) * most, self.chance).view(-1, most)
        return without_leads(records, gone, self.leads.to(records.device))


def delayed(records: Tensor, steps: Tensor) -> Tensor:
    """Each record moved by its entry of `steps` (records,) int64 towards the end; what enters is 0, as after an end."""
    time = torch.arange(records.shape[1], device=records.device) - steps[:, None]
    there = (time >= 0) & (time < records.shape[1])
    which = torch.arange(len(records), device=records.device)[:, None]
    return records[which, time.clamp(0, records.shape[1] - 1)].masked_fill_(~there[:, :, None], 0.0)


def without_leads(records: Tensor, gone: Tensor, leads: Tensor) -> Tensor:
    """Each record with 0 in all columns of the leads that are `gone` (records, leads): values, mask and delta."""
    return records.masked_fill(gone[:, leads][:, None, :], 0.0)
