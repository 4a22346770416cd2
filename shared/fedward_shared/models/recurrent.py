"""LSTM and GRU classifiers for series of shape (time, channels). Stock layers: their state_dict keys are PyTorch's.

GRU-D (Che et al. 2018) lets what was measured long ago fade, in the inputs and in the hidden state. `decay` is its
first half. The second needs a cell that is computed step by step in Python, many times slower than the layer that the
private step has a rule for; the deltas among the inputs tell the gates what it would have.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.pooling import AttentionPooling
from fedward_shared.models.problem import Problem
from fedward_shared.models.series import Channels, channels_of

__all__ = ["Decay", "Recurrent", "States", "gru", "lstm"]

_FIRST_RATE = 0.05


class Decay(nn.Module):
    """Held values that fade to the declared centre: x · exp(-max(0, w·δ + b)), w and b a channel (GRU-D, equation 10).

    δ is in steps, and values are 0 at the centre, which stands where GRU-D has the mean over the training data.
    """

    def __init__(self, channels: Channels) -> None:
        super().__init__()
        self.channels = channels
        self.rate = nn.Conv1d(channels.values, channels.values, 1, groups=channels.values)
        nn.init.constant_(self.rate.weight, _FIRST_RATE)
        if self.rate.bias is not None:
            nn.init.zeros_(self.rate.bias)

    def forward(self, records: Tensor) -> Tensor:
        """(records, time, channels) -> the same, with held values faded."""
        values, measured = records[..., : self.channels.values], self.channels.mask(records)
        rates = self.rate(self.channels.delta(records).transpose(1, 2)).transpose(1, 2)
        faded = torch.where(measured, values, values * torch.exp(-rates.clamp(min=0)))
        return torch.cat([faded, records[..., self.channels.values :]], dim=2)


class States(nn.Module):
    """From the states of a recurrent layer to one: attention over time, or the last state of each direction."""

    def __init__(self, hidden: int, *, bidirectional: bool, attention: bool) -> None:
        super().__init__()
        self.hidden, self.bidirectional = hidden, bidirectional
        self.width = hidden * (1 + bidirectional)
        self.attention = AttentionPooling(self.width) if attention else None

    def forward(self, series: Tensor, seen: Tensor | None) -> Tensor:
        """(records, time, width) -> (records, width)."""
        if self.attention is not None:
            pooled: Tensor = self.attention(series, seen)
            return pooled
        if self.bidirectional:
            return torch.cat([series[:, -1, : self.hidden], series[:, 0, self.hidden :]], dim=1)
        return series[:, -1]


class Recurrent(nn.Module):
    """A recurrent layer over time, and a linear layer over its last output or over what attention makes of all."""

    def __init__(
        self,
        cell: type[nn.LSTM | nn.GRU],
        channels: Channels,
        states: States,
        logits: int,
        *,
        layers: int = 1,
        decay: bool = False,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.decay = Decay(channels) if decay else None
        self.recurrent = cell(
            channels.all, states.hidden, num_layers=layers, batch_first=True, bidirectional=states.bidirectional
        )
        self.states = states
        self.head = nn.Linear(states.width, logits)

    def forward(self, records: Tensor) -> Tensor:
        """(records, time, channels) -> (records, logits)."""
        series, _ = self.recurrent(records if self.decay is None else self.decay(records))
        logits: Tensor = self.head(self.states(series, self.channels.seen(records)))
        return logits


def lstm(terms: ModelTerms, problem: Problem) -> Recurrent:
    """`[model] name = "lstm"`: `hidden` width, `layers`, `attention`, `bidirectional`, `decay`.

    With `attention` the states of all steps are pooled, of a series with masks those in which something was measured;
    without, the last one counts. `decay` lets held values fade (see `Decay`).

    Raises:
        UsageError: an option is unknown or out of range, or the data are no series, or none that can fade.
    """
    return _recurrent(nn.LSTM, terms, problem)


def gru(terms: ModelTerms, problem: Problem) -> Recurrent:
    """`[model] name = "gru"`: options as `lstm`.

    Raises:
        UsageError: as `lstm`.
    """
    return _recurrent(nn.GRU, terms, problem)


def _recurrent(cell: type[nn.LSTM | nn.GRU], terms: ModelTerms, problem: Problem) -> Recurrent:
    options = Options.of(terms, ("hidden", "layers", "attention", "bidirectional", "decay"))
    hidden = options.whole("hidden", 64, least=1, most=8192)
    layers = options.whole("layers", 1, least=1, most=8)
    decay = options.flag("decay")
    channels = channels_of(terms.name, problem)
    if decay and not (channels.masks and channels.deltas and channels.held):
        raise UsageError(
            "[model.options] decay: only held values of a series with masks and deltas can fade",
            hint="Set masks, deltas and hold to true in [data.series], or leave decay out.",
        )
    states = States(hidden, bidirectional=options.flag("bidirectional"), attention=options.flag("attention"))
    return Recurrent(cell, channels, states, problem.outputs, layers=layers, decay=decay)
