"""The rules of normalisations within a record."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from tests.support.gradients import check, check_bound, check_lost, fast, ragged

Make = Callable[[], nn.Module]
OWNER = ragged([1, 3, 2])
GRID = [
    pytest.param(lambda: nn.GroupNorm(2, 6), (6, 4, 4), id="groups"),
    pytest.param(lambda: nn.GroupNorm(3, 6), (6,), id="groups without space"),
    pytest.param(lambda: nn.GroupNorm(6, 6), (6, 3), id="a channel a group"),
    pytest.param(lambda: nn.GroupNorm(1, 4, eps=0.1), (4, 2, 3, 2), id="one group"),
    pytest.param(lambda: nn.InstanceNorm1d(3, affine=True), (3, 9), id="instances in time"),
    pytest.param(lambda: nn.InstanceNorm2d(3, affine=True, eps=0.1), (3, 4, 5), id="instances"),
    pytest.param(lambda: nn.InstanceNorm3d(3, affine=True), (3, 2, 3, 2), id="instances of voxels"),
    pytest.param(lambda: nn.LayerNorm(5), (5,), id="one position"),
    pytest.param(lambda: nn.LayerNorm(5, eps=0.1), (4, 5), id="positions"),
    pytest.param(lambda: nn.LayerNorm((3, 5)), (2, 4, 3, 5), id="two axes"),
    pytest.param(lambda: nn.LayerNorm((4, 5)), (4, 5), id="a whole record"),
    pytest.param(lambda: nn.LayerNorm(5, bias=False), (4, 5), id="no shift"),
    pytest.param(lambda: nn.RMSNorm(5), (5,), id="root, one position"),
    pytest.param(lambda: nn.RMSNorm((3, 5), eps=0.1), (2, 3, 5), id="root, two axes"),
]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def made(make: Make) -> nn.Module:
    """With a scale and a shift that are not one and zero."""
    model = make()
    with torch.no_grad():
        for place, parameter in enumerate(model.parameters()):
            parameter.copy_(drawn(2, *parameter.shape)[place].abs() + 0.5)
    return model


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", [pytest.param(None, id="records"), pytest.param(OWNER, id="patients")])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_norms_and_sums_are_those_of_brute_force(
    make: Make, shape: tuple[int, ...], owner: Tensor | None, dtype: torch.dtype
) -> None:
    check(made(make), drawn(6, *shape), owner=owner, dtype=dtype)
    check(made(make), drawn(1, *shape) + 3, dtype=dtype)


@pytest.mark.parametrize(("make", "shape"), GRID)
def test_outputs_are_to_the_bit_those_of_the_stock_layer(make: Make, shape: tuple[int, ...]) -> None:
    for kind in (torch.float32, torch.bfloat16):
        model, records = made(make), drawn(6, *shape).to(kind)
        with torch.autocast("cpu", torch.bfloat16, enabled=kind == torch.bfloat16):
            stock = model(records)
            with BookKeeping(model):
                found = model(records)
        assert found.dtype == stock.dtype
        assert torch.equal(found, stock)


@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize(("make", "shape"), [each for each in GRID if each.id != "no shift" and "root" not in each.id])  # type: ignore[operator]
def test_a_frozen_parameter_has_no_part(make: Make, shape: tuple[int, ...], frozen: str) -> None:
    model = made(make)
    model.get_parameter(frozen).requires_grad_(False)
    check(model, drawn(6, *shape), owner=OWNER)


@pytest.mark.parametrize(("make", "shape"), GRID)
def test_layers_around_it_activations_in_place_and_inputs_not_contiguous(make: Make, shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    width = shape[-1]
    model = nn.Sequential(nn.Linear(width, width), made(make), nn.ReLU(inplace=True), nn.Flatten(), nn.LazyLinear(3))
    model(drawn(2, *shape).float())
    records = drawn(*shape, 6).movedim(-1, 0)
    check(model, records, owner=OWNER)


@pytest.mark.parametrize(("make", "shape"), [each for each in GRID if len(each.values[1]) == 3])  # type: ignore[arg-type]
def test_channels_last_inputs(make: Make, shape: tuple[int, ...]) -> None:
    """After a layer: torch 2.13's own GroupNorm crashes in backward if it is the first, on channels-last inputs."""
    torch.manual_seed(0)
    first = nn.Conv2d(shape[0], shape[0], 1)
    first.weight.data = first.weight.data.contiguous(memory_format=torch.channels_last)
    model = nn.Sequential(first, made(make))
    check(model, drawn(6, *shape).contiguous(memory_format=torch.channels_last), owner=OWNER)


@pytest.mark.parametrize(("make", "shape"), GRID)
def test_without_gradients_a_layer_is_the_stock_one(make: Make, shape: tuple[int, ...]) -> None:
    model, records = made(make), drawn(2, *shape).float()
    stock = model(records)
    with BookKeeping(model), torch.no_grad():
        assert torch.equal(model(records), stock)


@pytest.mark.parametrize("poison", [float("nan"), float("inf")])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_a_patient_that_overflows_leaves_no_trace(make: Make, shape: tuple[int, ...], poison: float) -> None:
    check_lost(made(make), drawn(6, *shape).float(), owner=OWNER, poison=poison)
    check_lost(made(make), drawn(6, *shape).float(), poison=poison)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_no_patient_comes_out_longer_than_its_bound(make: Make, shape: tuple[int, ...], autocast: bool) -> None:
    check_bound(made(make), drawn(4, *shape).float(), owner=ragged([1, 2, 1]), autocast=autocast)


@pytest.mark.parametrize("spread", [1e-6, 1e-3, 1.0])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_values_far_from_zero_and_close_together_do_not_slip_through_the_clip(
    make: Make, shape: tuple[int, ...], spread: float
) -> None:
    """What a mean is taken off cancels: the norm must be that of what is left, rounding and all."""
    records = (1e3 + spread * drawn(3, *shape)).float()
    for clip in (1e-3, 1.0):
        check_bound(made(make), records, clip=clip)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", [nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d])
def test_running_statistics_are_refused(kind: type[nn.InstanceNorm1d], affine: bool) -> None:
    """They are no parameters: no noise hides them."""
    with pytest.raises(UsageError, match="mixes the records of a batch"):
        BookKeeping(nn.Sequential(nn.Linear(3, 3), kind(3, affine=affine, track_running_stats=True)))


@pytest.mark.parametrize(
    ("make", "shape"),
    [(lambda: nn.LayerNorm((4, 5)), (4, 5)), (lambda: nn.RMSNorm(5), (5,)), (GRID[4].values[0], (3, 9))],
)
def test_an_input_without_records_is_refused(make: Make, shape: tuple[int, ...]) -> None:
    model = made(make)
    with BookKeeping(model), pytest.raises(TrainingError, match="all of which it takes for one record's"):
        model(torch.zeros(shape))


def test_norms_are_those_of_what_the_stock_layer_computes_in_bf16() -> None:
    model, records = made(lambda: nn.GroupNorm(2, 6)), drawn(6, 6, 4, 4).float()
    near, exact = fast(model, records, autocast=True), fast(model, records)
    assert float((near.total - exact.total).norm()) < 0.02 * float(exact.total.norm())


def test_small_activations_under_autocast_keep_float32s_own_epsilon() -> None:
    torch.manual_seed(0)
    before, norm = nn.Linear(8, 8, bias=False), nn.RMSNorm(8)
    model = nn.Sequential(before, norm)
    with torch.no_grad():
        before.weight.mul_(0.05)
    records = torch.randn(4, 8)

    def loss() -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output: Tensor = model(records)
        return output.float().square().sum()

    (expected,) = torch.autograd.grad(loss(), [norm.weight])
    with BookKeeping(model) as books:
        books.tape.begin()
        torch.autograd.backward(loss())
        squares = books.tape.squares()
        sinks = {parameter: torch.zeros_like(parameter) for parameter in model.parameters()}
        books.tape.add_clipped(torch.ones_like(squares), None, sinks)
    assert float((sinks[norm.weight] - expected).norm()) < 0.02 * float(expected.norm())
