"""The rule for parameters that a model uses in plain operations: a scale, a position code, a class token, a query.

Write ``x * per_record(self.scale, x)`` instead of ``x * self.scale``, once in a forward pass. What `per_record` gives
is the parameter as it is, with the records as the first axis; in private training, each record's share of the
gradient is noted on the way back.
"""

from __future__ import annotations

from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["forget", "per_record", "register"]

_TAPES: WeakIdKeyDictionary = WeakIdKeyDictionary()


def per_record(parameter: nn.Parameter, batch: Tensor) -> Tensor:
    """`parameter` for each record of `batch`: (records, *parameter shape), without a copy."""
    known: ReferenceType[Tape] | None = _TAPES.get(parameter)
    tape = None if known is None else known()
    shape = (len(batch), *parameter.shape)
    if tape is None or not torch.is_grad_enabled():
        return parameter.expand(shape)
    each = parameter.detach().expand(shape).requires_grad_()
    return tape.watch(each, lambda gradients: tape.per_record(parameter, gradients))


def register(parameter: nn.Parameter, tape: Tape) -> None:
    """From now on `tape` notes this parameter."""
    _TAPES[parameter] = ref(tape)


def forget(parameter: nn.Parameter) -> None:
    """Nobody notes it any longer."""
    _TAPES.pop(parameter, None)
