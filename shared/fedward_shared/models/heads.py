"""The last layer's meaning: two classes are one logit, more are one logit each. Loss and scores follow from it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from fedward_shared.contracts.cohort import DataContract

__all__ = ["losses", "outputs", "probabilities"]

_BINARY = 2


def outputs(contract: DataContract) -> int:
    """How many logits a model for this contract ends with."""
    classes = len(contract.label.classes)
    return 1 if classes == _BINARY else classes


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each record, in nats. `logits` (records, outputs), `labels` (records,) int64 -> (records,)."""
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype), reduction="none")
    return functional.cross_entropy(logits, labels, reduction="none")


def probabilities(logits: Tensor) -> Tensor:
    """(records, outputs) -> (records, classes), each row summing to 1."""
    if logits.shape[1] == 1:
        positive = torch.sigmoid(logits)
        return torch.cat([1 - positive, positive], dim=1)
    return torch.softmax(logits, dim=1)
