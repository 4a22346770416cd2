"""The head that a study needs: what is predicted decides, and for survival the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from fedward_shared.contracts.cohort import DataContract
from fedward_shared.contracts.study import ModelTerms

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["HEAD_OPTIONS", "Head", "head_for"]

HEAD_OPTIONS = ("intervals", "likelihood", "expected_share")
"""Keys of `[model.options]` that belong to a survival study's head, and to no family."""


class Head(Protocol):
    """The meaning of a model's outputs. A loss is a function of one record alone, so that sums over patients are."""

    @property
    def outputs(self) -> int:
        """How many numbers the model gives for a record."""
        ...

    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Each record's loss, in nats. `logits` (records, outputs), `labels` (records,) int64 -> (records,)."""
        ...

    def scores(self, logits: Tensor) -> Tensor:
        """What reports look at: (records, outputs) -> (records, columns), from 0 to 1.

        Classes: a probability for each class, adding up to 1. Survival: the risk of the event up to the end of each of
        the head's intervals, never falling along a row.
        """
        ...


def head_for(terms: ModelTerms, contract: DataContract) -> Head:
    """The head of a study's model.

    Raises:
        UsageError: an option of the head is wrong; it is named.
    """
    if contract.label.follow_up is None:
        from fedward_shared.models.heads.classes import Classes

        return Classes(len(contract.label.classes))
    from fedward_shared.models.heads.survival import survival_head

    return survival_head(terms, contract.label.follow_up)
