"""What is released lies on the grid, with all its noise and nothing twice; wrong totals release nothing."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import kstest
from torch import Tensor

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy import mechanism
from fedward_shared.privacy.mechanism import DiscreteGaussianMechanism, GaussianMechanism, Mechanism, grid
from fedward_shared.privacy.randomness.accelerator import DeviceSource
from fedward_shared.privacy.randomness.gaussian import PORTION
from fedward_shared.privacy.randomness.noise import KeystreamSource

torch.set_num_threads(1)
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
KINDS = [GaussianMechanism, DiscreteGaussianMechanism]
CELL = 2.0**-20
LONG = 2 * PORTION + 3


def source(seed: int = 0) -> KeystreamSource:
    return KeystreamSource.unsafe_seeded(seed, b"mechanism")


def total_of(length: int, dtype: torch.dtype = torch.float64, device: str = "cpu") -> Tensor:
    generator = torch.Generator().manual_seed(length)
    return torch.randn(length, generator=generator, dtype=torch.float64).to(device=device, dtype=dtype)


def released(made: Mechanism, total: Tensor, divisor: float = 1.0, seed: int = 0) -> Tensor:
    out = torch.full_like(total, math.nan, dtype=torch.float64)
    made.release(total, divisor, source(seed), out)
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("divisor", [1.0, 64.0, 37.5])
def test_every_released_value_times_the_divisor_lies_on_the_grid(
    kind: type[GaussianMechanism], device: str, divisor: float
) -> None:
    out = released(kind(2.5, CELL), total_of(LONG, device=device), divisor).cpu()
    cells = out / (CELL / divisor)
    assert (cells - cells.round()).abs().max() <= cells.abs().max() * 2.0**-52
    assert len(torch.unique(cells.round().remainder(64))) == 64  # every cell, not only every second


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_deviation_releases_the_sum_rounded_by_at_most_half_a_cell_each(
    kind: type[GaussianMechanism], dtype: torch.dtype
) -> None:
    total = total_of(LONG, dtype)
    out = released(kind(0.0, CELL), total)
    moved = (out - total.double()).abs()
    assert moved.max() <= CELL / 2
    assert moved.norm() <= math.sqrt(LONG) * CELL / 2
    assert torch.equal(out, (total.double() / CELL).round() * CELL)


@pytest.mark.parametrize("kind", KINDS)
def test_the_noise_is_added_as_integers_and_exactly(kind: type[GaussianMechanism]) -> None:
    """The same noise over two totals: what differs is the difference of the rounded totals, to the bit."""
    made = kind(1.0, CELL)
    first, second = total_of(LONG), total_of(LONG).flip(0) * 1000
    gap = (first / CELL).round() * CELL - (second / CELL).round() * CELL
    assert torch.equal(released(made, first) - released(made, second), gap)


def check_noise(noise: NDArray[np.float64]) -> None:
    """`noise` over its deviation: normal, all of it there, and nothing twice."""
    assert np.count_nonzero(noise) == len(noise)
    assert len(np.unique(noise)) > 0.9 * len(noise)
    assert kstest(noise, "norm").pvalue > 1e-6
    assert abs(noise.std() - 1) < 5.5 / (2 * len(noise)) ** 0.5
    for start in range(PORTION, len(noise) - PORTION + 1, PORTION):
        both = np.corrcoef(noise[:PORTION], noise[start : start + PORTION])
        assert abs(float(both[0, 1])) < 6 / PORTION**0.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device", DEVICES)
def test_the_noise_has_the_declared_deviation_in_every_coordinate(kind: type[GaussianMechanism], device: str) -> None:
    total = total_of(3 * PORTION, device=device)
    noise = released(kind(3.0, 2.0**-30), total, 4.0).cpu() * 4 - total.cpu()
    check_noise((noise / 3).numpy())


def check_two_releases(made: Mechanism, one: KeystreamSource) -> None:
    total, out = torch.zeros(1000, dtype=torch.float64), torch.zeros(2, 1000, dtype=torch.float64)
    for row in out:
        made.release(total, 1.0, one, row)
    assert len(torch.unique(out.abs())) > 1990
    assert abs(float(np.corrcoef(out.numpy())[0, 1])) < 0.2


@pytest.mark.parametrize("kind", KINDS)
def test_two_releases_of_one_source_share_no_noise(kind: type[GaussianMechanism]) -> None:
    check_two_releases(kind(1.0, CELL), source())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("length", [0, 1, PORTION, PORTION + 1])
def test_the_result_may_be_the_total_and_of_either_precision(kind: type[GaussianMechanism], length: int) -> None:
    made = kind(0.5, CELL)
    total = total_of(length)
    expected = released(made, total, 8.0)
    made.release(total, 8.0, source(), total)
    assert torch.equal(total, expected)
    single = torch.empty(length)
    made.release(total_of(length), 8.0, source(), single)
    assert torch.equal(single, expected.float())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf, 2.0**60, -(2.0**60)])
@pytest.mark.parametrize("at", [0, PORTION, LONG - 1])
def test_a_wrong_total_raises_and_leaves_zeros(kind: type[GaussianMechanism], wrong: float, at: int) -> None:
    total, out = total_of(LONG), torch.full((LONG,), 7.0)
    total[at] = wrong
    with pytest.raises(TrainingError) as raised:
        kind(1.0, CELL).release(total, 1.0, source(), out)
    assert str(at) not in raised.value.diagnostics().replace("Nothing", "")
    assert not out.any()


def test_shapes_are_checked() -> None:
    made = GaussianMechanism(1.0, CELL)
    with pytest.raises(ValueError, match="flat"):
        made.release(torch.zeros(4), 1.0, source(), torch.zeros(5))
    with pytest.raises(ValueError, match="flat"):
        made.release(torch.zeros(2, 2), 1.0, source(), torch.zeros(2, 2))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("deviation", "cell"), [(-1.0, 1.0), (math.nan, 1.0), (math.inf, 1.0), (1.0, 0.0), (1.0, 0.3), (1.0, -1.0), (1, 3)]
)
def test_a_mechanism_refuses_senseless_figures(kind: type[GaussianMechanism], deviation: float, cell: float) -> None:
    with pytest.raises(UsageError):
        kind(deviation, cell)


def test_noise_that_float64_cannot_hold_exactly_is_refused() -> None:
    GaussianMechanism(2.0**48, 1.0)
    with pytest.raises(UsageError, match="2⁵³"):
        GaussianMechanism(2.0**49, 1.0)
    with pytest.raises(UsageError, match="2⁵³"):
        grid(1.0, 10**9, 1e6)


@pytest.mark.parametrize("clip_norm", [1e-3, 0.1, 1.0, 3.7, 1e4])
@pytest.mark.parametrize("dimensions", [1, 31, 10**6, 10**9])
def test_the_grid_is_the_largest_power_of_two_that_moves_the_sum_little(clip_norm: float, dimensions: int) -> None:
    cell = grid(clip_norm, dimensions, clip_norm)
    assert math.log2(cell) == round(math.log2(cell))
    share = math.sqrt(dimensions) * cell / clip_norm
    assert 0.5e-5 < share <= 1e-5


@pytest.mark.parametrize(("clip_norm", "dimensions"), [(0.0, 1), (-1.0, 1), (math.nan, 1), (math.inf, 1), (1.0, 0)])
def test_no_grid_without_a_clip_norm_and_coordinates(clip_norm: float, dimensions: int) -> None:
    with pytest.raises(UsageError):
        grid(clip_norm, dimensions, 1.0)


def test_discrete_integers_are_whole_cells_of_at_least_the_declared_width() -> None:
    made = DiscreteGaussianMechanism(2.3 * CELL, CELL)
    assert made.scale == 3
    assert made.integers(5, source()).dtype == np.int64
    noise = made.integers(200_000, source())
    assert abs(noise.std() / 3 - 1) < 0.01
    assert not DiscreteGaussianMechanism(0.0, CELL).integers(5, source()).any()
    assert DiscreteGaussianMechanism(5e-324, 2.0).scale == 1
    assert DiscreteGaussianMechanism(5e-324, 2.0).integers(50, source()).any()


class _Half(KeystreamSource):
    def gaussian(self, count: int) -> NDArray[np.float64]:
        return super().gaussian(count) / 2


class _Last(KeystreamSource):
    def gaussian(self, count: int) -> NDArray[np.float64]:
        return np.append(super().gaussian(count - 1), 0.0)


class _Reused(KeystreamSource):
    def gaussian(self, count: int) -> NDArray[np.float64]:
        return KeystreamSource(self._secret).gaussian(count)


@pytest.mark.parametrize("planted", [_Half, _Last, _Reused])
def test_planted_defects_of_the_noise_are_caught(planted: type[KeystreamSource]) -> None:
    total = torch.zeros(3 * PORTION, dtype=torch.float64)
    out = torch.empty_like(total)
    GaussianMechanism(1.0, 2.0**-30).release(total, 1.0, planted(bytes(32)), out)
    with pytest.raises(AssertionError):
        check_noise(out.numpy())


def test_a_total_that_is_not_rounded_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(np, "rint", lambda values, **_: values)
    with pytest.raises(AssertionError):
        test_every_released_value_times_the_divisor_lies_on_the_grid(GaussianMechanism, "cpu", 1.0)


class _Accelerated(KeystreamSource):
    """Stands for a machine with an accelerator: its stream is computed here."""

    def gaussian(self, count: int) -> NDArray[np.float64]:
        raise AssertionError

    def on(self, device: torch.device) -> DeviceSource:
        del device
        return super().on(torch.device("cpu"))


@pytest.fixture
def accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The accelerator's way to a release, computed here, in portions as small as the CPU's."""
    monkeypatch.setattr(mechanism, "_on_cpu", lambda *_: False)
    monkeypatch.setattr(mechanism, "_DEVICE_PORTION", PORTION)


@pytest.mark.usefixtures("accelerated")
def test_an_accelerator_draws_its_own_noise_and_releases_it_on_the_grid() -> None:
    total, out = total_of(LONG), torch.empty(LONG, dtype=torch.float64)
    GaussianMechanism(3.0, 2.0**-30).release(total, 4.0, _Accelerated(bytes(32)), out)
    cells = out * 4 / 2.0**-30
    assert torch.equal(cells, cells.round())
    check_noise(((out * 4 - total) / 3).numpy())
    check_two_releases(GaussianMechanism(1.0, CELL), _Accelerated(bytes(32)))


@pytest.mark.usefixtures("accelerated")
@pytest.mark.parametrize("kind", KINDS)
def test_both_ways_round_a_sum_alike(kind: type[GaussianMechanism], monkeypatch: pytest.MonkeyPatch) -> None:
    there = [released(kind(0.0, CELL), total_of(LONG, dtype), 3.0) for dtype in (torch.float32, torch.float64)]
    discrete = released(DiscreteGaussianMechanism(1.0, CELL), total_of(LONG), 3.0)
    monkeypatch.undo()
    here = [released(kind(0.0, CELL), total_of(LONG, dtype), 3.0) for dtype in (torch.float32, torch.float64)]
    assert torch.equal(torch.stack(there), torch.stack(here))
    assert torch.equal(discrete, released(DiscreteGaussianMechanism(1.0, CELL), total_of(LONG), 3.0))


@pytest.mark.usefixtures("accelerated")
@pytest.mark.parametrize("wrong", [math.nan, -math.inf, 2.0**60])
def test_a_wrong_total_on_an_accelerator_raises_and_leaves_zeros(wrong: float) -> None:
    total, out = total_of(LONG), torch.ones(LONG)
    total[PORTION] = wrong
    with pytest.raises(TrainingError):
        GaussianMechanism(1.0, CELL).release(total, 1.0, source(), out)
    assert not out.any()
