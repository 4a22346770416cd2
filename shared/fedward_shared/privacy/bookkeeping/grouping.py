"""Whose record is whose in one batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["Grouping"]


@dataclass(frozen=True, slots=True)
class Grouping:
    """The records of a batch in the order of their patients.

    `owner` (records,) int64 is ascending, 0 to `patients` - 1; None where every patient has exactly one record.
    `places` (patients * most,) int64 lists each patient's records, filled up with `records` (one past the last), to
    `most` a patient; None where nothing needs filling up.
    """

    records: int
    patients: int
    most: int
    owner: Tensor | None
    places: Tensor | None

    @classmethod
    def one_each(cls, records: int) -> Grouping:
        """Every record is a patient of its own."""
        return cls(records, records, 1, None, None)

    @classmethod
    def of(cls, owner: Tensor, patients: int) -> Grouping:
        """The grouping that `owner` says; every patient has a record."""
        records = len(owner)
        if records == patients:
            return cls.one_each(records)
        sizes = torch.bincount(owner, minlength=patients)
        most = int(sizes.max())
        if most * patients == records:
            return cls(records, patients, most, owner, None)
        rank = torch.arange(records, device=owner.device) - (sizes.cumsum(0) - sizes)[owner]
        places = owner.new_full((patients * most,), records)
        places[owner * most + rank] = torch.arange(records, device=owner.device)
        return cls(records, patients, most, owner, places)

    def by_patient(self, values: Tensor) -> Tensor:
        """(records, positions, n) -> (patients, most * positions, n), zero where a patient has fewer records."""
        if self.owner is None:
            return values
        if self.places is not None:
            values = torch.cat((values, values.new_zeros((1, *values.shape[1:]))))[self.places]
        return values.reshape(self.patients, self.most * values.shape[1], values.shape[2])

    def sums(self, values: Tensor) -> Tensor:
        """(records, n) -> (patients, n): each patient's sum."""
        if self.owner is None:
            return values
        return values.new_zeros((self.patients, *values.shape[1:])).index_add_(0, self.owner, values)

    def to_records(self, values: Tensor) -> Tensor:
        """(patients,) -> (records,): each record gets its patient's value."""
        return values if self.owner is None else values[self.owner]
