"""Which changes a study declares, for what its records are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedward_shared.contracts.arrays import Image, Series, Signal, Text, TextForm
from fedward_shared.contracts.augmentation import Augment
from fedward_shared.contracts.cohort import DataContract, DataKind, NumberColumn
from fedward_shared.contracts.study import TrainingTerms
from fedward_shared.errors import UsageError
from fedward_shared.privacy.augmentation import images, recordings
from fedward_shared.privacy.augmentation.draws import Draws
from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["Augmentation", "Change", "Noise", "augmentation_for", "check_declared", "continuous_inputs"]

_IMAGE_AXES, _RECORDING_AXES = 3, 2


class Change(Protocol):
    """One kind of change."""

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """New records (n, *shape), each made of its own old one, which stays as it is, and of random numbers."""
        ...


@dataclass(frozen=True, slots=True)
class Noise:
    """Plus independent normal numbers times `deviation`, where `inputs` (Boolean, to be broadcast) are true."""

    deviation: float
    inputs: Tensor

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        """As `plan.Change`."""
        noise = draws.normal(tuple(records.shape)).mul_(self.deviation)
        return records + noise.mul_(self.inputs.to(records.device))


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What `[training.augment]` makes of training records: `copies` of each, changed in the order of `changes`."""

    copies: int
    changes: tuple[Change, ...]

    def __call__(self, records: Tensor, labels: Tensor, source: RandomSource) -> tuple[Tensor, Tensor]:
        """(n, *shape) and (n,) -> (n·copies, *shape) and (n·copies,); a record's copies stand side by side."""
        if self.copies > 1:
            records, labels = (values.repeat_interleave(self.copies, dim=0) for values in (records, labels))
        draws = Draws(source, records.device)
        with torch.no_grad():
            for change in self.changes:
                records = change(records, draws)
        return records, labels


def augmentation_for(contract: DataContract, terms: Augment | None) -> Augmentation | None:
    """The changes that `terms` declare for records of `contract`; None where none are declared.

    A change that records of this kind do not have is left out; the manifest's checks refuse it beforehand.
    """
    if terms is None:
        return None
    continuous = torch.from_numpy(continuous_inputs(contract))
    before, after = _of_kind(contract, terms, continuous)
    if terms.noise and bool(continuous.any()):
        before.append(Noise(terms.noise, continuous))
    return Augmentation(terms.copies, (*before, *after))


def _of_kind(contract: DataContract, terms: Augment, continuous: Tensor) -> tuple[list[Change], list[Change]]:
    """What records of this kind alone have, before and after noise (which would fill a lead that is absent)."""
    form, axes = contract.form, len(contract.input_shape)
    before: list[Change] = []
    after: list[Change] = []
    if contract.kind is DataKind.TABLE:
        return before, after
    if isinstance(form, Image) or (form is None and axes == _IMAGE_AXES):
        if terms.rotate:
            before.append(images.Turn(terms.rotate))
        if terms.flip or terms.shift:
            before.append(images.Move(terms.flip, terms.shift))
        if terms.intensity:
            before.append(images.Brighten(terms.intensity))
    elif isinstance(form, Signal | Series) or (form is None and axes == _RECORDING_AXES):
        aged = isinstance(form, Series) and form.deltas  # what is moved or absent would keep another value's age
        if terms.shift and not aged:
            before.append(recordings.Delay(terms.shift))
        if terms.intensity:
            before.append(recordings.Amplify(terms.intensity, continuous))
        if terms.drop and not aged:
            width = contract.input_shape[1]
            after.append(recordings.Drop(terms.drop, torch.arange(width) % _leads(contract)))
    return before, after


def _leads(contract: DataContract) -> int:
    """How many leads or channels the columns of a recording belong to; a series repeats them for masks and deltas."""
    return len(contract.form.channels) if isinstance(contract.form, Series) else contract.input_shape[1]


def check_declared(augmentation: Augmentation | None, training: TrainingTerms) -> None:
    """Whether a stepper was given what its terms declare.

    Raises:
        UsageError: the terms declare changes and it got none, or the other way round.
    """
    copies = None if augmentation is None else augmentation.copies
    if copies != (training.augment.copies if training.augment else None):
        raise UsageError(
            "[training.augment] and the changes that the step was given do not belong together",
            hint="Give the step augmentation_for(study.data, study.training.augment).",
        )


def continuous_inputs(contract: DataContract) -> NDArray[np.bool_]:
    """Which inputs are measurements, to be broadcast to a record's shape.

    False for what stands for something that is or is not so: one-hot and missing indicators of a table, masks and times
    since the last measurement of a series, tokens of a text.
    """
    if contract.kind is DataKind.TABLE:
        flags: list[bool] = []
        for column in contract.columns:
            flags += [isinstance(column, NumberColumn), *[False] * (column.width - 1)]
        return np.array(flags, dtype=np.bool_)
    form = contract.form
    if isinstance(form, Series):
        return np.arange(form.shape[1]) < len(form.channels)
    return np.array(not (isinstance(form, Text) and form.form is TextForm.TOKENS))
