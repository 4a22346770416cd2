"""Patients made to be seen: what an attacker who may write one patient's records would plant.

Which records pull hardest depends on the model, so candidates (constant and random sign patterns at several scales,
every label) are tried and the gradients of their own losses are compared. All of it uses public things only: the
model with its first weights, and the shape of a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from fedward_shared.models.heads import losses
from fedward_simulations.audit.worlds import Cohort, Patient

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedward_shared.contracts.cohort import DataContract

__all__ = ["KINDS", "Canaries", "gradient_of", "random_records"]

KINDS = ("extreme", "many", "mislabelled", "tiny", "trap")
"""One extreme record; many aligned records; a real record with the wrong label; a tiny gradient; a record of NaN."""

_SCALES = (0.01, 1.0, 3.0, 10.0, 30.0)
_PATTERNS = 6
_MOST_LABELS = 4
_LOOKED_AT = 32
_ALIGNED_TIMES = 4


@dataclass(frozen=True, slots=True)
class Canaries:
    """The planted patients, and the two opposites that a crowd and its adversary are made of."""

    planted: tuple[Patient, ...]
    opposed: Patient
    crowd_member: Patient

    @classmethod
    def design(cls, model: nn.Module, contract: DataContract, site: Cohort, clip_norm: float, *, seed: int) -> Canaries:
        """Canaries for this model and contract; `site` lends a real patient's record to the mislabelled one."""
        labels = range(min(len(contract.label.classes), _MOST_LABELS))
        found = [
            (record, label, gradient_of(model, record[None], torch.tensor([label])))
            for record in _candidates(contract.input_shape, seed)
            for label in labels
        ]
        found = [one for one in found if bool(torch.isfinite(one[2]).all())]
        record, label, _ = max(found, key=lambda one: float(one[2].norm()))
        small, its_label, _ = min(found, key=lambda one: float(one[2].norm()))
        rows = max(2, contract.records_per_patient) * _ALIGNED_TIMES
        extreme = _patient("extreme", record, label, 1)
        planted = (
            extreme,
            _patient("many", record, label, rows),
            _mislabelled(model, site, extreme, list(labels)),
            _patient("tiny", small, its_label, 1),
            _patient("trap", torch.full_like(record, torch.nan), label, 1),
        )
        return cls(planted, *_opposites(found, clip_norm))

    @property
    def extreme(self) -> Patient:
        """The canary that pulls hardest."""
        return self.planted[0]


def gradient_of(model: nn.Module, records: Tensor, labels: Tensor) -> Tensor:
    """The gradient (parameters,) float64 of the mean loss of these records, in the order of model.parameters()."""
    parameters = list(model.parameters())
    parts = torch.autograd.grad(losses(model(records), labels).mean(), parameters, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(parameter) if part is None else part).flatten().double()
            for part, parameter in zip(parts, parameters, strict=True)
        ]
    )


def random_records(shape: tuple[int, ...], count: int, *, scale: float, seed: int) -> Tensor:
    """(count, *shape) float32, every value `scale` or -`scale` at random."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.randint(0, 2, (count, *shape), generator=generator) * 2.0 - 1.0) * scale


def _candidates(shape: tuple[int, ...], seed: int) -> Iterator[Tensor]:
    patterns = [torch.ones(shape), -torch.ones(shape), *random_records(shape, _PATTERNS, scale=1.0, seed=seed)]
    for scale in _SCALES:
        for pattern in patterns:
            yield pattern * scale


def _opposites(found: list[tuple[Tensor, int, Tensor]], clip_norm: float) -> tuple[Patient, Patient]:
    """One record under two labels whose clipped gradients point as far apart as any: canary, member of the crowd."""

    def apart(pair: tuple[tuple[Tensor, int, Tensor], tuple[Tensor, int, Tensor]]) -> float:
        first, second = (one[2] * min(1.0, clip_norm / max(float(one[2].norm()), 1e-30)) for one in pair)
        return float((first - second).norm())

    pairs = [(one, other) for one in found for other in found if one[0] is other[0] and one[1] != other[1]]
    canary, member = max(pairs, key=apart)
    return _patient("opposed", canary[0], canary[1], 1), _patient("member", member[0], member[1], 1)


def _mislabelled(model: nn.Module, site: Cohort, stand_in: Patient, labels: list[int]) -> Patient:
    """The record of a real patient, with whichever label costs most; the stand-in's where the site has nobody."""
    records = site.records[:_LOOKED_AT] if len(site.records) else stand_in.records
    with torch.no_grad():
        cost = torch.stack([losses(model(records), torch.full((len(records),), label)) for label in labels])
    label, row = divmod(int(torch.nan_to_num(cost, nan=-1.0).flatten().argmax()), len(records))
    return _patient("mislabelled", records[row], labels[label], 1)


def _patient(name: str, record: Tensor, label: int, rows: int) -> Patient:
    return Patient(name, record[None].repeat(rows, *[1] * record.dim()), torch.full((rows,), label))
