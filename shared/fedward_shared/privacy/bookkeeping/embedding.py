"""The rules of `nn.Embedding` and `nn.EmbeddingBag`: a table of which a patient's records touch a few rows.

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

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.norms import squares
from fedward_shared.privacy.bookkeeping.tape import Sinks, Tape
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["embedding", "embedding_bag"]


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
        _Touched.of(rows, tokens.reshape(grouping.records, -1), grouping, layer.padding_idx).note(weight, tape)

    return forward


def embedding_bag(layer: nn.EmbeddingBag, tape: Tape) -> Callable[..., Tensor]:
    """A forward of `layer` that is noted: (records, positions) integers -> (records, width), the sum or the mean.

    Raises:
        UsageError: as for `embedding`, or the layer takes the greatest.
    """
    _refuse(layer)
    if layer.mode == "max":
        raise UsageError("an nn.EmbeddingBag that takes the greatest has no rule", hint='Use mode="sum" or "mean".')

    def forward(tokens: Tensor, offsets: Tensor | None = None, per_sample_weights: Tensor | None = None) -> Tensor:
        weight = layer.weight
        if not isinstance(weight, nn.Parameter) or not tape.trains(weight):
            return nn.EmbeddingBag.forward(layer, tokens, offsets, per_sample_weights)
        if tokens.dim() != 2:  # noqa: PLR2004
            raise TrainingError(
                "an nn.EmbeddingBag was given all bags in one row",
                hint="Give it (records, positions), with padding_idx where bags are shorter.",
            )
        output = functional.embedding_bag(
            tokens,
            weight.detach(),
            offsets,
            mode=layer.mode,
            per_sample_weights=per_sample_weights,
            padding_idx=layer.padding_idx,
        )
        shares = _of_mean(tokens, layer.padding_idx, output.dtype) if layer.mode == "mean" else per_sample_weights
        return tape.watch(output, partial(note, weight), tokens, *(() if shares is None else (shares,)))

    def note(weight: nn.Parameter, gradients: Tensor, tokens: Tensor, shares: Tensor | None = None) -> None:
        grouping = tape.of_records(gradients, tokens)
        _Touched.of(gradients, tokens, grouping, layer.padding_idx, shares).note(weight, tape)

    return forward


@dataclass(frozen=True, slots=True)
class _Touched:
    """The rows of the table that each patient touches: `rows` (n, width) of `tokens` (n,), each of `patients` (n,)."""

    rows: Tensor
    tokens: Tensor
    patients: Tensor

    @classmethod
    def of(
        cls, gradients: Tensor, tokens: Tensor, grouping: Grouping, padding: int | None, shares: Tensor | None = None
    ) -> Self:
        """Sums the gradients of equal tokens of a patient.

        `tokens` (records, positions); `gradients` (records * positions, width), or (records, width) where a record's
        positions have one in common; `shares` (records, positions) is what each position has of it, if not 1.
        """
        owner = torch.arange(grouping.records, device=tokens.device) if grouping.owner is None else grouping.owner
        pairs = (tokens.long() * grouping.patients + owner[:, None]).flatten()
        kept = None if padding is None else (tokens.flatten() != padding).nonzero().squeeze(1)
        pairs, order = (pairs if kept is None else pairs[kept]).sort(stable=True)
        order = order if kept is None else kept[order]
        first = torch.ones_like(pairs, dtype=torch.bool)
        torch.ne(pairs[1:], pairs[:-1], out=first[1:])
        starts = first.nonzero().squeeze(1)
        alike = gradients.shape[0] < tokens.numel()
        sums = functional.embedding_bag(
            order // tokens.shape[1] if alike else order,
            gradients,
            starts,
            mode="sum",
            per_sample_weights=None if shares is None else shares.flatten()[order],
        )
        pairs = pairs[starts]
        return cls(sums, pairs // grouping.patients, pairs % grouping.patients)

    def note(self, weight: nn.Parameter, tape: Tape) -> None:
        """Tells the tape the norms, and how to add the clipped sum of the rows that were touched."""
        norms = self.rows.new_zeros(tape.grouping.patients, dtype=torch.float64)
        norms.index_add_(0, self.patients, squares(self.rows))
        tape.note((weight,), norms, partial(self._add, weight))

    def _add(self, weight: nn.Parameter, weights: Weights, sinks: Sinks) -> None:
        rows = self.rows
        if weights.lost is not None:
            rows = rows.masked_fill(weights.lost[self.patients, None], 0)
        sinks[weight].index_add_(0, self.tokens, rows * weights.patients[self.patients, None])


def _of_mean(tokens: Tensor, padding: int | None, dtype: torch.dtype) -> Tensor:
    """What each position has of a bag's mean, (records, positions); padding is not counted."""
    if padding is None:
        return torch.full(tokens.shape, 1 / max(tokens.shape[1], 1), dtype=dtype, device=tokens.device)
    sizes = (tokens != padding).sum(dim=1, keepdim=True).clamp_(min=1)
    return sizes.to(dtype).reciprocal_().expand(tokens.shape)


def _refuse(layer: nn.Embedding | nn.EmbeddingBag) -> None:
    kind = type(layer).__name__
    if layer.max_norm is not None:
        raise UsageError(
            f"an nn.{kind} with max_norm rescales its rows for the tokens that it sees: no noise covers that",
            hint="Leave max_norm out; weight decay keeps a table small.",
        )
    if layer.scale_grad_by_freq:
        raise UsageError(
            f"an nn.{kind} with scale_grad_by_freq divides by how often the batch has a token: that mixes patients",
            hint="Leave scale_grad_by_freq out.",
        )
