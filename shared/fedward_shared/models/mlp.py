"""A multi-layer perceptron."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from math import prod

import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.embedding import EMBEDDING_OPTIONS, Periodic, Piecewise, embedded
from fedward_shared.models.logistic import SHARE, first_logit
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Layout", "Perceptron", "mlp"]

_ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU, "silu": nn.SiLU}


@dataclass(frozen=True, slots=True)
class Layout:
    """How the layers are put together: see `mlp` for what each of these is."""

    activation: type[nn.Module] = nn.ReLU
    normalise: bool = False
    residual: bool = False
    wide: bool = False
    output_scale: float = 1.0
    start: float | None = None


class Perceptron(nn.Module):
    """Linear layers with an activation between them, over the flattened record."""

    def __init__(self, widths: tuple[int, ...], layout: Layout, embedding: Piecewise | Periodic | None = None) -> None:
        super().__init__()
        inputs, *hidden, logits = widths if embedding is None else (embedding.width, *widths[1:])
        self.embedding = embedding
        layers: list[nn.Module] = []
        for before, after in pairwise((inputs, *hidden)):
            block = [
                nn.Linear(before, after),
                *([nn.LayerNorm(after)] if layout.normalise else ()),
                layout.activation(),
            ]
            layers += [_Shortcut(*block)] if layout.residual and before == after else block
        last = nn.Linear(hidden[-1], logits)
        self.layers = nn.Sequential(*layers, last)
        self.wide = nn.Linear(inputs, logits) if layout.wide else None
        with torch.no_grad():
            last.weight.mul_(layout.output_scale)
            last.bias.mul_(layout.output_scale)
            if layout.start is not None:
                last.bias.fill_(layout.start)
            if self.wide is not None:
                nn.init.zeros_(self.wide.weight)
                nn.init.zeros_(self.wide.bias)

    def forward(self, records: Tensor) -> Tensor:
        """(records, *shape) -> (records, logits)."""
        inputs = records.flatten(1) if self.embedding is None else self.embedding(records)
        logits: Tensor = self.layers(inputs)
        return logits if self.wide is None else logits + self.wide(inputs)


class _Shortcut(nn.Module):
    """Layers around which their input is led, and added (He et al. 2016)."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.inner = nn.Sequential(*layers)

    def forward(self, values: Tensor) -> Tensor:
        through: Tensor = self.inner(values)
        return values + through


def mlp(terms: ModelTerms, problem: Problem) -> Perceptron:
    """`[model] name = "mlp"`: `hidden` (widths of the hidden layers) and `activation` (relu, tanh, gelu or silu).

    And `normalise` (LayerNorm before each activation), `residual` (layers between equal widths are led around), `wide`
    (a logistic regression beside the layers: Cheng et al. 2016), `output_scale` (0 to 1: what the last layer's first
    weights are multiplied by; a small one starts near "nobody knows", so that few noisy steps suffice), and the options
    of `embedding.embedded`. For two classes `expected_share` is the share of records that are known to be in the second
    one, from which training starts (see `logistic`).

    Raises:
        UsageError: an option is unknown or out of range, or the embedding does not fit the data.
    """
    own = ("hidden", "activation", "normalise", "residual", "wide", "output_scale")
    options = Options.of(terms, (*own, *EMBEDDING_OPTIONS, *((SHARE,) if problem.outputs == 1 else ())))
    hidden = options.widths("hidden", (64, 32), most_layers=16, most=65_536)
    layout = Layout(
        _ACTIVATIONS[options.choice("activation", "relu", tuple(_ACTIVATIONS))],
        normalise=options.flag("normalise"),
        residual=options.flag("residual"),
        wide=options.flag("wide"),
        output_scale=options.number("output_scale", 1.0, least=0.0, most=1.0),
        start=first_logit(options) if SHARE in options.values else None,
    )
    return Perceptron((prod(problem.shape), *hidden, problem.outputs), layout, embedded(options, problem))
