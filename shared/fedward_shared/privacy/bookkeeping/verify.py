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

__all__ = ["refuse_changing_buffers", "verify"]

_RECORDS = 3
_TOLERANCE = 1e-6

_DROPPING = (nn.RNNBase, nn.MultiheadAttention, nn.modules.dropout._DropoutNd)  # noqa: SLF001  # has no public name
_KNOWN = ("torch.nn.", "fedward_shared.models.")

_PASSED: WeakKeyDictionary[nn.Module, tuple[object, ...]] = WeakKeyDictionary()
"""Models that passed, and what they looked like then."""


def verify(model: nn.Module, example: Tensor) -> None:
    """Checks the fast way on three made-up records, shaped like those of `example`, under made-up weights.

    Neither a record's values nor the weights that a coordinator sent have any say. A model made of PyTorch's and our
    own layers only is not tried again until its layers, its frozen parameters or the kind of its records change; any
    other could behave otherwise without looking so.

    Raises:
        UsageError: the model cannot be trained the fast way: named, with what to do.
    """
    trainable = tuple(parameter.requires_grad for parameter in model.parameters())
    seen = (repr(model), trainable, example.shape[1:], example.dtype)
    if _PASSED.get(model) == seen:
        return
    _try(deepcopy(model).double(), example)
    refuse_changing_buffers(model, example)
    if all(type(module).__module__.startswith(_KNOWN) for module in model.modules()):
        _PASSED[model] = seen


def refuse_changing_buffers(model: nn.Module, example: Tensor) -> None:
    """Whether a forward pass leaves something of its records in the model: running statistics, a count, a cache.

    That would leave the site with the weights, neither clipped nor noised.

    Raises:
        UsageError: it does.
    """
    if not any(True for _ in model.buffers()):
        return
    trial = deepcopy(model)
    trial.train()
    before = [buffer.clone() for buffer in trial.buffers()]
    with torch.no_grad():
        trial(_draw(example, (_RECORDS, *example.shape[1:]), torch.Generator().manual_seed(0)).to(example.dtype))
    after = list(trial.buffers())
    same = len(before) == len(after) and all(map(torch.equal, before, after))
    if not same:
        raise UsageError(
            "a buffer of the model follows the records that pass (running statistics): it would leave without noise",
            hint="Put nn.GroupNorm or nn.LayerNorm in the place of BatchNorm, set track_running_stats=False, and keep "
            "no averages of activations.",
        )


def _try(trial: nn.Module, example: Tensor) -> None:
    trial.train()
    for module in trial.modules():
        if isinstance(module, _DROPPING):
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
