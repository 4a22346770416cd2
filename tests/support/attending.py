"""A model around nn.MultiheadAttention that calls it in every way there is, each record by itself."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["MASKS", "MIXES", "Attending"]

MIXES = ("self", "query apart", "value apart", "all apart", "query is value")
MASKS = ("none", "causal", "causal hint", "shared", "of heads", "padding", "padding and causal")


class Attending(nn.Module):
    """(records, positions, 8) -> (records, positions, 9): attention and, where told, a word of its weights.

    `mix` says which of query, key and value are one tensor, `mask` which mask there is, `added` whether masks are
    added rather than boolean, and `told` whether the weights are asked for ("mean", "each" head's) and used.
    """

    def __init__(
        self, mix: str = "self", mask: str = "none", *, added: bool = False, told: str = "no", **options: bool | float
    ) -> None:
        super().__init__()
        self.layer = nn.MultiheadAttention(8, 2, **{"batch_first": True, **options})
        self.mix, self.mask, self.added, self.told = mix, mask, added, told

    def forward(self, values: Tensor) -> Tensor:
        inputs = self._inputs(values)
        masks = self._masks(inputs[0], inputs[1])
        if not self.layer.batch_first:
            moved = {id(each): each.transpose(0, 1) for each in inputs}
            inputs = moved[id(inputs[0])], moved[id(inputs[1])], moved[id(inputs[2])]
        found, weights = self.layer(
            *inputs, need_weights=self.told != "no", average_attn_weights=self.told == "mean", **masks
        )
        output: Tensor = found if self.layer.batch_first else found.transpose(0, 1)
        if weights is None:
            return torch.cat([output, output[..., :1].sin()], dim=-1)
        told = (weights if weights.dim() == 3 else weights.flatten(1, 2)).square().sum(dim=(1, 2))
        return torch.cat([output, told[:, None, None].expand(-1, output.shape[1], 1)], dim=-1)

    def _inputs(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Fewer keys than queries where these are apart; widths as the layer has them."""
        keys, others = values[:, 1:].tanh(), values[:, 1:].sin()
        if {self.layer.kdim, self.layer.vdim} != {values.shape[-1]}:
            return values, keys[..., : self.layer.kdim], others[..., : self.layer.vdim]
        full = values.cos()
        return {
            "self": (values, values, values),
            "query apart": (values, keys, keys),
            "value apart": (values, values, full),
            "all apart": (values, keys, others),
            "query is value": (values, full, values),
        }[self.mix]

    def _masks(self, query: Tensor, key: Tensor) -> dict[str, Tensor | bool | None]:
        shape = query.shape[1], key.shape[1]
        later = torch.ones(shape, dtype=torch.bool).triu(1)
        padded = (key[..., 0] > 0.4).index_fill(1, torch.tensor([0]), value=False)
        spotted = (torch.arange(shape[0] * shape[1]).view(shape) % 5 == 1).index_fill(1, torch.tensor([0]), value=False)
        apart = (query[:, :, None, 1] + key[:, None, :, 0] > 0.8).index_fill(2, torch.tensor([0]), value=False)
        attn: dict[str, Tensor] = {
            "causal": later,
            "causal hint": later,
            "shared": spotted,
            "of heads": apart.repeat_interleave(self.layer.num_heads, dim=0),
            "padding and causal": later,
        }
        masks = {"attn_mask": attn.get(self.mask), "key_padding_mask": padded if "padding" in self.mask else None}
        given = {name: self._given(mask, query.dtype) for name, mask in masks.items()}
        return {**given, "is_causal": self.mask == "causal hint"}

    def _given(self, mask: Tensor | None, dtype: torch.dtype) -> Tensor | None:
        return mask if mask is None or not self.added or self.mask == "causal hint" else mask.to(dtype) * -1.5
