"""The rule of nn.MultiheadAttention: every way to call it, held against brute force and against the stock layer."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from tests.support.attending import MASKS, MIXES, Attending
from tests.support.gradients import check, check_bound, check_lost, fast, ragged

OWNERS = [pytest.param(None, id="records"), pytest.param(ragged([1, 3, 2]), id="patients")]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def model(*args: str, **options: bool | float | str) -> Attending:
    torch.manual_seed(0)
    made = Attending(*args, **options)  # type: ignore[arg-type]  # options of several kinds
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))  # biases begin at zero
    return made


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("mix", MIXES)
def test_norms_and_sums_are_those_of_brute_force(mix: str, owner: Tensor | None, dtype: torch.dtype) -> None:
    check(model(mix), drawn(6, 5, 8), owner=owner, dtype=dtype)


@pytest.mark.parametrize("first", [True, False], ids=["records first", "time first"])
@pytest.mark.parametrize("told", ["no", "mean", "each"])
@pytest.mark.parametrize("added", [False, True], ids=["boolean", "added"])
@pytest.mark.parametrize("mask", MASKS)
def test_masks_and_weights(mask: str, added: bool, told: str, first: bool) -> None:
    mix = "self" if "causal" in mask else "query apart"
    check(model(mix, mask, added=added, told=told, batch_first=first), drawn(4, 5, 8), owner=ragged([1, 2, 1]))


@pytest.mark.parametrize("first", [True, False], ids=["records first", "time first"])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"kdim": 5, "vdim": 3}, {"kdim": 5, "bias": False}])
@pytest.mark.parametrize("more", [{"add_bias_kv": True}, {"add_zero_attn": True}, {}])
@pytest.mark.parametrize("told", ["no", "mean"])
def test_projections_and_what_is_put_behind_the_keys(
    options: dict[str, bool | int], more: dict[str, bool], told: str, first: bool
) -> None:
    for mask in ("none", "padding and causal"):
        made = model("all apart", mask, told=told, batch_first=first, **options, **more)
        check(made, drawn(4, 5, 8), owner=ragged([1, 2, 1]))


def test_both_things_behind_the_keys_and_a_single_record() -> None:
    check(model("self", "padding", add_bias_kv=True, add_zero_attn=True), drawn(1, 5, 8))
    check(model("query apart", batch_first=False), drawn(1, 5, 8))
    check(model("self", batch_first=False), drawn(5, 5, 8))


@pytest.mark.parametrize("mix", ["self", "all apart"])
@pytest.mark.parametrize("options", [{}, {"kdim": 8, "vdim": 4}])
def test_any_parameters_may_be_frozen(mix: str, options: dict[str, int]) -> None:
    names = [name for name, _ in model(mix, add_bias_kv=True, **options).named_parameters()]
    for frozen in [[name] for name in names] + [[other for other in names if other != name] for name in names]:
        made = model(mix, add_bias_kv=True, **options)
        for name in frozen:
            made.get_parameter(name).requires_grad_(False)
        check(made, drawn(4, 5, 8), owner=ragged([1, 2, 1]))


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("told", ["no", "each"])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("options", [{"dropout": 0.4}, {"dropout": 0.4, "batch_first": False}])
def test_the_output_is_that_of_the_stock_layer(
    mask: str, told: str, training: bool, options: dict[str, bool | float]
) -> None:
    """With dropout too: the same places are dropped for the same seed, and none out of training."""
    made = model("self", mask, told=told, **options).train(training)
    results = []
    for context in (BookKeeping, deepcopy):
        values = drawn(4, 5, 8).float().requires_grad_()
        held = context(made)
        torch.manual_seed(1)
        output = made(values)
        torch.autograd.backward(output.square().sum())
        assert values.grad is not None
        results.append((output, values.grad))
        if isinstance(held, BookKeeping):
            held.close()
        made.zero_grad()
    for ours, stock in zip(*results, strict=True):
        torch.testing.assert_close(ours, stock, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("told", [True, False])
def test_a_row_that_is_masked_altogether_is_what_it_is_in_the_stock_layer(told: bool) -> None:
    layer, values = model().layer, drawn(3, 5, 8).float()
    padded = torch.zeros(3, 5, dtype=torch.bool)
    padded[1] = True
    expected, weights = layer(values, values, values, key_padding_mask=padded, need_weights=told)
    with BookKeeping(layer):
        found, ours = layer(values, values, values, key_padding_mask=padded, need_weights=told)
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert bool(found[1].isnan().any()) == told
    if told:
        torch.testing.assert_close(ours, weights, equal_nan=True)


@pytest.mark.parametrize("told", ["no", "mean"])
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
def test_a_patient_that_overflows_leaves_no_trace(mix: str, told: str, poison: float) -> None:
    made = model(mix, told=told, add_bias_kv=True)
    check_lost(made, drawn(6, 5, 8).float(), owner=ragged([2, 1, 3]), poison=poison)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("first", [True, False], ids=["records first", "time first"])
def test_no_patient_comes_out_longer_than_its_bound(mix: str, first: bool, autocast: bool) -> None:
    made = model(mix, "padding", batch_first=first, add_bias_kv=True)
    check_bound(made, drawn(6, 5, 8).float(), owner=ragged([1, 3, 2]), autocast=autocast)


@pytest.mark.parametrize("rest", [0.0, 1e-6, 1e-4])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("positions", [4, 64])
def test_positions_that_cancel_do_not_slip_through_the_clip(positions: int, autocast: bool, rest: float) -> None:
    made = model("all apart")
    half = drawn(2, positions // 2, 8) * 1e3
    records = torch.cat([half, -half * (1 - rest)], dim=1).float()
    for clip in (1e-3, 1.0):
        check_bound(made, records, lambda output: output.sum(dim=(1, 2)), clip=clip, autocast=autocast)


def test_bf16_sums_are_near_those_of_float32() -> None:
    made, records = model("query apart", "padding"), drawn(6, 5, 8).float()
    near, exact = fast(made, records, autocast=True), fast(made, records)
    assert float((near.total - exact.total).norm()) < 0.03 * float(exact.total.norm())


@pytest.mark.parametrize("first", [True, False], ids=["records first", "time first"])
@pytest.mark.parametrize("mix", MIXES)
def test_a_batch_of_no_records_is_a_batch_of_no_patients(mix: str, first: bool) -> None:
    made = model(mix, add_bias_kv=True, batch_first=first)
    with BookKeeping(made) as books:
        torch.autograd.backward(made(torch.zeros(0, 5, 8)).sum())
        assert books.tape.grouping.patients == 0


def test_a_layer_whose_weights_alone_are_used_is_refused() -> None:
    """Its output projection takes no part."""
    layer, values = model().layer, drawn(3, 5, 8).float()
    for inputs in ((values, values, values), (values, values, values.sin())):
        with BookKeeping(layer) as books:
            torch.autograd.backward(layer(*inputs)[1].square().sum())
            with pytest.raises(TrainingError, match="took no part"):
                books.tape.squares()


@pytest.mark.parametrize("between", [False, True], ids=["in one step", "in two"])
def test_two_backward_passes_never_mix_their_parts(between: bool) -> None:
    """The first knows of query and key alone; what it leaves must not count as the second's."""
    layer, values = model().layer, drawn(3, 5, 8).float()
    layer.out_proj.requires_grad_(False)
    with BookKeeping(layer) as books:
        output, weights = layer(values, values, values.sin())
        torch.autograd.backward(weights.square().sum(), retain_graph=True)
        if between:
            books.tape.begin()
        with pytest.raises(TrainingError, match="second time"):
            torch.autograd.backward(output.sum())


@pytest.mark.parametrize("mix", MIXES)
def test_a_layer_used_twice_is_refused(mix: str) -> None:
    made, values = model(mix), drawn(3, 5, 8).float()
    with BookKeeping(made), pytest.raises(TrainingError, match="used twice"):
        torch.autograd.backward((made(values) + made(values.flip(1))).sum())


def test_an_input_changed_in_place_is_noticed() -> None:
    made = model("all apart")
    values, other = drawn(3, 5, 8).float(), drawn(3, 5, 8).float()
    with BookKeeping(made):
        output, _ = made.layer(values, other, other.sin())
        other.zero_()
        with pytest.raises(TrainingError, match="changed in place"):
            torch.autograd.backward(output.sum())


def test_calls_without_records_or_with_masks_that_do_not_fit_are_refused() -> None:
    layer, values = model().layer, drawn(3, 5, 8).float()
    calls: list[tuple[Tensor, dict[str, Tensor | bool]]] = [
        (values[0], {}),
        (values, {"is_causal": True}),
        (values, {"attn_mask": torch.zeros(1, 5)}),
        (values, {"attn_mask": torch.zeros(3, 5, 5)}),
        (values, {"attn_mask": torch.zeros(5, 5, dtype=torch.int64)}),
        (values, {"key_padding_mask": torch.zeros(5, 3)}),
    ]
    with BookKeeping(layer):
        for given, options in calls:
            with pytest.raises(TrainingError) as error:
                layer(given, given, given, **options)
            assert error.value.hint


def test_parameters_that_are_not_the_layers_own_are_refused() -> None:
    made = model()
    torch.nn.utils.parametrizations.weight_norm(made.layer.out_proj)
    with pytest.raises(UsageError, match="not its own"):
        BookKeeping(made)
