"""The rule of nn.LSTM, nn.GRU and nn.RNN: the stock layers' outputs, and brute force's norms and sums, all options."""

from collections.abc import Callable
from copy import deepcopy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping import gru, lstm
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from fedward_shared.privacy.bookkeeping.verify import verify
from tests.support.gradients import check, check_bound, check_lost, fast, ragged, score

INPUTS, STATES, STEPS = 4, 5, 6
KINDS = [
    pytest.param(nn.LSTM, id="LSTM"),
    pytest.param(nn.GRU, id="GRU"),
    pytest.param(nn.RNN, id="RNN"),
    pytest.param(partial(nn.RNN, nonlinearity="relu"), id="ReLU"),
]
OPTIONS = [
    pytest.param({}, id="plain"),
    pytest.param({"bias": False}, id="without bias"),
    pytest.param({"num_layers": 2}, id="two layers"),
    pytest.param({"bidirectional": True}, id="both directions"),
    pytest.param({"num_layers": 2, "bidirectional": True, "bias": False}, id="all"),
]
OWNERS = [pytest.param(None, id="records"), pytest.param(ragged([1, 3, 2]), id="patients")]
LENGTHS = torch.tensor([3, 6, 1, 6, 2, 5])

Kind = Callable[..., nn.RNNBase]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_option = pytest.mark.parametrize("options", OPTIONS)


class Model(nn.Module):
    """Records (records, steps, inputs) to all that the layer says of them; `first` says which axis the layer takes."""

    def __init__(self, kind: Kind, *, batch_first: bool = True, packed: str = "", **options: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = kind(INPUTS, STATES, batch_first=batch_first, **options)
        self.packed = packed

    def forward(self, records: Tensor) -> Tensor:
        series: Tensor | PackedSequence = records if self.layer.batch_first else records.transpose(0, 1)
        if self.packed:
            lengths = LENGTHS[records[:, 0, -1].detach().round().long()]
            series = packed(records, lengths, self.packed, batch_first=True)
        output, state = self.layer(series)
        last = state if isinstance(state, tuple) else (state,)
        if isinstance(output, PackedSequence):
            output = nn.utils.rnn.pad_packed_sequence(output, batch_first=True, total_length=records.shape[1])[0]
        elif not self.layer.batch_first:
            output = output.transpose(0, 1)
        return torch.cat([each.flatten(1) for each in (output, *(each.transpose(0, 1) for each in last))], dim=1)


def packed(values: Tensor, lengths: Tensor, kind: str, *, batch_first: bool) -> PackedSequence:
    return pack_padded_sequence(values, lengths, batch_first=batch_first, enforce_sorted=kind == "sorted")


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def numbered(order: Tensor | None = None) -> Tensor:
    """Six records whose last input at the first step says which they are, so that a model can tell their lengths."""
    records = drawn(6, STEPS, INPUTS)
    records[:, 0, -1] = torch.arange(6) if order is None else order
    return records


# -- as the stock layers ----------------------------------------------------------------------------------------------


@each_kind
@each_option
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize(
    ("way", "dtype"),
    [("", torch.float64), ("", torch.float32), ("sorted", torch.float64), ("unsorted", torch.float64)],
)
def test_outputs_and_gradients_of_inputs_are_the_stock_layers(
    *, kind: Kind, options: dict[str, Any], batch_first: bool, given: bool, way: str, dtype: torch.dtype
) -> None:
    layer = kind(INPUTS, STATES, batch_first=batch_first, **options).to(dtype)
    lengths = LENGTHS.sort(descending=True).values if way == "sorted" else LENGTHS
    shape = (layer.num_layers * (1 + layer.bidirectional), 6, STATES)

    def run(model: nn.Module) -> list[Tensor]:
        values = drawn(*((6, STEPS) if batch_first else (STEPS, 6)), INPUTS).to(dtype).requires_grad_()
        states = tuple(drawn(*shape, seed=seed).to(dtype).requires_grad_() for seed in range(1 + (kind is nn.LSTM)))
        series = packed(values, lengths, way, batch_first=batch_first) if way else values
        state = None if not given else states if kind is nn.LSTM else states[0]
        output, last = model(input=series, hx=state)
        ends = last if isinstance(last, tuple) else (last,)
        found = [output.data if isinstance(output, PackedSequence) else output, *ends]
        torch.autograd.backward(torch.stack([(each * drawn(*each.shape).to(dtype)).sum() for each in found]).sum())
        return [*(each.detach() for each in found), *(each.grad for each in (values, *states) if each.grad is not None)]

    expected = run(deepcopy(layer))
    with BookKeeping(layer):
        found = run(layer)
    assert len(found) == len(expected) == (3 if kind is nn.LSTM else 2) + 1 + given * (1 + (kind is nn.LSTM))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12 if dtype == torch.float64 else 3e-6)


@each_kind
def test_packed_outputs_come_back_as_they_went(kind: Kind) -> None:
    layer = kind(INPUTS, STATES)
    series = packed(drawn(STEPS, 6, INPUTS).float(), LENGTHS, "unsorted", batch_first=False)
    with BookKeeping(layer):
        output, _ = layer(series)
    for ours, theirs in zip(output[1:], series[1:], strict=True):
        assert ours is not None
        assert theirs is not None
        assert torch.equal(ours, theirs)


@each_kind
def test_without_gradients_the_stock_layer_itself_computes(kind: Kind) -> None:
    layer, values = kind(INPUTS, STATES), drawn(2, STEPS, INPUTS).float()
    with torch.no_grad():
        expected = layer(values)[0]
        with BookKeeping(layer):
            found = layer(values)[0]
    assert torch.equal(found, expected)


@each_kind
def test_dropout_between_layers_acts_in_training_only(kind: Kind) -> None:
    torch.manual_seed(0)
    layer = kind(INPUTS, STATES, 2, dropout=1.0).double()
    stock, values = deepcopy(layer), drawn(STEPS, 3, INPUTS)
    with BookKeeping(layer):
        dropped = layer(values)[0].detach()
        layer.eval()
        stock.eval()
        kept = layer(values)[0].detach()
    torch.testing.assert_close(kept, stock(values)[0].detach())
    torch.testing.assert_close(dropped, stock.train()(values)[0].detach())
    assert not torch.allclose(kept, dropped)


# -- as brute force ---------------------------------------------------------------------------------------------------


@each_kind
@each_option
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_norms_and_sums_are_those_of_brute_force(
    kind: Kind, options: dict[str, Any], owner: Tensor | None, batch_first: bool, dtype: torch.dtype
) -> None:
    check(Model(kind, batch_first=batch_first, **options), drawn(6, STEPS, INPUTS), owner=owner, dtype=dtype)


@each_kind
@pytest.mark.parametrize("steps", [1, 2, 60])
@pytest.mark.parametrize("owner", OWNERS)
def test_one_step_and_many(kind: Kind, steps: int, owner: Tensor | None) -> None:
    check(Model(kind), drawn(6, steps, INPUTS), owner=owner)
    check(Model(kind), drawn(1, steps, INPUTS))


@each_kind
@each_option
@pytest.mark.parametrize("way", ["", "unsorted"])
@pytest.mark.parametrize("numbers", [1, 300])
def test_it_does_not_matter_how_many_steps_stay_near_the_processor(
    *, monkeypatch: pytest.MonkeyPatch, kind: Kind, options: dict[str, Any], way: str, numbers: int
) -> None:
    for module in (lstm, gru):
        monkeypatch.setattr(module, "CACHED", numbers)
    check(Model(kind, packed=way, **options), numbered())


@each_kind
@each_option
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("way", ["sorted", "unsorted"])
def test_series_of_several_lengths(kind: Kind, options: dict[str, Any], owner: Tensor | None, way: str) -> None:
    order = LENGTHS.argsort(descending=True) if way == "sorted" else None
    check(Model(kind, packed=way, **options), numbered(order), owner=owner)


@each_kind
def test_what_comes_after_a_series_has_ended_has_no_part(kind: Kind) -> None:
    records = numbered()
    ended = torch.arange(STEPS)[None, :] >= LENGTHS[:, None]
    model = Model(kind, packed="unsorted").double()
    found = [fast(model, records.masked_fill(ended[..., None], value)).squares for value in (0.0, float("nan"))]
    assert torch.equal(*found)


@each_kind
@pytest.mark.parametrize("frozen", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_frozen_parameter_has_no_part(kind: Kind, frozen: str, alone: bool) -> None:
    model = Model(kind)
    for name, parameter in model.layer.named_parameters():
        parameter.requires_grad_((name == frozen) != alone)
    check(model, drawn(6, STEPS, INPUTS), owner=ragged([2, 1, 3]))


class Around(nn.Module):
    """A layer whose input and output are changed in place once it has seen and given them, or not."""

    def __init__(self, kind: Kind, *, in_place: bool = True) -> None:
        super().__init__()
        self.in_place = in_place
        torch.manual_seed(0)
        self.layer, self.head = kind(INPUTS, STATES, 2, batch_first=True), nn.Linear(STATES, 2)

    def forward(self, records: Tensor) -> Tensor:
        series = records * 2
        output, _ = self.layer(series)
        if self.in_place:
            series.zero_()
        found: Tensor = self.head(nn.functional.relu(output, inplace=self.in_place)[:, -1])
        return found


@each_kind
def test_changes_in_place_around_the_layer_do_no_harm(kind: Kind) -> None:
    records, model = drawn(6, STEPS, INPUTS), Around(kind).double()
    found, expected = fast(model, records), fast(Around(kind, in_place=False).double(), records)
    torch.testing.assert_close(found.total, expected.total)
    torch.testing.assert_close(found.squares, expected.squares)


@each_kind
def test_a_batch_of_nobody(kind: Kind) -> None:
    for steps in (1, 2, STEPS):
        found = fast(Model(kind, bidirectional=True), torch.zeros(0, steps, INPUTS))
        assert found.squares.shape[1] == 0
        assert not found.total.any()


# -- bounds -----------------------------------------------------------------------------------------------------------


@each_kind
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("steps", [2, 40])
def test_no_patient_comes_out_longer_than_its_bound(kind: Kind, steps: int, autocast: bool) -> None:
    check_bound(Model(kind), drawn(6, steps, INPUTS).float(), owner=ragged([1, 3, 2]), autocast=autocast)


@each_kind
@pytest.mark.parametrize("rest", [0.0, 1e-6])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("steps", [2, 300])
def test_steps_that_cancel_do_not_slip_through_the_clip(kind: Kind, steps: int, autocast: bool, rest: float) -> None:
    """X and -x beside each other, in a layer that forgets at once and hardly looks: both have the same gradient."""
    model = Model(kind, bias=False)
    with torch.no_grad():
        for parameter in model.layer.parameters():
            parameter.mul_(1e-12)
    half = drawn(2, steps // 2, INPUTS) * 1e3
    records = torch.stack([half, -half * (1 - rest)], dim=2).flatten(1, 2).float()
    for clip in (1e-3, 1.0):
        check_bound(model, records, lambda output: output.flatten(1).sum(dim=1), clip=clip, autocast=autocast)


@each_kind
@each_option
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_patient_that_overflows_leaves_no_trace(kind: Kind, options: dict[str, Any], poison: float) -> None:
    model = nn.Sequential(Model(kind, **options))
    check_lost(model, drawn(6, STEPS, INPUTS).float(), owner=ragged([2, 1, 3]), poison=poison)
    check_lost(model, drawn(6, STEPS, INPUTS).float(), poison=poison)


@each_kind
def test_bf16_sums_are_near_those_of_float32(kind: Kind) -> None:
    model, records = nn.Sequential(nn.Linear(7, INPUTS), Model(kind)), drawn(6, STEPS, 7).float()
    near, exact = fast(model, records, score, autocast=True), fast(model, records, score)
    assert float((near.total - exact.total).norm()) < 0.02 * float(exact.total.norm())


# -- refusals ---------------------------------------------------------------------------------------------------------


def test_projected_states_are_refused() -> None:
    with pytest.raises(UsageError, match="proj_size"):
        BookKeeping(nn.LSTM(INPUTS, STATES, proj_size=2))


@each_kind
def test_weights_made_of_others_are_refused(kind: Kind) -> None:
    layer = kind(INPUTS, STATES)
    with pytest.warns(FutureWarning):
        nn.utils.weight_norm(layer, "weight_hh_l0")
    with pytest.raises(UsageError, match="made of others"):
        BookKeeping(layer)
    other = kind(INPUTS, STATES)
    nn.utils.parametrizations.weight_norm(other, "weight_hh_l0")
    with pytest.raises(UsageError):
        BookKeeping(other)


@each_kind
def test_a_series_without_a_record_axis_is_refused(kind: Kind) -> None:
    layer = kind(INPUTS, STATES)
    with BookKeeping(layer), pytest.raises(TrainingError, match="without a record axis"):
        layer(drawn(STEPS, INPUTS).float())


@each_kind
def test_series_without_a_step_are_refused(kind: Kind) -> None:
    layer = kind(INPUTS, STATES)
    with BookKeeping(layer), pytest.raises(TrainingError, match="without a step"):
        layer(torch.zeros(0, 3, INPUTS))


@each_kind
def test_a_layer_used_twice_is_refused(kind: Kind) -> None:
    layer, values = kind(INPUTS, INPUTS), drawn(STEPS, 3, INPUTS).float()
    with BookKeeping(layer), pytest.raises(TrainingError, match="twice"):
        torch.autograd.backward(layer(layer(values)[0])[0].sum())


@each_kind
def test_weights_changed_before_the_backward_pass_are_refused(kind: Kind) -> None:
    layer = kind(INPUTS, STATES)
    with BookKeeping(layer):
        output = layer(drawn(STEPS, 3, INPUTS).float())[0]
        with torch.no_grad():
            layer.get_parameter("weight_hh_l0").zero_()
        with pytest.raises(TrainingError, match="changed between"):
            torch.autograd.backward(output.sum())


@each_kind
@pytest.mark.parametrize("batch_first", [True, False])
def test_a_model_is_verified_as_every_other(kind: Kind, batch_first: bool) -> None:
    verify(Model(kind, batch_first=batch_first, bidirectional=True), drawn(2, 3, INPUTS).float())
    with pytest.raises(UsageError, match="mixes its records"):
        verify(Confused(kind), drawn(2, 3, INPUTS).float())


class Confused(nn.Module):
    """A layer that is given records for steps and steps for records."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.layer = kind(INPUTS, STATES)

    def forward(self, series: Tensor) -> Tensor:
        output: Tensor = self.layer(series)[0]
        return output


@each_kind
def test_time_taken_for_the_record_is_refused(kind: Kind) -> None:
    model = nn.Sequential(nn.Linear(7, INPUTS), kind(INPUTS, STATES))
    values = drawn(3, STEPS, 7).float()
    with BookKeeping(model), pytest.raises(TrainingError, match="number of rows"):
        torch.autograd.backward(model(values)[0].sum())


@each_kind
def test_the_stock_layers_own_refusals_stay(kind: Kind) -> None:
    layer = kind(INPUTS, STATES)
    with BookKeeping(layer):
        with pytest.raises(RuntimeError, match=r"input\.size"):
            layer(drawn(STEPS, 3, INPUTS + 1).float())
        with pytest.raises(ValueError, match="dtype"):
            layer(drawn(STEPS, 3, INPUTS))
