"""Logistic regression (two classes) or softmax regression (more)."""

from __future__ import annotations

from math import log, prod

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.embedding import EMBEDDING_OPTIONS, Periodic, Piecewise, embedded
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["SHARE", "Logistic", "first_logit", "logistic"]

SHARE = "expected_share"
"""The key of `[model.options]` that `first_logit` reads."""
_LEAST = 0.001


class Logistic(nn.Module):
    """One linear layer over the flattened record.

    It starts at zero, since the loss is convex and no symmetry needs breaking, but for what `start` says of everybody.
    """

    def __init__(
        self, inputs: int, logits: int, embedding: Piecewise | Periodic | None = None, start: float = 0.0
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.linear = nn.Linear(inputs if embedding is None else embedding.width, logits)
        nn.init.zeros_(self.linear.weight)
        nn.init.constant_(self.linear.bias, start)

    def forward(self, records: Tensor) -> Tensor:
        """(records, *shape) -> (records, logits)."""
        inputs = records.flatten(1) if self.embedding is None else self.embedding(records)
        logits: Tensor = self.linear(inputs)
        return logits


def logistic(terms: ModelTerms, problem: Problem) -> Logistic:
    """`[model] name = "logistic"`: the options of `embedding.embedded`, and for two classes `expected_share`.

    With `embedding = "piecewise"` it is an additive model: one piecewise-linear curve a number, which a clinician can
    read, and which becomes a risk score (`scorecard`).

    `expected_share` is the share of records expected in the second class, a known figure and not the data's: training
    starts from it, where the class is rare, instead of spending its first steps (and with privacy their noise) on it.

    Raises:
        UsageError: an option is unknown or out of range, or the embedding does not fit the data.
    """
    options = Options.of(terms, (*EMBEDDING_OPTIONS, *((SHARE,) if problem.outputs == 1 else ())))
    return Logistic(prod(problem.shape), problem.outputs, embedded(options, problem), start=first_logit(options))


def first_logit(options: Options) -> float:
    """The logit of `expected_share`, 0 if it is not given.

    Raises:
        UsageError: it is out of range.
    """
    share = options.number(SHARE, 0.5, least=_LEAST, most=1 - _LEAST)
    return log(share / (1 - share))
