"""Cox's model: one log-risk a record, and one baseline hazard an interval that all records share."""

from __future__ import annotations

from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.embedding import EMBEDDING_OPTIONS, Periodic, Piecewise, embedded
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem
from fedward_shared.models.times import refuse_classes

__all__ = ["Cox", "cox"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}


class Cox(nn.Module):
    """Output j of a record is baseline_j + risk.

    Under the likelihoods "piecewise" and "cloglog" the log of every hazard, and of every ratio of hazards, is linear in
    these (proportional hazards); under "logistic" the odds are proportional (Cox, JRSS B 1972, section 6).

    Without hidden layers the risk is linear and starts at zero, since the loss is convex; with them it is DeepSurv
    (Katzman et al., BMC Medical Research Methodology 2018). The baseline is a linear layer over the number 1, and so a
    layer that the private step knows; it starts at zero, which is the head's declared hazard.
    """

    def __init__(
        self,
        widths: tuple[int, ...],
        intervals: int,
        activation: type[nn.Module],
        embedding: Piecewise | Periodic | None = None,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        layers: list[nn.Module] = []
        widths = widths if embedding is None else (embedding.width, *widths[1:])
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), activation()]
        last = nn.Linear(widths[-1], 1, bias=False)
        if not layers:
            nn.init.zeros_(last.weight)
        self.risk = nn.Sequential(*layers, last)
        self.baseline = nn.Linear(1, intervals, bias=False)
        nn.init.zeros_(self.baseline.weight)

    def forward(self, records: Tensor) -> Tensor:
        """(records, *shape) -> (records, intervals)."""
        risk = self.risk(records.flatten(1) if self.embedding is None else self.embedding(records))
        levels: Tensor = self.baseline(torch.ones_like(risk)) + risk
        return levels


def cox(terms: ModelTerms, problem: Problem) -> Cox:
    """`[model] name = "cox"`: `hidden` (widths of hidden layers, by default none) and `activation`.

    The activation is relu, tanh, gelu or silu. And the options of `embedding.embedded`: with "piecewise" and no hidden
    layers it is an additive model, one curve of log-risk a number.

    Raises:
        UsageError: the label has no follow-up, or an option is unknown or out of range.
    """
    refuse_classes(terms, problem)
    options = Options.of(terms, ("hidden", "activation", *EMBEDDING_OPTIONS))
    hidden = options.widths("hidden", (), most_layers=16, most=65_536) if "hidden" in terms.options else ()
    activation = options.choice("activation", "relu", tuple(_ACTIVATIONS))
    widths = (prod(problem.shape), *hidden)
    return Cox(widths, problem.outputs, _ACTIVATIONS[activation], embedded(options, problem))
