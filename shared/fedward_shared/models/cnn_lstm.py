"""Convolutions over time, then an LSTM over what is left of it: waves first, their order next."""

from __future__ import annotations

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.models.cnn1d import BLOCK_OPTIONS, Blocks, read_blocks
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem
from fedward_shared.models.recurrent import States

__all__ = ["ConvolutionalRecurrent", "cnn_lstm"]


class ConvolutionalRecurrent(nn.Module):
    """The blocks of `cnn1d`, an LSTM over their output, and a linear layer over its last state or over attention."""

    def __init__(self, blocks: Blocks, width: int, layers: int, states: States, logits: int) -> None:
        super().__init__()
        self.blocks = blocks
        self.recurrent = nn.LSTM(
            width, states.hidden, num_layers=layers, batch_first=True, bidirectional=states.bidirectional
        )
        self.states = states
        self.head = nn.Linear(states.width, logits)

    def forward(self, records: Tensor) -> Tensor:
        """(records, time, leads) -> (records, logits)."""
        series, _ = self.recurrent(self.blocks(records.transpose(1, 2)).transpose(1, 2))
        logits: Tensor = self.head(self.states(series, None))
        return logits


def cnn_lstm(terms: ModelTerms, problem: Problem) -> ConvolutionalRecurrent:
    """`[model] name = "cnn_lstm"`: the blocks of `cnn1d`, and an LSTM's `hidden` width and `layers`.

    `attention` pools its states over time, in place of the last one; `bidirectional` reads time backwards as well.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no signals, or too short for the blocks.
    """
    options = Options.of(terms, (*BLOCK_OPTIONS, "hidden", "layers", "attention", "bidirectional"))
    blocks, width, _ = read_blocks(options, problem, (32, 64, 64))
    layers = options.whole("layers", 1, least=1, most=8)
    states = States(
        options.whole("hidden", 64, least=1, most=8192),
        bidirectional=options.flag("bidirectional"),
        attention=options.flag("attention"),
    )
    return ConvolutionalRecurrent(blocks, width, layers, states, problem.outputs)
