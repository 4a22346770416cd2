"""The rules of convolutions, by ghost norms (of pixels, of patches), by groups and by products with patches."""

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping import kernels
from fedward_shared.privacy.bookkeeping.attach import BookKeeping
from tests.support.gradients import check, check_bound, check_lost, fast, ragged

Make = Callable[[], nn.Module]
Mode = Literal["zeros", "reflect", "replicate", "circular"]
OWNER = ragged([1, 3, 2])
LAYERS: list[tuple[str, Make, tuple[int, ...], str]] = [
    ("few pixels", lambda: nn.Conv2d(40, 40, 3, padding=1), (40, 2, 2), "patch_grams"),
    ("few of many", lambda: nn.Conv2d(30, 60, 1, stride=3), (30, 7, 7), "_ghost"),
    ("few, apart", lambda: nn.Conv1d(24, 30, 3, padding=2, dilation=2), (24, 3), "_ghost"),
    ("few voxels", lambda: nn.Conv3d(128, 16, 3, padding=1), (128, 2, 1, 2), "patch_grams"),
    ("many in vectors", lambda: nn.Conv2d(8, 8, 3, padding=1), (8, 6, 6), "_by_groups"),
    ("many by channels", lambda: nn.Conv2d(12, 5, 3, stride=2), (12, 11, 11), "_by_patches"),
    ("many by rows", lambda: nn.Conv2d(1, 3, 3, padding=(2, 1)), (1, 9, 12), "_by_patches"),
    ("many in time", lambda: nn.Conv1d(3, 6, 7, stride=2, padding=3), (3, 50), "_by_patches"),
    ("many voxels", lambda: nn.Conv3d(2, 3, (1, 2, 3), (1, 2, 1), (0, 1, 1)), (2, 4, 5, 6), "_by_patches"),
    ("in groups", lambda: nn.Conv2d(8, 12, 3, groups=4, padding=2, dilation=2), (8, 5, 5), "_by_groups"),
    ("by depth", lambda: nn.Conv1d(6, 12, 5, groups=6, stride=2), (6, 21), "_by_groups"),
    ("upwards, many", lambda: nn.ConvTranspose2d(4, 3, 3, 2, 1, output_padding=1), (4, 5, 5), "_by_patches"),
    ("upwards, few", lambda: nn.ConvTranspose2d(40, 30, 3, 2, 1, 1), (40, 1, 2), "_ghost"),
    ("upwards, groups", lambda: nn.ConvTranspose3d(4, 6, 2, 2, groups=2), (4, 2, 3, 2), "_by_groups"),
    ("upwards, in time", lambda: nn.ConvTranspose1d(4, 6, 3, 2, dilation=3, output_padding=2), (4, 5), "_ghost"),
    ("upwards, beyond", lambda: nn.ConvTranspose1d(4, 6, 3, 1, 2, 2, 1, True, 3), (4, 9), "_by_patches"),
]  # fmt: skip
GRID = [pytest.param(make, shape, id=name) for name, make, shape, _ in LAYERS]
WAYS = [pytest.param(make, shape, way, id=name) for name, make, shape, way in LAYERS]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def made(make: Make) -> nn.Module:
    torch.manual_seed(0)
    return make()


def channels_last(model: nn.Module) -> nn.Module:
    for parameter in model.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return model


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("owner", [pytest.param(None, id="records"), pytest.param(OWNER, id="patients")])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_norms_and_sums_are_those_of_brute_force(
    make: Make, shape: tuple[int, ...], owner: Tensor | None, dtype: torch.dtype
) -> None:
    check(made(make), drawn(6, *shape), owner=owner, dtype=dtype)


@pytest.mark.parametrize(("make", "shape", "way"), WAYS)
def test_each_of_these_goes_its_own_way(
    make: Make, shape: tuple[int, ...], way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the grid would leave a way untried."""
    gone: list[str] = []
    for name in ("patch_grams", "_ghost", "_by_groups", "_by_patches"):
        monkeypatch.setattr(kernels, name, _told(getattr(kernels, name), gone, name))
    fast(made(make).double(), drawn(6, *shape))
    assert gone[0] == way


def _told(function: Callable[..., object], gone: list[str], name: str) -> Callable[..., object]:
    def telling(*arguments: object, **options: object) -> object:
        gone.append(name)
        return function(*arguments, **options)

    return telling


@pytest.mark.parametrize("frozen", ["weight", "bias"])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_a_frozen_parameter_has_no_part(make: Make, shape: tuple[int, ...], frozen: str) -> None:
    model = made(make)
    model.get_parameter(frozen).requires_grad_(False)
    check(model, drawn(6, *shape), owner=OWNER)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("rows", [4, 10])
def test_both_ways_to_sum_a_deep_layer_agree(rows: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """A product with patches for few rows, torch's weight gradient for more."""
    monkeypatch.setattr(kernels, "_FEW_ROWS", rows * 2)
    check(made(lambda: nn.Conv2d(40, 40, 3, padding=1)), drawn(3, 40, 1, 2), dtype=dtype)
    check(made(lambda: nn.Conv1d(40, 40, 3, stride=2, padding=1)), drawn(6, 40, 4), owner=OWNER, dtype=dtype)


@pytest.mark.parametrize("portion", [1, 100, 10_000])
@pytest.mark.parametrize(("make", "shape"), GRID[4:11])
def test_portions_are_put_together_in_order(
    make: Make, shape: tuple[int, ...], portion: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "_CACHED", portion)
    monkeypatch.setattr(kernels, "_PORTION", portion)
    check(made(make), drawn(6, *shape))
    check(made(make), drawn(6, *shape), owner=OWNER)


def test_large_patches_are_never_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_LARGEST_PATCHES", 100)
    monkeypatch.delattr(kernels, "patches")
    check(made(lambda: nn.Conv3d(1, 3, 3, padding=1)), drawn(4, 1, 5, 5, 5), owner=ragged([2, 1, 1]))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular", "zeros"])
@pytest.mark.parametrize("padding", ["same", 2])
def test_paddings_of_every_kind_are_as_stock_has_them(mode: Mode, padding: str | int) -> None:
    model = made(lambda: nn.Conv2d(3, 4, (4, 3), padding=padding, padding_mode=mode, dilation=(1, 2)))
    check(model, drawn(4, 3, 7, 8), owner=ragged([2, 1, 1]))
    check(made(lambda: nn.Conv1d(3, 4, 3, padding=padding, padding_mode=mode)), drawn(4, 3, 7))


def test_valid_padding_is_none() -> None:
    check(made(lambda: nn.Conv1d(3, 4, 3, padding="valid")), drawn(4, 3, 7))


@pytest.mark.parametrize(("make", "shape"), [each for each in GRID if len(each.values[1]) == 3])  # type: ignore[arg-type]
def test_channels_last_inputs_and_inputs_that_are_not_contiguous(make: Make, shape: tuple[int, ...]) -> None:
    records = drawn(6, *shape)
    check(made(make), records.contiguous(memory_format=torch.channels_last))
    check(channels_last(made(make)), records.contiguous(memory_format=torch.channels_last))
    check(made(make), drawn(shape[0], 6, *shape[1:]).transpose(0, 1), owner=OWNER)
    check(made(make), records[:, :1].expand(records.shape))


def test_activations_in_place_after_it_and_layers_before_it() -> None:
    layers = nn.Conv2d(3, 8, 3), nn.ReLU(inplace=True), nn.Conv2d(8, 4, 3, bias=False), nn.ELU(inplace=True)
    check(made(lambda: nn.Sequential(*layers, nn.Flatten(), nn.Linear(36, 3))), drawn(6, 3, 7, 7), owner=OWNER)


def test_an_output_size_asked_for_is_given() -> None:
    class Asks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.ConvTranspose1d(3, 4, 3, stride=3)

        def forward(self, values: Tensor) -> Tensor:
            sized: Tensor = self.layer(values, output_size=[14])
            return sized

    check(made(Asks), drawn(4, 3, 4), owner=ragged([1, 1, 2]))


@pytest.mark.parametrize("make", [lambda: nn.Conv1d(4, 3, 1), lambda: nn.ConvTranspose1d(4, 3, 1)])
def test_an_input_without_records_is_refused(make: Make) -> None:
    model = made(make)
    with BookKeeping(model), pytest.raises(TrainingError, match="records cannot be told apart"):
        model(torch.zeros(4, 4))


def test_without_gradients_a_layer_is_the_stock_one() -> None:
    model, records = made(lambda: nn.ConvTranspose1d(4, 3, 3, stride=2)), drawn(2, 4, 5).float()
    stock = model(records)
    with BookKeeping(model), torch.no_grad():
        assert torch.equal(model(records), stock)


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), 1e38])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_a_patient_that_overflows_leaves_no_trace(make: Make, shape: tuple[int, ...], poison: float) -> None:
    check_lost(made(make), drawn(6, *shape).float(), owner=OWNER, poison=poison)
    check_lost(made(make), drawn(6, *shape).float(), poison=poison)


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_no_patient_comes_out_longer_than_its_bound(make: Make, shape: tuple[int, ...], autocast: bool) -> None:
    check_bound(made(make), drawn(4, *shape).float(), owner=ragged([1, 2, 1]), autocast=autocast)


@pytest.mark.parametrize("rest", [0.0, 1e-6, 1e-4])
@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize(("make", "shape"), GRID)
def test_positions_that_cancel_do_not_slip_through_the_clip(
    make: Make, shape: tuple[int, ...], autocast: bool, rest: float
) -> None:
    """Large pixels of both signs under a loss that is the same everywhere: patches add up to next to nothing."""
    model = made(make)
    signs = torch.arange(shape[-1]) % 2 * 2.0 - 1
    records = (drawn(2, *shape[:-1], 1) * 1e3 * (signs - rest * (signs > 0))).float()
    for clip in (1e-3, 1.0):
        check_bound(model, records, _steady, clip=clip, autocast=autocast)


@pytest.mark.parametrize("make", [lambda: nn.Conv1d(3, 3, 1, bias=False), lambda: nn.Conv1d(3, 3, 2, 2, bias=False)])
@pytest.mark.parametrize("rest", [1e-6, 1e-5, 1e-4])
def test_of_small_layers_rounding_does_not_average_out(make: Make, rest: float) -> None:
    """Without what `gram_squares` adds for float32, patients come out longer than their bound by up to a half."""
    model = made(make)
    half = drawn(12, 3, model.get_parameter("weight").shape[2]) * 1e3
    check_bound(model, torch.cat([half, -half * (1 - rest)], dim=2).float(), _steady)


def _steady(output: Tensor) -> Tensor:
    """A loss whose gradient is the same at all positions."""
    mixture = torch.linspace(-1, 2, output.shape[1]).sin().to(output.dtype)
    return output.flatten(2).sum(dim=2) @ mixture
