"""Patients made to be seen: what an attacker who may write one patient's records would plant.

Which records pull hardest depends on the model, so candidates (constant and random sign patterns at several scales,
every label) are tried and the gradients of their own losses are compared. All of it uses public things only: the
model with its first weights, and the shape of a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

import torch

from fedward_shared.contracts.cohort import TICKS
from fedward_simulations.audit.worlds import Cohort, Patient

if TYPE_CHECKING:
    from torch import Tensor, nn

    from fedward_shared.contracts.cohort import DataContract, Label
    from fedward_shared.models.heads.head import Head

__all__ = ["KINDS", "Canaries", "gradient_of", "labels_tried", "random_records"]

KINDS = ("extreme", "many", "mislabelled", "tiny", "trap")
"""One extreme record; many aligned records; a real record with the wrong label; a tiny gradient; a record of NaN."""

_SCALES = (0.01, 1.0, 3.0, 10.0, 30.0)
_PATTERNS = 6
_MOST_LABELS = 4
_LOOKED_AT = 32
_SKETCH = 4096
_TENTHS, _FIRST = 10, 1e6
_ALIGNED_TIMES = 4


@dataclass(frozen=True, slots=True)
class Canaries:
    """The planted patients; and one who pulls hard against a crowd of members, each of whom pulls just enough."""

    planted: tuple[Patient, ...]
    opposed: Patient
    crowd_member: Patient

    @classmethod
    def design(
        cls, model: nn.Module, head: Head, contract: DataContract, site: Cohort, clip_norm: float, *, seed: int
    ) -> Canaries:
        """Canaries for this model and contract; `site` lends a real patient's record to the mislabelled one."""
        labels = labels_tried(contract.label)
        candidates = _candidates(tuple(site.records.shape[1:]), seed)
        found = [pull for record in candidates for label in labels if (pull := _pull(model, head, record, label))]
        strongest, weakest = (choose(found, key=lambda one: one.norm) for choose in (max, min))
        rows = max(2, contract.records_per_patient) * _ALIGNED_TIMES
        extreme = strongest.patient("extreme")
        planted = (
            extreme,
            strongest.patient("many", rows),
            _mislabelled(model, head, site, extreme, labels),
            weakest.patient("tiny"),
            Patient("trap", torch.full_like(extreme.records, torch.nan), extreme.labels),
        )
        return cls(planted, *_opposites(found, clip_norm))

    @property
    def extreme(self) -> Patient:
        """The canary that pulls hardest."""
        return self.planted[0]


@dataclass(frozen=True, slots=True)
class _Pull:
    """A record with a label: the norm of its gradient, and the direction on some of the coordinates."""

    record: Tensor
    label: int
    norm: float
    sketch: Tensor

    def patient(self, name: str, rows: int = 1) -> Patient:
        """A patient of `rows` such records."""
        return _patient(name, self.record, self.label, rows)


def labels_tried(label: Label) -> list[int]:
    """Some labels: the first classes or, followed up, an event at once, halfway and at the end, and none until then."""
    if label.follow_up is None:
        return list(range(min(len(label.classes), _MOST_LABELS)))
    return [1, TICKS + 1, 2 * TICKS, 2 * TICKS + 1]


def gradient_of(model: nn.Module, head: Head, records: Tensor, labels: Tensor) -> Tensor:
    """The gradient (parameters,) float64 of the mean loss of these records, in the order of model.parameters()."""
    parameters = list(model.parameters())
    parts = torch.autograd.grad(head.losses(model(records), labels).mean(), parameters, allow_unused=True)
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


def _pull(model: nn.Module, head: Head, record: Tensor, label: int) -> _Pull | None:
    """None where the gradient is not finite."""
    gradient = gradient_of(model, head, record[None], torch.tensor([label]))
    norm = float(gradient.norm())
    if not isfinite(norm):
        return None
    sketch = gradient[:: -(-len(gradient) // _SKETCH)]
    return _Pull(record, label, norm, sketch / sketch.norm().clamp(min=1e-300))


def _opposites(found: list[_Pull], clip_norm: float) -> tuple[Patient, Patient]:
    """Whose clipped gradients point as far apart as any, and of those the most unequal before clipping."""
    norms = torch.tensor([one.norm for one in found], dtype=torch.float64)
    clipped = norms.clamp(max=clip_norm) / clip_norm
    sketches = torch.stack([one.sketch for one in found])
    product = clipped[:, None] * clipped[None, :] * (sketches @ sketches.T)
    apart = (clipped.square()[:, None] + clipped.square()[None, :] - 2 * product).clamp(min=0).sqrt()
    unequal = (norms[:, None].clamp(min=1e-300) / norms[None, :].clamp(min=1e-300)).log()
    best = int((apart.mul(_TENTHS).round() * _FIRST + unequal).argmax())
    return found[best // len(found)].patient("opposed"), found[best % len(found)].patient("member")


def _mislabelled(model: nn.Module, head: Head, site: Cohort, stand_in: Patient, labels: list[int]) -> Patient:
    """The record of a real patient, with whichever label costs most; the stand-in's where the site has nobody."""
    records = site.records[:_LOOKED_AT] if len(site.records) else stand_in.records
    with torch.no_grad():
        cost = torch.stack([head.losses(model(records), torch.full((len(records),), label)) for label in labels])
    label, row = divmod(int(torch.nan_to_num(cost, nan=-torch.inf).flatten().argmax()), len(records))
    return _patient("mislabelled", records[row], labels[label], 1)


def _patient(name: str, record: Tensor, label: int, rows: int) -> Patient:
    return Patient(name, record[None].repeat(rows, *[1] * record.dim()), torch.full((rows,), label))
