"""Book-keeping held against brute force: each patient's gradient by itself, in float64, from the stock model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.clipping import FlatClip

__all__ = ["check", "check_bound", "check_lost", "fast", "few", "ragged", "reference", "score"]

Loss = Callable[[Tensor], Tensor]
"""The model's output to one loss a record, (records,)."""

ROUNDING = 1e-4
"""By how much, relatively, a patient may come out longer than the clip norm."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What the fast way found: `squares` (layers, patients) float64, the clipped sum, and the input's gradient."""

    squares: Tensor
    total: Tensor
    inputs: Tensor | None


def score(output: Tensor) -> Tensor:
    """One number a record: a bent mixture of all that the model says of it."""
    flat = output.flatten(1)
    mixture = torch.linspace(-1, 2, flat.shape[1], dtype=torch.float64).sin().to(flat.dtype)
    return (flat * mixture + 0.3 * flat.square()).sum(dim=1)


def ragged(sizes: Sequence[int]) -> Tensor:
    """The owner of each record where patients have so many."""
    return torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))


def few(model: nn.Module) -> bool:
    """Whether the model has a parameter or two: in one dimension gradients cancel by chance."""
    return sum(each.numel() for each in model.parameters()) < 8


def reference(model: nn.Module, records: Tensor, loss: Loss = score, owner: Tensor | None = None) -> Tensor:
    """Each patient's gradient over the trainable parameters, (patients, parameters) float64, one patient at a time."""
    exact = deepcopy(model).double()
    values = records.detach().double() if records.is_floating_point() else records
    owner = torch.arange(len(records)) if owner is None else owner
    parameters = [each for each in exact.parameters() if each.requires_grad]
    rows = []
    for patient in range(int(owner.max()) + 1):
        parts = torch.autograd.grad(loss(exact(values[owner == patient])).sum(), parameters)
        rows.append(torch.cat([part.flatten() for part in parts]))
    return torch.stack(rows)


def fast(
    model: nn.Module,
    records: Tensor,
    loss: Loss = score,
    owner: Tensor | None = None,
    *,
    clip: float = 1e30,
    lost: Tensor | None = None,
    autocast: bool = False,
) -> Sum:
    """One backward pass under book-keeping, clipped to `clip`; the patients that `lost` marks are left out."""
    patients = len(records) if owner is None else int(owner.max()) + 1
    parameters = [each for each in model.parameters() if each.requires_grad]
    with BookKeeping(model) as books:
        books.tape.begin(None if owner is None else Grouping.of(owner, patients))
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            losses = loss(model(records))
        torch.autograd.backward(losses.sum())
        squares = books.tape.squares()
        total = torch.zeros(sum(each.numel() for each in parameters), dtype=parameters[0].dtype)
        views = torch.split(total, [each.numel() for each in parameters])
        sinks = {each: view.view(each.shape) for each, view in zip(parameters, views, strict=True)}
        factors = FlatClip(clip).factors(squares)[:1]
        books.tape.add_clipped(factors, lost, sinks)
    assert all(each.grad is None for each in parameters)
    return Sum(squares, total, records.grad)


def check(
    model: nn.Module,
    records: Tensor,
    loss_per_record: Loss = score,
    owner: Tensor | None = None,
    *,
    dtype: torch.dtype = torch.float64,
    clip: float = 0.3,
    tolerance: float | None = None,
) -> None:
    """Norms, clipped sum and input gradient of book-keeping are those of brute force; the model is left as it was.

    `clip` is relative to the longest of the patients' gradients: below 1, at least one of them is clipped.
    `tolerance` is relative, to the whole vector: 1e-9 in float64 and 1e-5 in float32 if not given. A model with a
    parameter or two has gradients that may cancel to less than float32 can tell: check it in float64.
    """
    allowed = tolerance or (1e-9 if dtype == torch.float64 else 1e-5)
    model = deepcopy(model).to(dtype)
    stock = deepcopy(model)
    values = records.to(dtype) if records.is_floating_point() else records
    gradients = reference(model, values, loss_per_record, owner)
    norms = gradients.norm(dim=1)
    bound = clip * max(float(norms.max()), 1e-6)
    expected = gradients.t() @ (bound / norms.clamp(min=1e-300)).clamp(max=1)
    together = float(norms.clamp(max=bound).sum())  # patients may cancel
    for with_inputs in (False, True) if values.is_floating_point() else (False,):
        given = values.detach().requires_grad_(with_inputs)
        found = fast(model, given, loss_per_record, owner, clip=bound)
        _assert_close(found.squares.sum(dim=0).sqrt(), norms, allowed)
        _assert_close(found.total, expected, allowed, together)
        if with_inputs:
            again = values.detach().requires_grad_()
            torch.autograd.backward(loss_per_record(stock(again)).sum())
            assert found.inputs is not None
            assert again.grad is not None
            _assert_close(found.inputs, again.grad, allowed)
    assert list(model.state_dict()) == list(stock.state_dict())
    assert all("forward" not in module.__dict__ for module in model.modules())


def check_bound(
    model: nn.Module,
    records: Tensor,
    loss_per_record: Loss = score,
    owner: Tensor | None = None,
    *,
    clip: float | None = None,
    autocast: bool = False,
) -> None:
    """What is summed for a patient, alone or among the others, is at most the clip norm and its rounding.

    `clip` is half of the patient's norm, as found, if not given.
    """
    squares = fast(model, records, loss_per_record, owner, autocast=autocast).squares.sum(dim=0)
    for patient, square in enumerate(squares.tolist()):
        bound = clip or max(0.5 * square**0.5, 1e-12)
        others = torch.arange(len(squares)) != patient
        sums = [
            fast(model, records, loss_per_record, owner, clip=bound, lost=lost, autocast=autocast).total.double()
            for lost in (others, None, ~others)
        ]
        assert float(sums[0].norm()) <= bound * (1 + ROUNDING)
        assert float((sums[1] - sums[2]).norm()) <= bound * (1 + ROUNDING)


def check_lost(
    model: nn.Module,
    records: Tensor,
    loss_per_record: Loss = score,
    owner: Tensor | None = None,
    *,
    poison: float = float("nan"),
) -> None:
    """A patient whose first record is `poison` is told by its norm, and left out without a trace."""
    owner = torch.arange(len(records)) if owner is None else owner
    patients = int(owner.max()) + 1
    for patient in {0, patients - 1}:
        bad = records.clone()
        bad[int((owner == patient).nonzero()[0])] = poison
        lost = torch.arange(patients) == patient
        squares = fast(model, bad, loss_per_record, owner).squares
        assert (FlatClip(1.0).factors(squares)[0].float() == 0).tolist() == lost.tolist()
        clip = 0.5 * float(squares.sum(dim=0)[~lost].max()) ** 0.5
        total = fast(model, bad, loss_per_record, owner, clip=clip, lost=lost).total
        _, rest = torch.unique(owner[owner != patient], return_inverse=True)
        without = fast(model, records[owner != patient], loss_per_record, rest, clip=clip).total
        _assert_close(total, without, 1e-6)


def _assert_close(found: Tensor, expected: Tensor, tolerance: float, size: float = 0.0) -> None:
    assert bool(found.isfinite().all())
    error = float((found.double() - expected.double()).norm())
    assert error <= tolerance * max(float(expected.double().norm()), size, 1e-3), f"off by {error}"
