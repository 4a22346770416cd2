"""The rule of `nn.Embedding`: a table of which a patient's records touch a few rows.

A patient's gradient is zero but for the rows of the tokens that the patient has; a token that comes several times, in
one record or in several, gets the sum. Only those rows are formed, one for each pair of token and patient: the work is
O(positions x width), never patients x vocabulary x width. What is measured is what is summed.

The clipped sum touches few rows; the noise must be on the whole table all the same. Rows without noise would tell
which tokens nobody has, and that is not a thing the guarantee allows to be told.

Unit and neighbours: the patient, added or removed. Source: Ghazi et al., Sparsity-Preserving Differentially Private
Training of Large Embedding Models (2023), section 2, for why the noise makes the gradient dense.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.errors import UsageError
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.norms import squares
from fedward_shared.privacy.bookkeeping.tape import Sinks, Tape
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["embedding"]


def embedding(layer: nn.Embedding, tape: Tape) -> Callable[[Tensor], Tensor]:
    """A forward of `layer` that is noted: (records, positions...) integers -> (records, positions..., width).

    `sparse=True` is taken as False: noise is dense. Tokens out of range fail as they do in the stock layer.

    Raises:
        UsageError: the layer's options change weights by the data, or mix records.
    """
    _refuse(layer)

    def forward(tokens: Tensor) -> Tensor:
        weight = layer.weight
        if not isinstance(weight, nn.Parameter) or not tape.trains(weight):
            return nn.Embedding.forward(layer, tokens)
        return tape.watch(functional.embedding(tokens, weight.detach()), partial(note, weight), tokens)

    def note(weight: nn.Parameter, gradients: Tensor, tokens: Tensor) -> None:
        grouping = tape.of_records(gradients, tokens)
        rows = gradients.reshape(-1, gradients.shape[-1])
        touched = _Touched.of(rows, tokens.reshape(len(tokens), -1), grouping, layer.padding_idx)
        tape.note((weight,), touched.norms(grouping.patients), partial(touched.add, weight))

    return forward


@dataclass(frozen=True, slots=True)
class _Touched:
    """The rows of the table that each patient touches: `rows` (n, width) of `tokens` (n,), each of `patients` (n,)."""

    rows: Tensor
    tokens: Tensor
    patients: Tensor

    @classmethod
    def of(cls, gradients: Tensor, tokens: Tensor, grouping: Grouping, padding: int | None) -> Self:
        """Sums the `gradients` (records * positions, width) of equal `tokens` (records, positions) of a patient."""
        owner = torch.arange(grouping.records, device=tokens.device) if grouping.owner is None else grouping.owner
        pairs = (tokens.long() * grouping.patients + owner[:, None]).flatten()
        kept = None if padding is None else (tokens.flatten() != padding).nonzero().squeeze(1)
        pairs, order = (pairs if kept is None else pairs[kept]).sort(stable=True)
        first = torch.ones_like(pairs, dtype=torch.bool)
        torch.ne(pairs[1:], pairs[:-1], out=first[1:])
        starts = first.nonzero().squeeze(1)
        sums = functional.embedding_bag(order if kept is None else kept[order], gradients, starts, mode="sum")
        pairs = pairs[starts]
        return cls(sums, pairs // grouping.patients, pairs % grouping.patients)

    def norms(self, patients: int) -> Tensor:
        """Squared norms, (patients,) float64."""
        total = self.rows.new_zeros(patients, dtype=torch.float64)
        return total.index_add_(0, self.patients, squares(self.rows))

    def add(self, weight: nn.Parameter, weights: Weights, sinks: Sinks) -> None:
        """Adds the clipped sum of the rows that were touched."""
        rows = self.rows
        if weights.lost is not None:
            rows = rows.masked_fill(weights.lost[self.patients, None], 0)
        sinks[weight].index_add_(0, self.tokens, rows * weights.patients[self.patients, None])


def _refuse(layer: nn.Embedding) -> None:
    if layer.max_norm is not None:
        raise UsageError(
            "an nn.Embedding with max_norm rescales its rows for the tokens that it sees: no noise covers that",
            hint="Leave max_norm out; weight decay keeps a table small.",
        )
    if layer.scale_grad_by_freq:
        raise UsageError(
            "an nn.Embedding with scale_grad_by_freq divides by how often the batch has a token: that mixes patients",
            hint="Leave scale_grad_by_freq out.",
        )
