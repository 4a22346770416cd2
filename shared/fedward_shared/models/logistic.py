"""Logistic regression (two classes) or softmax regression (more)."""

from __future__ import annotations

from math import prod

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.embedding import EMBEDDING_OPTIONS, Periodic, Piecewise, embedded
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Logistic", "logistic"]


class Logistic(nn.Module):
    """One linear layer over the flattened record, started at zero (the loss is convex; no symmetry needs breaking)."""

    def __init__(self, inputs: int, logits: int, embedding: Piecewise | Periodic | None = None) -> None:
        super().__init__()
        self.embedding = embedding
        self.linear = nn.Linear(inputs if embedding is None else embedding.width, logits)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, records: Tensor) -> Tensor:
        """(records, *shape) -> (records, logits)."""
        inputs = records.flatten(1) if self.embedding is None else self.embedding(records)
        logits: Tensor = self.linear(inputs)
        return logits


def logistic(terms: ModelTerms, problem: Problem) -> Logistic:
    """`[model] name = "logistic"`: the options of `embedding.embedded`.

    With `embedding = "piecewise"` it is an additive model: one piecewise-linear curve a number, which a clinician can
    read, and which becomes a risk score (`scorecard`).

    Raises:
        UsageError: an option is unknown or out of range, or the embedding does not fit the data.
    """
    options = Options.of(terms, EMBEDDING_OPTIONS)
    return Logistic(prod(problem.shape), problem.outputs, embedded(options, problem))
