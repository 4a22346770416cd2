"""Encoders and decoders that take time before the records: computed with the records first, as all rules need it.

`nn.TransformerEncoderLayer` and its kin are (positions, records, width) unless `batch_first` is asked for. They
compute the same either way. What comes in is turned once, and what goes out is turned back as a view, so that a stack
of layers copies nothing between them; keys and results stay what they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import signature

import torch
from torch import Tensor, nn

from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["records_first"]

_SERIES = ("src", "tgt", "memory")


def records_first(layer: nn.Module, tape: Tape) -> Callable[..., Tensor]:
    """A forward of a transformer's encoder, decoder or layer with records first inside; its layers have the rules."""
    del tape
    stock: Callable[..., Tensor] = type(layer).forward
    parameters = signature(stock)
    attentions = [each for each in layer.modules() if isinstance(each, nn.MultiheadAttention)]

    def forward(*inputs: Tensor, **options: Tensor | bool | None) -> Tensor:
        late = [each for each in attentions if not each.batch_first]
        if not late or not torch.is_grad_enabled():
            return stock(layer, *inputs, **options)
        given = parameters.bind(layer, *inputs, **options)
        for name in _SERIES:
            series = given.arguments.get(name)
            if isinstance(series, Tensor) and series.dim() == 3:  # noqa: PLR2004
                given.arguments[name] = series.transpose(0, 1).contiguous()
        with _batch_first(late):
            return stock(*given.args, **given.kwargs).transpose(0, 1)

    return forward


@contextmanager
def _batch_first(attentions: Sequence[nn.MultiheadAttention]) -> Iterator[None]:
    for each in attentions:
        each.batch_first = True
    try:
        yield
    finally:
        for each in attentions:
            each.batch_first = False
