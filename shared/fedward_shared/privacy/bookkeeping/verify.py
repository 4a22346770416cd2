"""Whether a model keeps its records apart and its norms come out right: tried on made-up records, before any patient's.

A rule can be right and its use wrong: time before the batch, a layer that sees some of the records, an operation that
mixes them. Such a model is refused here, by comparing with the slow and obviously right way in float64.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.grouping import Grouping

__all__ = ["verify"]

_RECORDS = 3
_TOLERANCE = 1e-6

_PASSED: WeakKeyDictionary[nn.Module, tuple[object, ...]] = WeakKeyDictionary()
"""Models that passed, and what they looked like then."""


def verify(model: nn.Module, example: Tensor) -> None:
    """Checks the fast way on three made-up records, shaped like those of `example`, under made-up weights.

    Neither a record's values nor the weights that a coordinator sent have any say. A model that passed is not tried
    again until its layers, its frozen parameters or the kind of its records change.

    Raises:
        UsageError: the model cannot be trained the fast way: named, with what to do.
    """
    trainable = tuple(parameter.requires_grad for parameter in model.parameters())
    seen = (repr(model), trainable, example.shape[1:], example.dtype)
    if _PASSED.get(model) == seen:
        return
    _try(deepcopy(model).double(), example)
    _PASSED[model] = seen


def _try(trial: nn.Module, example: Tensor) -> None:
    trial.train()
    for module in trial.modules():
        if getattr(module, "dropout", None) or isinstance(module, nn.modules.dropout._DropoutNd):  # noqa: SLF001
            module.training = False
    generator = torch.Generator().manual_seed(0)
    for parameter in trial.parameters():
        spread = (parameter.numel() / max(1, len(parameter)) if parameter.dim() > 1 else 1.0) ** -0.5
        parameter.data = _draw(parameter, parameter.shape, generator) * spread
    records = _draw(example, (_RECORDS, *example.shape[1:]), generator)
    parameters = [parameter for parameter in trial.parameters() if parameter.requires_grad]
    try:
        with BookKeeping(trial) as books:
            books.tape.begin(Grouping.one_each(_RECORDS))
            torch.autograd.backward(_score(trial(records)).sum())
            found = books.tape.squares().sum(dim=0)
    except TrainingError as error:
        raise UsageError(error.message, hint=error.hint) from error
    expected = torch.stack([_square(trial, records[place : place + 1], parameters) for place in range(_RECORDS)])
    if not torch.allclose(found, expected, rtol=_TOLERANCE, atol=_TOLERANCE * float(expected.max())):
        raise UsageError(
            "the model mixes its records, or uses a layer in a way that hides a patient's gradient",
            hint="The first axis must be the record everywhere, and no operation may reach across it. "
            "Ask for the slow way if the model must be as it is.",
        )


def _square(model: nn.Module, record: Tensor, parameters: list[nn.Parameter]) -> Tensor:
    gradients = torch.autograd.grad(_score(model(record)).sum(), parameters, allow_unused=True)
    return torch.stack([each.square().sum() for each in gradients if each is not None]).sum()


def _score(output: Tensor) -> Tensor:
    """One number a record: a fixed mixture of the outputs."""
    flat = output.flatten(1)
    mixture = torch.linspace(0.5, 1.5, flat.shape[1], dtype=flat.dtype, device=flat.device)
    return flat @ mixture


def _draw(like: Tensor, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """Made-up values on the device of `like`: standard normal, or zeros and ones where it holds whole numbers."""
    if not like.is_floating_point():
        return torch.randint(0, 2, tuple(shape), generator=generator).to(like.device, like.dtype)
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float64).to(like.device)
