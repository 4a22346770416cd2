"""The rule of `nn.MultiheadAttention`: two projections that are noted, and between them attention without weights.

The packed projection is one matrix where query, key and value are one tensor. Where they are not, it is used in parts:
disjoint rows, each with an input of its own (`parts`).

All options of the stock layer are kept, and what they do. Source: Vaswani et al. (2017); PyTorch 2.13,
`torch.nn.functional.multi_head_attention_forward`, for masks, biases and rows that are masked altogether.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.parts import Part, projected
from fedward_shared.privacy.bookkeeping.per_record import per_record
from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["attention"]

Attended = tuple[Tensor, Tensor | None]
"""The output, and the weights of attention where they are asked for."""


def attention(layer: nn.MultiheadAttention, tape: Tape) -> Callable[..., Attended]:
    """A forward of `layer` that is noted, with the arguments and results of the stock one.

    Inputs are (records, positions, width) with `batch_first`, (positions, records, width) without.

    Raises:
        UsageError: something stands in the place of the layer's own parameters.
    """
    _refuse(layer)

    def forward(  # noqa: PLR0917  # the arguments of the stock layer
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> Attended:
        if not tape.trains(*layer.parameters()):
            return nn.MultiheadAttention.forward(
                layer, query, key, value, key_padding_mask, need_weights, attn_mask, average_attn_weights, is_causal
            )
        _check(query, key, value, attn_mask, is_causal)
        q, k, v = (_by_head(layer, each) for each in _projected(layer, tape, (query, key, value)))
        causal = is_causal and key_padding_mask is None and not need_weights
        mask = None if causal else _merged(attn_mask, key_padding_mask, query.dtype, (*q.shape[:3], k.shape[2]))
        k, v, mask = _lengthened(layer, k, v, mask)
        dropout = layer.dropout if layer.training else 0.0
        if not need_weights:
            found = functional.scaled_dot_product_attention(q, k, v, mask, dropout, is_causal=causal)
            return _output(layer, tape, found), None
        found, weights = _attend(q, k, v, mask, dropout)
        return _output(layer, tape, found), weights.mean(dim=1) if average_attn_weights else weights

    return forward


# -- projections ------------------------------------------------------------------------------------------------------


def _projected(layer: nn.MultiheadAttention, tape: Tape, inputs: tuple[Tensor, Tensor, Tensor]) -> list[Tensor]:
    """Query, key and value after their projections, each in the layout of its input."""
    runs = _runs(layer, inputs)
    parts = [_part(layer, first, last) for first, last in runs]
    outputs = projected(tape, parts, [inputs[first] for first, _ in runs], axis=0 if layer.batch_first else 1)
    return [
        each for output, (first, last) in zip(outputs, runs, strict=True) for each in output.chunk(last - first, dim=-1)
    ]


def _runs(layer: nn.MultiheadAttention, inputs: tuple[Tensor, Tensor, Tensor]) -> list[tuple[int, int]]:
    """From where to where query, key and value (0, 1, 2) are one tensor, and so one part of a packed projection."""
    starts = [place for place in range(3) if place == 0 or inputs[place] is not inputs[place - 1]]
    if _own(layer, "in_proj_weight") is None:
        starts = [0, 1, 2]
    return list(zip(starts, [*starts[1:], 3], strict=True))


def _part(layer: nn.MultiheadAttention, first: int, last: int) -> Part:
    places = slice(first * layer.embed_dim, last * layer.embed_dim)
    packed, bias = _own(layer, "in_proj_weight"), _own(layer, "in_proj_bias")
    if packed is not None:
        return Part(packed, places, bias, places)
    return Part(layer.get_parameter(f"{'qkv'[first]}_proj_weight"), slice(None), bias, places)


def _own(module: nn.Module, name: str) -> nn.Parameter | None:
    found = getattr(module, name)
    return found if isinstance(found, nn.Parameter) else None


def _by_head(layer: nn.MultiheadAttention, values: Tensor) -> Tensor:
    """A projection in the layout of the inputs -> (records, heads, positions, width of a head)."""
    heads = values.view(*values.shape[:-1], layer.num_heads, layer.head_dim)
    return heads.transpose(1, 2) if layer.batch_first else heads.permute(1, 2, 0, 3)


def _output(layer: nn.MultiheadAttention, tape: Tape, found: Tensor) -> Tensor:
    """(records, heads, positions, width of a head) -> the output projection, in the layout of the inputs."""
    axis = 0 if layer.batch_first else 1
    joined = (found.transpose(1, 2) if layer.batch_first else found.permute(2, 0, 1, 3)).flatten(2)
    whole = Part(layer.out_proj.get_parameter("weight"), slice(None), _own(layer.out_proj, "bias"), slice(None))
    return projected(tape, [whole], [joined], axis=axis)[0]


# -- attention --------------------------------------------------------------------------------------------------------


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout: float) -> tuple[Tensor, Tensor]:
    """Attention whose weights (records, heads, positions, keys) are told; a row that is masked altogether is NaN."""
    scores = (q * sqrt(1 / q.shape[-1])) @ k.mT
    weights = (scores if mask is None else scores + mask).softmax(dim=-1)
    if dropout > 0:
        weights = functional.dropout(weights, dropout)
    return weights @ v, weights


def _merged(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, dtype: torch.dtype, shape: tuple[int, int, int, int]
) -> Tensor | None:
    """What is added to the scores (records, heads, positions, keys): one tensor of that shape, with ones."""
    records, heads, positions, keys = shape
    mask = None
    if attn_mask is not None:
        _check_mask("attn_mask", attn_mask, (positions, keys), (records * heads, positions, keys))
        shared = attn_mask.dim() == 2  # noqa: PLR2004
        mask = _additive(attn_mask, dtype).view(1 if shared else records, 1 if shared else heads, positions, keys)
    if key_padding_mask is not None:
        _check_mask("key_padding_mask", key_padding_mask, (records, keys))
        padding = _additive(key_padding_mask, dtype).view(records, 1, 1, keys)
        mask = padding if mask is None else mask + padding
    return mask


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A boolean mask, where True is what may not be seen, as what is added to scores; others as they are."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, float("-inf"))


def _lengthened(
    layer: nn.MultiheadAttention, k: Tensor, v: Tensor, mask: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Keys and values with what add_bias_kv and add_zero_attn put behind them, where no mask applies."""
    more = []
    if layer.bias_k is not None:
        more.append([_of_each(layer, layer.get_parameter(name), k) for name in ("bias_k", "bias_v")])
    if layer.add_zero_attn:
        more.append([torch.zeros_like(k[:, :, :1]), torch.zeros_like(v[:, :, :1])])
    if not more:
        return k, v, mask
    keys, values = zip((k, v), *more, strict=True)
    mask = None if mask is None else functional.pad(mask, (0, len(more)))
    return torch.cat(keys, dim=2), torch.cat(values, dim=2), mask


def _of_each(layer: nn.MultiheadAttention, bias: nn.Parameter, k: Tensor) -> Tensor:
    """(1, 1, width) -> (records, heads, 1, width of a head)."""
    return per_record(bias, k).view(len(k), 1, layer.num_heads, layer.head_dim).transpose(1, 2)


# -- what is refused --------------------------------------------------------------------------------------------------

_PARAMETERS = {"in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "in_proj_bias", "bias_k", "bias_v"}
_PARAMETERS |= {"out_proj.weight", "out_proj.bias"}


def _refuse(layer: nn.MultiheadAttention) -> None:
    others = {name for name, _ in layer.named_parameters()} - _PARAMETERS
    if others or not isinstance(layer.out_proj, nn.Linear):
        raise UsageError(
            f"an nn.MultiheadAttention has parameters that are not its own ({', '.join(sorted(others)) or 'out_proj'})",
            hint="Take weight_norm, adapters and the like off, or ask for the slow way.",
        )


def _check(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None, is_causal: bool) -> None:
    if any(each.is_nested or each.dim() != 3 for each in (query, key, value)):  # noqa: PLR2004
        raise TrainingError(
            "an nn.MultiheadAttention was given an input that has no axis of records",
            hint="Query, key and value have three axes: records, positions and width (see batch_first).",
        )
    if is_causal and attn_mask is None:
        raise TrainingError("is_causal is a hint about attn_mask, which is missing", hint="Give the causal mask too.")


def _check_mask(name: str, mask: Tensor, *shapes: tuple[int, ...]) -> None:
    if mask.shape not in shapes or not (mask.dtype == torch.bool or mask.is_floating_point()):
        raise TrainingError(
            f"{name} is {mask.dtype} {tuple(mask.shape)}, where attention needs "
            + " or ".join(str(shape) for shape in shapes),
            hint="A mask is boolean (True: may not be seen) or floating-point (added to the scores).",
        )
