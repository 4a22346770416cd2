"""The data that a step is run on: with the canary and without, before a background of other patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt
import torch

from fedward_shared.privacy.cohort import TrainingSet

if TYPE_CHECKING:
    from torch import Tensor

    from fedward_client.vault.training.dataset import Part

__all__ = ["Cohort", "Patient"]


@dataclass(frozen=True, slots=True)
class Patient:
    """One patient's records (rows, *input shape) float32 and labels (rows,) int64; `name` says which kind it is."""

    name: str
    records: Tensor
    labels: Tensor


@dataclass(frozen=True, slots=True)
class Cohort:
    """Patients as rows: `units` (rows,) is the index of the patient, 0 to `count` - 1. `name` is for people."""

    name: str
    records: Tensor
    labels: Tensor
    units: npt.NDArray[np.int64]
    count: int

    @classmethod
    def nobody(cls, shape: tuple[int, ...]) -> Self:
        """No patients: every batch is empty."""
        return cls(
            "nobody",
            torch.zeros((0, *shape)),
            torch.zeros(0, dtype=torch.int64),
            np.zeros(0, dtype=np.int64),
            0,
        )

    @classmethod
    def crowd(cls, patient: Patient, count: int) -> Self:
        """`count` patients with the same single record."""
        return cls(
            "crowd",
            patient.records[:1].repeat(count, *[1] * (patient.records.dim() - 1)),
            patient.labels[:1].repeat(count),
            np.arange(count, dtype=np.int64),
            count,
        )

    @classmethod
    def of_site(cls, part: Part, most: int) -> Self:
        """The first `most` patients of a site's training rows, with all their records."""
        kept = part.units < most
        return cls(
            "site",
            torch.from_numpy(part.records[kept]),
            torch.from_numpy(part.labels[kept]),
            part.units[kept],
            min(part.count, most),
        )

    def joined_by(self, *patients: Patient) -> Cohort:
        """The same patients, and these after them."""
        sizes = [len(patient.labels) for patient in patients]
        return Cohort(
            " + ".join([self.name, *(patient.name for patient in patients[:1])]),
            torch.cat([self.records, *(patient.records for patient in patients)]),
            torch.cat([self.labels, *(patient.labels for patient in patients)]),
            np.concatenate([self.units, np.repeat(np.arange(len(patients)) + self.count, sizes)]).astype(np.int64),
            self.count + len(patients),
        )

    def training_set(self) -> TrainingSet:
        """As the product's step reads it, by the product's own grouping."""
        return TrainingSet.of(self.records, self.labels, self.units, self.count)
