"""The rule of nn.Linear, by one position, by ghost norms and by each patient's own gradient."""

import pytest
import torch
from torch import Tensor, nn

from tests.support.gradients import check, check_bound, check_lost, fast, ragged, score

GRID = [
    pytest.param((5,), 7, id="one position"),
    pytest.param((2, 40), 50, id="ghost"),
    pytest.param((40, 3), 4, id="instantiated"),
    pytest.param((3, 4, 5), 6, id="several axes"),
]
OWNERS = [pytest.param(None, id="records"), pytest.param(ragged([1, 3, 2]), id="patients")]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def layer(before: int, after: int, *, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(before, after, bias=bias)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize(("shape", "width"), GRID)
def test_norms_and_sums_are_those_of_brute_force(
    shape: tuple[int, ...], width: int, owner: Tensor | None, dtype: torch.dtype
) -> None:
    check(layer(shape[-1], width), drawn(6, *shape), owner=owner, dtype=dtype)


@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize(("shape", "width"), GRID)
def test_a_frozen_parameter_has_no_part(shape: tuple[int, ...], width: int, frozen: str) -> None:
    model = layer(shape[-1], width)
    model.get_parameter(frozen).requires_grad_(False)
    check(model, drawn(6, *shape), owner=ragged([2, 1, 3]))


def test_without_bias_with_one_record_and_with_equal_portions() -> None:
    model = layer(5, 3, bias=False)
    check(model, drawn(6, 5), owner=ragged([2, 2, 2]))
    check(model, drawn(1, 4, 5))


def test_inputs_that_are_not_contiguous_and_activations_in_place() -> None:
    model = nn.Sequential(layer(4, 8), nn.ReLU(inplace=True), layer(8, 3), nn.ELU(inplace=True))
    check(model, drawn(6, 4, 5).transpose(1, 2))
    check(model, drawn(6, 5, 4))


def test_a_layer_that_several_layers_follow_is_noted_once() -> None:
    class Forked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.trunk, self.left, self.right = layer(4, 5), layer(5, 2), layer(5, 2)

        def forward(self, values: Tensor) -> Tensor:
            seen = self.trunk(values)
            both: Tensor = self.left(seen) * self.right(seen).tanh() + seen.sum(dim=1, keepdim=True)
            return both

    check(Forked(), drawn(6, 4), owner=ragged([1, 2, 3]))


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize(("shape", "width"), GRID)
def test_a_patient_that_overflows_leaves_no_trace(shape: tuple[int, ...], width: int, poison: float) -> None:
    model = nn.Sequential(layer(shape[-1], width), layer(width, 2))
    check_lost(model, drawn(6, *shape).float(), owner=ragged([2, 1, 3]), poison=poison)
    check_lost(model, drawn(6, *shape).float(), poison=poison)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("shape", "width"), GRID)
def test_no_patient_comes_out_longer_than_its_bound(shape: tuple[int, ...], width: int, autocast: bool) -> None:
    check_bound(layer(shape[-1], width), drawn(6, *shape).float(), owner=ragged([1, 3, 2]), autocast=autocast)


@pytest.mark.parametrize("rest", [0.0, 1e-7, 1e-6, 1e-4])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("positions", [2, 64, 300])
def test_positions_that_cancel_do_not_slip_through_the_clip(positions: int, autocast: bool, rest: float) -> None:
    """X and -x beside each other, with the same loss: gradients as large as they like add up to next to nothing."""
    model = layer(64, 48, bias=False)
    half = drawn(2, positions // 2, 64) * 1e3
    records = torch.cat([half, -half * (1 - rest)], dim=1).float()
    for clip in (1e-3, 1.0):
        check_bound(model, records, steady, clip=clip, autocast=autocast)


@pytest.mark.parametrize("rest", [1e-6, 1e-5, 1e-4])
def test_of_small_layers_rounding_does_not_average_out(rest: float) -> None:
    """Without what `gram_squares` adds for float32, patients come out longer than their bound by up to a half."""
    half = drawn(12, 1, 3) * 1e3
    check_bound(layer(3, 3, bias=False), torch.cat([half, -half * (1 - rest)], dim=1).float(), steady)


def steady(output: Tensor) -> Tensor:
    """A loss whose gradient is the same at all positions."""
    mixture = torch.linspace(-1, 2, output.shape[-1]).sin().to(output.dtype)
    return (output * mixture).flatten(1).sum(dim=1)


def test_bf16_sums_are_near_those_of_float32() -> None:
    model, records = layer(20, 10), drawn(6, 20).float()
    near, exact = fast(model, records, score, autocast=True), fast(model, records, score)
    assert float((near.total - exact.total).norm()) < 0.02 * float(exact.total.norm())
