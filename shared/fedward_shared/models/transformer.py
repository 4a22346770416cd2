"""A small transformer encoder (Vaswani et al. 2017) for series and signals of shape (time, channels)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.pooling import AttentionPooling, mean_over
from fedward_shared.models.problem import Problem
from fedward_shared.models.series import Channels, channels_of

__all__ = ["Encoder", "Transformer", "sinusoids", "transformer"]

_LONGEST = 10_000.0


@dataclass(frozen=True, slots=True)
class Encoder:
    """The sizes of an encoder."""

    width: int
    heads: int
    layers: int
    feedforward: int
    activation: str = "gelu"


class Transformer(nn.Module):
    """Patches of time through a linear layer, positions added, encoder layers, and a pooling over time.

    Each layer normalises first (Xiong et al. 2020), so that training needs no warm-up; a LayerNorm follows the last.
    Patches of a series with masks in which nothing was measured are neither attended to nor pooled. No dropout.
    """

    def __init__(self, channels: Channels, patch: int, encoder: Encoder, logits: int, *, attention: bool) -> None:
        super().__init__()
        self.channels, self.patch, self.width = channels, patch, encoder.width
        self.embedding = nn.Linear(patch * channels.all, encoder.width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                encoder.width,
                encoder.heads,
                encoder.feedforward,
                dropout=0.0,
                activation=encoder.activation,
                batch_first=True,
                norm_first=True,
            )
            for _ in range(encoder.layers)
        )
        self.norm = nn.LayerNorm(encoder.width)
        self.pooling = AttentionPooling(encoder.width) if attention else None
        self.head = nn.Linear(encoder.width, logits)

    def forward(self, records: Tensor) -> Tensor:
        """(records, time, channels) -> (records, logits). Time is filled up with zeros to whole patches."""
        lacking = -records.shape[1] % self.patch
        filled = functional.pad(records, (0, 0, 0, lacking))
        seen = self._seen(records, lacking)
        states = self.embedding(filled.reshape(records.shape[0], -1, self.embedding.in_features))
        states = states + sinusoids(states.shape[1], self.width, states)
        hidden = None if seen is None else ~seen
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=hidden)
        states = self.norm(states)
        logits: Tensor = self.head(mean_over(states, seen) if self.pooling is None else self.pooling(states, seen))
        return logits

    def _seen(self, records: Tensor, lacking: int) -> Tensor | None:
        """Patches in which something was measured, (records, patches) bool; None where there are no masks."""
        seen = self.channels.seen(records)
        if seen is None:
            return None
        return functional.pad(seen, (0, lacking)).reshape(seen.shape[0], -1, self.patch).any(dim=2)


def sinusoids(steps: int, width: int, like: Tensor) -> Tensor:
    """Fixed positions (steps, width), type and device of `like`: sines in the even places, cosines in the odd ones."""
    places = torch.arange(0, width, 2, dtype=torch.float32, device=like.device)
    rates = torch.exp(places * (-log(_LONGEST) / width))
    angles = torch.arange(steps, dtype=torch.float32, device=like.device)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1).to(like.dtype)


def transformer(terms: ModelTerms, problem: Problem) -> Transformer:
    """`[model] name = "transformer"`: `width` (even, a multiple of `heads`), `heads`, `layers`, `feedforward` width.

    And `patch` (steps that are one token), `pooling` ("mean" or "attention"), `activation` ("gelu" or "relu").

    Raises:
        UsageError: an option is unknown or out of range, or the data are no series.
    """
    known = ("width", "heads", "layers", "feedforward", "patch", "pooling", "activation")
    options = Options.of(terms, known)
    channels = channels_of(terms.name, problem)
    encoder = Encoder(
        options.whole("width", 64, least=2, most=4096),
        options.whole("heads", 4, least=1, most=64),
        options.whole("layers", 2, least=1, most=24),
        options.whole("feedforward", 128, least=1, most=16_384),
        options.choice("activation", "gelu", ("gelu", "relu")),
    )
    if encoder.width % encoder.heads or encoder.width % 2:
        raise UsageError(
            f"[model.options] width: {encoder.width} is not even, or not a multiple of {encoder.heads} heads",
            hint="64 goes with 1, 2, 4 or 8 heads.",
        )
    patch = options.whole("patch", 1, least=1, most=problem.shape[0])
    pooling = options.choice("pooling", "mean", ("mean", "attention"))
    return Transformer(channels, patch, encoder, problem.outputs, attention=pooling == "attention")
