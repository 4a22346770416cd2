"""LSTM and GRU classifiers for series of shape (time, channels). Stock layers: their state_dict keys are PyTorch's."""

from __future__ import annotations

from torch import Tensor, nn

from fedward_shared.contracts.study import ModelTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options
from fedward_shared.models.problem import Problem

__all__ = ["Recurrent", "gru", "lstm"]

_SERIES_AXES = 2


class Recurrent(nn.Module):
    """A recurrent layer over time, and a linear layer over its last output."""

    def __init__(self, cell: type[nn.LSTM | nn.GRU], channels: int, hidden: int, layers: int, logits: int) -> None:
        super().__init__()
        self.recurrent = cell(channels, hidden, num_layers=layers, batch_first=True)
        self.head = nn.Linear(hidden, logits)

    def forward(self, records: Tensor) -> Tensor:
        """(records, time, channels) -> (records, logits)."""
        series, _ = self.recurrent(records)
        logits: Tensor = self.head(series[:, -1])
        return logits


def lstm(terms: ModelTerms, problem: Problem) -> Recurrent:
    """`[model] name = "lstm"`: `hidden` width, `layers`.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no series.
    """
    return _recurrent(nn.LSTM, terms, problem)


def gru(terms: ModelTerms, problem: Problem) -> Recurrent:
    """`[model] name = "gru"`: `hidden` width, `layers`.

    Raises:
        UsageError: an option is unknown or out of range, or the data are no series.
    """
    return _recurrent(nn.GRU, terms, problem)


def _recurrent(cell: type[nn.LSTM | nn.GRU], terms: ModelTerms, problem: Problem) -> Recurrent:
    options = Options.of(terms, ("hidden", "layers"))
    hidden = options.whole("hidden", 64, least=1, most=8192)
    layers = options.whole("layers", 1, least=1, most=8)
    if len(problem.shape) != _SERIES_AXES:
        raise UsageError(
            f'[model] name: "{terms.name}" needs series, of kind "tensor" and shape [time, channels]',
            hint='For a table take "logistic" or "mlp", for images "cnn".',
        )
    return Recurrent(cell, problem.shape[1], hidden, layers, problem.outputs)
