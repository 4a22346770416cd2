"""The rule for parameters in plain operations, and what it is where no gradient is noted."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.per_record import per_record
from fedward_shared.privacy.bookkeeping.verify import verify
from tests.support.gradients import check, check_bound, check_lost, fast, ragged, score


class Plain(nn.Module):
    """A scale, a temperature, a position code, a class token and a pooling's query, as the rule's text has them."""

    def __init__(self, positions: int = 5, width: int = 4) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scale = nn.Parameter(torch.randn(width))
        self.temperature = nn.Parameter(torch.randn(()))
        self.code = nn.Parameter(torch.randn(1, positions, width))
        self.token = nn.Parameter(torch.randn(1, width))
        self.query = nn.Parameter(torch.randn(width))
        self.head = nn.Linear(width, 3)

    def forward(self, values: Tensor) -> Tensor:
        values = values * per_record(self.scale, values)[:, None] + per_record(self.code, values)[:, 0]
        values = torch.cat([per_record(self.token, values), values], dim=1).tanh()
        scores = values @ per_record(self.query, values)[:, :, None]
        weights = (scores * per_record(self.temperature, values)[:, None, None]).softmax(dim=1)
        result: Tensor = self.head((weights * values).sum(dim=1))
        return result


class Scaled(nn.Module):
    """One parameter, with the records of the batch; cancels where positions do."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.scale = nn.Parameter(torch.randn(width))

    def forward(self, values: Tensor) -> Tensor:
        return values * per_record(self.scale, values)[:, None]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", [None, ragged([1, 3, 2]), ragged([2, 2, 2]), ragged([6])])
def test_norms_and_sums_are_those_of_brute_force(owner: Tensor | None, dtype: torch.dtype) -> None:
    check(Plain(), drawn(6, 5, 4), owner=owner, dtype=dtype)
    check(Plain(), drawn(5, 6, 4).transpose(0, 1), owner=owner, dtype=dtype)


def test_one_record_and_a_model_that_is_nothing_but_a_parameter() -> None:
    check(Plain(), drawn(1, 5, 4))
    check(Scaled(), drawn(4, 3, 6), owner=ragged([3, 1]))


@pytest.mark.parametrize("frozen", ["scale", "temperature", "code", "token", "query"])
def test_a_frozen_parameter_has_no_part(frozen: str) -> None:
    model = Plain()
    model.get_parameter(frozen).requires_grad_(False)
    check(model, drawn(6, 5, 4), owner=ragged([1, 3, 2]))


def test_outside_private_training_it_is_the_parameter_of_ordinary_training() -> None:
    model, values = Plain(), drawn(6, 5, 4).float()
    torch.autograd.backward(score(model(values)).sum())
    plain = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and bool(gradient.any()) for gradient in plain)
    model.zero_grad()
    with BookKeeping(model):
        torch.autograd.backward(score(model(values)).sum())
    assert all(parameter.grad is None for parameter in model.parameters())
    torch.autograd.backward(score(model(values)).sum())
    for gradient, parameter in zip(plain, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad)


def test_the_output_is_the_same_attached_or_not_and_without_gradients() -> None:
    model, values = Plain(), drawn(6, 5, 4).float()
    expected = model(values)
    with BookKeeping(model) as books:
        assert torch.equal(model(values), expected)
        with torch.no_grad():
            assert torch.equal(model(values), expected)
        with torch.inference_mode():
            assert torch.equal(model(values), expected)
        with pytest.raises(TrainingError, match="no part"):
            books.tape.squares()


def test_batch_after_batch_of_any_size_is_noted_by_itself() -> None:
    model = Plain()
    with BookKeeping(model) as books:
        for records in (6, 1, 3):
            books.tape.begin()
            torch.autograd.backward(score(model(drawn(records, 5, 4).float())).sum())
            found = books.tape.squares().sum(dim=0)
            again = fast(deepcopy(model), drawn(records, 5, 4).float()).squares.sum(dim=0)
            torch.testing.assert_close(found, again)


def test_a_copy_has_a_tape_of_its_own() -> None:
    model, values = Plain(), drawn(6, 5, 4)
    with BookKeeping(model) as books:
        verify(model, values.float())
        with pytest.raises(TrainingError, match="no part"):
            books.tape.squares()
        books.tape.begin()
        copied = deepcopy(model)
        torch.autograd.backward(score(model(values.float())).sum())
        assert books.tape.squares().shape[1] == 6
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert not bool(copied(values.float()).any())
    check(copied.double(), values)
    assert bool(model(values.float()).any())


def test_a_parameter_used_twice_or_in_plain_sight_is_refused() -> None:
    class Twice(Scaled):
        def forward(self, values: Tensor) -> Tensor:
            return super().forward(super().forward(values))

    class Both(Scaled):
        def forward(self, values: Tensor) -> Tensor:
            return super().forward(values) * self.scale

    for model, reason in ((Twice(), "used twice"), (Both(), "past its layer")):
        with BookKeeping(model), pytest.raises(TrainingError, match=reason):
            torch.autograd.backward(model(drawn(3, 2, 6).float()).sum())


def test_a_parameter_that_falls_on_another_axis_than_the_records_is_refused() -> None:
    class Crossed(Scaled):
        def forward(self, values: Tensor) -> Tensor:
            return values * per_record(self.scale, values)[: values.shape[1]]

    with pytest.raises(UsageError, match="mixes its records"):
        verify(Crossed(), drawn(3, 3, 6))


@pytest.mark.parametrize("records", [1, 3])
def test_what_is_done_in_place_never_reaches_the_parameter(records: int) -> None:
    model = Scaled()
    before = model.scale.detach().clone()
    with BookKeeping(model):
        given = per_record(model.scale, drawn(records, 2, 6))
        if records == 1:
            given.add_(1)
        else:
            with pytest.raises(RuntimeError, match="single memory location"):
                given.add_(1)
    assert torch.equal(model.scale, before)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("rest", [0.0, 1e-7, 1e-6, 1e-4])
def test_positions_and_records_that_cancel_do_not_slip_through_the_clip(rest: float, autocast: bool) -> None:
    half = drawn(3, 50, 6) * 1e3
    records = torch.cat([half, -half * (1 - rest)], dim=1).float()
    opposite = torch.stack([records[0], -records[0] * (1 - rest), records[1]])
    for clip in (1e-3, 1.0):
        for given, owner in ((records, None), (opposite, ragged([2, 1]))):
            check_bound(Scaled(), given, lambda output: output.sum(dim=(1, 2)), owner, clip=clip, autocast=autocast)


@pytest.mark.parametrize("autocast", [False, True])
def test_no_patient_comes_out_longer_than_its_bound(autocast: bool) -> None:
    check_bound(Plain(), drawn(6, 5, 4).float(), owner=ragged([1, 3, 2]), autocast=autocast)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e38])
def test_a_patient_that_overflows_leaves_no_trace(poison: float) -> None:
    check_lost(Scaled(), drawn(6, 5, 6).float(), owner=ragged([2, 1, 3]), poison=poison)
    if poison != 1e38:
        check_lost(Plain(), drawn(6, 5, 4).float(), owner=ragged([2, 1, 3]), poison=poison)
