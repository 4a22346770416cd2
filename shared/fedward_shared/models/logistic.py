"""Logistic regression (two classes) or softmax regression (more)."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Logistic", "logistic"]


class Logistic(nn.Module):
    """One linear layer over the flattened record, started at zero (the loss is convex; no symmetry needs breaking)."""

    def __init__(self, inputs: int, logits: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, logits)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, records: Tensor) -> Tensor:
        """(records, *shape) -> (records, logits)."""
        logits: Tensor = self.linear(records.flatten(1))
        return logits


def logistic(terms: ModelTerms, problem: Problem) -> Logistic:
    """`[model] name = "logistic"`: no options.

    Raises:
        UsageError: an option is given.
    """
    Options.of(terms, ())
    return Logistic(prod(problem.shape), problem.outputs)
