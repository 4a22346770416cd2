"""Book-keeping fails closed: what no layer's norm bounds is refused by name, before noise is drawn for it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.multiprocessing import reductions
from torch.nn import functional

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping, supported
from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.verify import verify
from tests.support.gradients import check, fast, ragged, reference, score


class Model(nn.Module):
    """Two layers, put together by `wiring`."""

    def __init__(self, wiring: Callable[["Model", Tensor], Tensor]) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first: nn.Module = nn.Linear(4, 4)
        self.second: nn.Module = nn.Linear(4, 4)
        self.wiring = wiring

    def forward(self, values: Tensor) -> Tensor:
        return self.wiring(self, values)


def records(count: int = 4) -> Tensor:
    return torch.randn(count, 4, generator=torch.Generator().manual_seed(0))


WRONG = [
    pytest.param(lambda m, x: m.second(m.first(m.first(x))), "first.weight was used twice", id="reused"),
    pytest.param(lambda m, x: m.first(x), "second.weight took no part", id="unused"),
    pytest.param(lambda m, x: m.first(x) + m.second(x).detach(), "second.weight took no part", id="detached"),
    pytest.param(lambda m, x: m.second(m.first(x) @ m.second.weight), "second.weight was used past", id="plain use"),
    pytest.param(lambda m, x: m.second(m.first(x)) * m.first.bias, "first.bias was used past", id="bias in plain use"),
    pytest.param(
        lambda m, x: m.second(functional.linear(x, m.first.weight)), "first.weight was used past", id="only plain use"
    ),
    pytest.param(lambda m, x: m.second(m.first(x[:2])), "another number of rows", id="some of the records"),
    pytest.param(lambda m, x: m.second(m.first(x.repeat(2, 1))), "another number of rows", id="records twice over"),
    pytest.param(lambda m, x: m.second(m.first(x).view(1, -1, 4)), "another number of rows", id="records joined"),
]


@pytest.mark.parametrize(("wiring", "told"), WRONG)
def test_what_no_norm_bounds_is_told_by_name(wiring: Callable[[Model, Tensor], Tensor], told: str) -> None:
    with pytest.raises(TrainingError, match=told) as caught:
        fast(Model(wiring), records(), owner=ragged([1, 1, 1, 1]))
    assert caught.value.hint
    with pytest.raises(UsageError, match=told):
        verify(Model(wiring), records(1))


def test_a_layer_that_only_some_batches_use_is_told_when_it_is_left_out() -> None:
    model = Model(lambda m, x: m.second(m.first(x)) if x.sum() > 0 else m.first(x))
    fast(model, records().abs())
    with pytest.raises(TrainingError, match=r"second\.weight took no part"):
        fast(model, -records().abs())


def test_tied_parameters_are_refused() -> None:
    model = Model(lambda m, x: m.second(m.first(x)))
    model.second.weight = model.first.weight
    with pytest.raises(UsageError, match=r"first\.weight and second\.weight are tied"):
        BookKeeping(model)
    model.second.weight = nn.Parameter(model.first.get_parameter("weight").data)
    with pytest.raises(UsageError, match=r"first\.weight and second\.weight are tied"):
        BookKeeping(model)


def test_a_model_with_nothing_to_train_is_refused() -> None:
    with pytest.raises(UsageError, match="nothing to train"):
        BookKeeping(nn.Linear(2, 2).requires_grad_(False))


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_normalisation_is_refused(kind: type[nn.BatchNorm1d], affine: bool) -> None:
    with pytest.raises(UsageError, match=r"1 \(.*BatchNorm.*\) mixes the records of a batch"):
        BookKeeping(nn.Sequential(nn.Linear(3, 3), kind(3, affine=affine)))


def test_layers_without_a_rule_are_refused_unless_they_are_frozen() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.PReLU())
    with pytest.raises(UsageError, match=r"1 \(PReLU\) has no rule") as caught:
        BookKeeping(model)
    assert caught.value.hint is not None
    assert all(name in caught.value.hint for name in ("Linear", "Conv2d", *supported()))
    model[1].requires_grad_(False)
    check(model, records()[:, :3])


@pytest.mark.parametrize("normed", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.filterwarnings("ignore:.*weight_norm.*deprecated:FutureWarning")
def test_weights_computed_from_others_are_refused(normed: Callable[[nn.Module], nn.Module]) -> None:
    model = nn.Sequential(normed(nn.Linear(4, 4)), nn.Linear(4, 2))
    with pytest.raises((UsageError, TrainingError)):
        fast(model, records())


def test_an_input_changed_in_place_is_told() -> None:
    def wiring(model: Model, values: Tensor) -> Tensor:
        seen = model.first(values)
        out: Tensor = model.second(seen)
        seen.mul_(2)
        return out

    with pytest.raises(TrainingError, match="changed in place after the layer had used it"):
        fast(Model(wiring), records())


def test_two_backward_passes_without_a_step_are_told() -> None:
    model = Model(lambda m, x: m.second(m.first(x)))
    with BookKeeping(model) as books:
        books.tape.begin()
        torch.autograd.backward(model(records()).sum())
        with pytest.raises(TrainingError, match="was used twice in one step"):
            torch.autograd.backward(model(records()).sum())


def test_a_graph_walked_twice_is_told() -> None:
    model = Model(lambda m, x: m.second(m.first(x)))
    with BookKeeping(model) as books:
        books.tape.begin()
        loss = model(records()).sum()
        torch.autograd.backward(loss, retain_graph=True)
        books.tape.begin()
        with pytest.raises(TrainingError, match="went a second time through a layer"):
            torch.autograd.backward(loss)


def test_inputs_are_let_go_of_as_the_backward_pass_is_done_with_them() -> None:
    """Else every step holds all activations to its end."""
    inside: list[Any] = []
    held: list[bool] = []

    def wiring(model: Model, values: Tensor) -> Tensor:
        seen = model.first(values)
        seen.register_hook(lambda _: held.append(not inside[0].expired()))
        inner = seen * 1
        inside.append(reductions.StorageWeakRef(inner.untyped_storage()))  # type: ignore[no-untyped-call]
        out: Tensor = model.second(inner)
        return out

    model = Model(wiring)
    model.second = nn.LayerNorm(4)  # keeps each patient's own gradient: needs its input no more
    with BookKeeping(model):
        torch.autograd.backward(model(records()).sum())
    assert held == [False]


def test_a_step_without_a_backward_pass_is_told() -> None:
    with BookKeeping(Model(lambda m, x: m.second(m.first(x)))) as books:
        books.tape.begin()
        with pytest.raises(TrainingError, match="took no part"):
            books.tape.squares()
        with pytest.raises(TrainingError, match="no backward pass"):
            _ = books.tape.grouping


def test_a_backward_pass_inside_autocast_is_told() -> None:
    model = Model(lambda m, x: m.second(m.first(x)))
    with BookKeeping(model), torch.autocast("cpu", torch.bfloat16):
        loss = model(records()).sum()
        with pytest.raises(TrainingError, match="inside autocast"):
            torch.autograd.backward(loss)


def test_the_tape_is_empty_after_a_step_and_the_model_as_it_was_after_closing() -> None:
    model = Model(lambda m, x: m.second(m.first(x).relu()))
    stock = reference(model, records())
    keys = list(model.state_dict())
    first = fast(model, records())
    again = fast(model, records())
    assert torch.equal(first.total, again.total)
    assert list(model.state_dict()) == keys
    assert not any("forward" in module.__dict__ for module in model.modules())
    torch.autograd.backward(model(records()).sum())
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert torch.equal(reference(model, records()), stock)


def test_all_layers_share_one_factor_or_each_has_its_own() -> None:
    model, values = Model(lambda m, x: m.second(m.first(x).relu())), records().double()
    model.double()
    gradients = reference(model, values)
    factors = torch.linspace(0.1, 1, 8, dtype=torch.float64).view(2, 4)
    with BookKeeping(model) as books:
        for given in (factors[:1], factors[1:].expand(2, 4), factors):
            books.tape.begin()
            torch.autograd.backward(_losses(model(values)))
            assert books.tape.squares().shape == (2, 4)
            sinks = {each: torch.ones_like(each) for each in model.parameters()}
            books.tape.add_clipped(given, None, sinks)
            found = torch.cat([sinks[each].flatten() for each in model.parameters()]) - 1
            each = given.expand(2, 4).repeat_interleave(20, dim=0)
            torch.testing.assert_close(found, (gradients.t() * each).sum(dim=1))


def _losses(output: Tensor) -> Tensor:
    return score(output).sum()


def test_groupings_put_records_beside_their_patients() -> None:
    grouping = Grouping.of(ragged([2, 1, 3]), 3)
    values = torch.arange(6.0)[:, None, None] + 1
    assert grouping.by_patient(values).squeeze(2).tolist() == [[1, 2, 0], [3, 0, 0], [4, 5, 6]]
    assert grouping.sums(values[:, 0]).squeeze(1).tolist() == [3, 3, 15]
    assert grouping.to_records(torch.tensor([7, 8, 9])).tolist() == [7, 7, 8, 9, 9, 9]
    assert Grouping.of(torch.arange(3), 3) == Grouping.one_each(3)


class TimeFirst(nn.Module):
    """As many time steps as records: shapes do not tell."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, values: Tensor) -> Tensor:
        series: Tensor = self.layer(values.transpose(0, 1)).tanh()
        return series.transpose(0, 1)


class Mixing(nn.Module):
    """Centres a batch by its mean before the layer, or after it."""

    def __init__(self, before: bool) -> None:
        super().__init__()
        self.layer, self.before = nn.Linear(4, 3), before

    def forward(self, values: Tensor) -> Tensor:
        if self.before:
            values = values - values.mean(dim=0)
        seen: Tensor = self.layer(values).sigmoid()
        return seen if self.before else seen - seen.mean(dim=0)


@pytest.mark.parametrize("model", [TimeFirst(), Mixing(True), Mixing(False)], ids=["time first", "before", "after"])
def test_a_model_that_mixes_its_records_is_refused(model: nn.Module) -> None:
    example = torch.randn(1, 3, 4) if isinstance(model, TimeFirst) else records(1)
    with pytest.raises(UsageError, match="mixes its records"):
        verify(model, example)


def test_a_model_that_keeps_its_records_apart_is_let_through_unchanged() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(3, 8, 3, padding=1), nn.GroupNorm(2, 8), nn.ReLU(inplace=True), nn.Dropout(0.5)),
        *(nn.Conv2d(8, 4, 3, stride=2, bias=False), nn.InstanceNorm2d(4, affine=True), nn.Flatten()),
        *(nn.Linear(36, 5), nn.LayerNorm(5), nn.Linear(5, 2)),
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    verify(model, torch.randn(2, 3, 8, 8))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any("forward" in module.__dict__ for module in model.modules())
    assert model.training
    verify(nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(6, 2)), torch.zeros(1, 2, dtype=torch.int64))
