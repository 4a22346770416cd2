"""Classes: two are one logit, more are one logit each. Cross-entropy."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Classes", "losses", "probabilities"]

_BINARY = 2


@dataclass(frozen=True, slots=True)
class Classes:
    """The head of a study that predicts one of `count` classes."""

    count: int

    @property
    def outputs(self) -> int:
        """One for two classes, else one a class."""
        return 1 if self.count == _BINARY else self.count

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """See `losses`."""
        return losses(logits, labels)

    def scores(self, logits: Tensor) -> Tensor:
        """See `probabilities`."""
        return probabilities(logits)


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each record, in nats. `logits` (records, outputs), `labels` (records,) int64 -> (records,)."""
    if logits.shape[1] == 1:
        return functional.binary_cross_entropy_with_logits(logits[:, 0], labels.to(logits.dtype), reduction="none")
    return functional.cross_entropy(logits, labels, reduction="none")


def probabilities(logits: Tensor) -> Tensor:
    """(records, outputs) -> (records, classes), each row adding up to 1."""
    if logits.shape[1] == 1:
        positive = torch.sigmoid(logits)
        return torch.cat([1 - positive, positive], dim=1)
    return torch.softmax(logits, dim=1)
