"""The rule for parameters that a model uses in plain operations: a scale, a position code, a class token, a query.

Call `per_record` where the parameter would stand, once in a forward pass, with any tensor that has a row a record.
It gives the parameter as it is, repeated for each record along a new first axis; in private training each record's
share of the gradient is noted on the way back. With x (records, positions, width)::

    x * per_record(self.scale, x)[:, None]            # a scale (width,)
    x + per_record(self.code, x)                      # a position code (positions, width)
    x + per_record(self.code, x)[:, 0]                # a position code (1, positions, width), as many models have it
    torch.cat([per_record(self.token, x), x], dim=1)  # a class token (1, width)
    x @ per_record(self.query, x)[:, :, None]         # the query of a pooling (width,)

Outside private training it is nothing but ``parameter.expand(len(x), *parameter.shape)``, so that one model serves
both. The norm of a share is that of the very numbers that are summed (`Tape.per_patient`).
"""

from __future__ import annotations

from collections.abc import MutableMapping
from weakref import ReferenceType, ref

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from fedward_shared.privacy.bookkeeping.tape import Tape

__all__ = ["forget", "per_record", "register"]

_TAPES: MutableMapping[nn.Parameter, ReferenceType[Tape]] = WeakIdKeyDictionary()


def per_record(parameter: nn.Parameter, batch: Tensor) -> Tensor:
    """`parameter` for each record of `batch`: (records, *parameter shape), not to be changed in place.

    Raises:
        TrainingError: in the backward pass, where the parameter was used twice.
    """
    known = _TAPES.get(parameter)
    tape = None if known is None else known()
    shape = (len(batch), *parameter.shape)
    if tape is None or not torch.is_grad_enabled():
        return parameter.expand(shape)
    each = parameter.detach().expand(shape)
    if len(batch) == 1:
        each = each.clone()  # or what is done to it in place would be done to the parameter
    return tape.watch(each, lambda gradients: tape.per_record(parameter, gradients.reshape(len(gradients), -1)))


def register(parameter: nn.Parameter, tape: Tape) -> None:
    """From now on `tape` notes this parameter."""
    _TAPES[parameter] = ref(tape)


def forget(parameter: nn.Parameter) -> None:
    """Nobody notes it any longer."""
    _TAPES.pop(parameter, None)
