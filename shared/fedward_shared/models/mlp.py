"""A multi-layer perceptron."""

from __future__ import annotations

from itertools import pairwise
from math import prod

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Perceptron", "mlp"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class Perceptron(nn.Module):
    """Linear layers with an activation between them, over the flattened record."""

    def __init__(self, widths: tuple[int, ...], activation: type[nn.Module]) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), activation()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, records: Tensor) -> Tensor:
        """(records, *shape) -> (records, logits)."""
        logits: Tensor = self.layers(records.flatten(1))
        return logits


def mlp(terms: ModelTerms, problem: Problem) -> Perceptron:
    """`[model] name = "mlp"`: `hidden` (widths of the hidden layers), `activation` (relu or tanh).

    Raises:
        UsageError: an option is unknown or out of range.
    """
    options = Options.of(terms, ("hidden", "activation"))
    hidden = options.widths("hidden", (64, 32), most_layers=16, most=65_536)
    activation = options.choice("activation", "relu", tuple(_ACTIVATIONS))
    return Perceptron((prod(problem.shape), *hidden, problem.outputs), _ACTIVATIONS[activation])
