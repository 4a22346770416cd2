"""Training without privacy, for studies that say `unsafe_no_privacy = true` and for comparison in simulations."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from fedward_shared.contracts.study import SiteTerms, TrainingTerms
from fedward_shared.models.heads.classes import losses
from fedward_shared.privacy.augmentation.plan import Augmentation, check_declared
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.descent import Descent
from fedward_shared.privacy.flat import FlatModel
from fedward_shared.privacy.randomness.noise import RandomSource
from fedward_shared.privacy.sampling import Indices
from fedward_shared.privacy.sums import Loss, Objective

__all__ = ["PlainStepper"]


class PlainStepper:
    """Ordinary minibatch SGD over records: NO clipping, NO noise, NO protection of anybody.

    Records are shuffled and taken in minibatches of round(normaliser); after the last, shuffled anew. A step is one
    minibatch. `sampling_rate` and `records_per_patient` have no meaning here. Neither Opacus nor dp-accounting is
    imported. A site without training records leaves the weights to weight decay and the prox term. `augmentation` is
    what `training.augment` means for these records; the loss is then the mean over their changed copies. `autocast`:
    bfloat16 in the forward and backward pass.
    """

    def __init__(
        self,
        model: nn.Module,
        data: TrainingSet,
        *,
        training: TrainingTerms,
        site: SiteTerms,
        source: RandomSource,
        loss: Loss = losses,
        autocast: bool = False,
        augmentation: Augmentation | None = None,
    ) -> None:
        check_declared(augmentation, training)
        self._model = model
        self._model.train()
        self._data = data
        self._size = max(1, round(site.normaliser))
        self._source = source
        self._objective = Objective(loss, autocast)
        self._augmentation = augmentation
        self._flat = FlatModel(model)
        self._descent = Descent(self._flat, training)
        self._waiting: Indices = np.zeros(0, dtype=np.int64)

    def step(self) -> None:
        """One minibatch step; the model's weights change in place."""
        rows = torch.from_numpy(self._minibatch()).to(self._data.records.device)
        self._flat.gradient.zero_()
        if len(rows):
            for parameter, sink in self._flat.sinks.items():
                parameter.grad = sink
            records, labels = self._data.records[rows], self._data.labels[rows]
            if self._augmentation is not None:
                records, labels = self._augmentation(records, labels, self._source)
            torch.autograd.backward(self._objective.losses(self._model, records, labels).mean())
        self._descent.apply()

    def close(self) -> None:
        """Leaves the model without any trace but its weights."""
        for parameter in self._flat.sinks:
            parameter.grad = None
        self._flat.close()

    def _minibatch(self) -> Indices:
        if not len(self._waiting):
            self._waiting = np.argsort(self._source.uniform(len(self._data.order)), kind="stable")
        rows, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        return rows
