"""From a series of states to one state: the mean over time, or attention (Bahdanau et al. 2015; Yang et al. 2016)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["AttentionPooling", "mean_over"]


class AttentionPooling(nn.Module):
    """A weighted mean over time; the weights are a softmax of one score a step, made by a linear layer.

    Without a bias, which every step would share and the softmax would take out again.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, states: Tensor, seen: Tensor | None = None) -> Tensor:
        """(records, time, width) -> (records, width). Steps that are not `seen` (records, time) have no weight."""
        scores = self.score(states)[:, :, 0]
        if seen is not None:
            scores = scores.masked_fill(~seen, -torch.inf)
        pooled: Tensor = (scores.softmax(dim=1)[:, :, None] * states).sum(dim=1)
        return pooled


def mean_over(states: Tensor, seen: Tensor | None = None) -> Tensor:
    """The mean over the steps that are `seen`, (records, time) bool: (records, time, width) -> (records, width)."""
    if seen is None:
        return states.mean(dim=1)
    shares = seen.to(states.dtype)
    return (states * shares[:, :, None]).sum(dim=1) / shares.sum(dim=1, keepdim=True)
