"""Clipping: bounds that hold to the last bit, patients left out by selection, and an adaptive bound that is charged."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from fedward_shared.errors import UsageError
from fedward_shared.privacy.clipping import AdaptiveClip, Clip, FlatClip, PerLayerClip
from fedward_shared.privacy.events import AdaptiveGaussian, SampledGaussian
from fedward_shared.privacy.randomness.accelerator import DeviceSource
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.rounding import SLACK

BAD = [math.nan, math.inf]


class Scripted:
    """A RandomSource whose normal numbers are given."""

    def __init__(self, *normals: float) -> None:
        self.normals = list(normals)

    def words(self, count: int) -> NDArray[np.uint64]:
        raise NotImplementedError

    def uniform(self, count: int) -> NDArray[np.float64]:
        raise NotImplementedError

    def on(self, device: torch.device) -> DeviceSource:
        raise NotImplementedError

    def gaussian(self, count: int) -> NDArray[np.float64]:
        taken, self.normals = self.normals[:count], self.normals[count:]
        return np.array(taken)


def adaptive(initial: float = 1.0, **changes: float) -> AdaptiveClip:
    terms = {"target_quantile": 0.5, "learning_rate": 0.2, "count_noise": 1.0, "normaliser": 10.0} | changes
    return AdaptiveClip(initial, **terms)


def every_clip() -> list[Clip]:
    return [FlatClip(0.7), PerLayerClip((0.1, 0.2, 0.3)), adaptive(0.7)]


def squares(*columns: list[float]) -> torch.Tensor:
    return torch.tensor(columns, dtype=torch.float64).T.contiguous()


@pytest.mark.parametrize("clip", every_clip())
def test_scaled_norms_stay_within_the_sensitivity(clip: Clip) -> None:
    exponents = torch.linspace(-200, 150, 3 * 4096, dtype=torch.float64)
    wild = (10.0 ** exponents[torch.randperm(len(exponents), generator=torch.Generator().manual_seed(1))]).view(3, -1)
    near = torch.rand(3, 4096, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for values in (wild, near, near * 1e-3):
        factors = clip.factors(values)
        assert factors.shape == values.shape
        assert factors.dtype == torch.float64
        assert ((factors > 0) & (factors <= 1)).all()
        norms = (factors.square() * values).sum(dim=0).sqrt()
        assert norms.max() <= clip.sensitivity


def test_a_gradient_within_the_bound_is_left_as_it_is_and_one_beyond_it_meets_it() -> None:
    factors = FlatClip(2.0).factors(squares([0.0, 0.0], [1.0, 2.9], [4.0, 12.0]))
    assert torch.equal(factors[:, :2], torch.ones(2, 2, dtype=torch.float64))
    assert torch.allclose(factors[:, 2], torch.full((2,), 0.5, dtype=torch.float64), rtol=1e-11)
    assert (factors[:, 2] < 0.5).all()


def test_each_layer_has_its_own_bound_and_the_sensitivity_is_their_root_sum_of_squares() -> None:
    clip = PerLayerClip((3.0, 4.0))
    assert clip.sensitivity == pytest.approx(5.0, rel=1e-11)
    assert clip.sensitivity >= 5.0
    factors = clip.factors(squares([36.0, 1.0], [1.0, 64.0]))
    expected = squares([0.5, 1.0], [1.0, 0.5])
    assert torch.allclose(factors, expected, rtol=1e-11)


def test_norms_per_layer_must_fit_the_model() -> None:
    with pytest.raises(UsageError, match="2 clip norms"):
        PerLayerClip((1.0, 1.0)).factors(squares([1.0, 1.0, 1.0]))
    with pytest.raises(UsageError, match="at least one"):
        PerLayerClip(())


@pytest.mark.parametrize("clip", every_clip())
@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_patient_who_is_not_finite_gets_exactly_zero_and_changes_nobody_else(
    clip: Clip, bad: float, layer: int
) -> None:
    values = torch.full((3, 4), 0.5, dtype=torch.float64)
    usual = clip.factors(values)
    values[layer, 2] = bad
    factors = clip.factors(values)
    assert torch.equal(factors[:, 2], torch.zeros(3, dtype=torch.float64))
    others = [0, 1, 3]
    assert torch.equal(factors[:, others], usual[:, others])


def test_finite_squares_whose_sum_is_not_count_as_not_finite() -> None:
    assert torch.equal(FlatClip(1.0).factors(squares([1.7e308, 1.7e308])), torch.zeros(2, 1, dtype=torch.float64))


@pytest.mark.parametrize("clip", every_clip())
def test_nobody_drawn_is_no_special_case(clip: Clip) -> None:
    assert clip.factors(torch.zeros(3, 0, dtype=torch.float64)).shape == (3, 0)


@pytest.mark.parametrize("norm", [0.0, -1.0, math.nan, math.inf, 1e-320, 1e300])
def test_a_clip_norm_is_a_number_above_zero(norm: float) -> None:
    for make in (FlatClip, lambda value: PerLayerClip((1.0, value)), adaptive):
        with pytest.raises(UsageError, match="clip norm"):
            make(norm)


@pytest.mark.parametrize(
    "changes",
    [
        {"target_quantile": 1.5},
        {"target_quantile": math.nan},
        {"learning_rate": 0.0},
        {"count_noise": 0.0},
        {"count_noise": math.inf},
        {"normaliser": 0.0},
        {"normaliser": math.nan},
    ],
)
def test_an_adaptive_clip_refuses_figures_outside_their_range(changes: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        adaptive(**changes)


def test_what_is_charged() -> None:
    assert FlatClip(3.0).event(1.1, 0.1, 7) == SampledGaussian(1.1, 0.1, 7)
    assert PerLayerClip((1.0, 2.0)).event(1.1, 0.1, 7) == SampledGaussian(1.1, 0.1, 7)
    assert adaptive(count_noise=2.5).event(1.1, 0.1, 7) == AdaptiveGaussian(1.1, 2.5, 0.1, 7)


def test_fixed_clips_use_no_randomness_and_do_not_move() -> None:
    for clip in (FlatClip(0.7), PerLayerClip((0.1, 0.2))):
        before = clip.sensitivity
        clip.advance(Scripted())
        assert clip.sensitivity == before


def test_the_adaptive_bound_moves_by_the_papers_update_over_all_portions_of_a_step() -> None:
    clip = adaptive(2.0, target_quantile=0.3, count_noise=4.0)
    clip.factors(squares([1.0, 1.0], [1.0, 3.0], [9.0, 9.0]))
    clip.factors(squares([0.0, 0.0]))
    assert clip.sensitivity == 2.0
    clip.advance(Scripted(0.25))
    within = 0.5 + (3 * 0.5 - 1 * 0.5 + 0.25 * 4.0) / 10.0
    assert clip.sensitivity == pytest.approx(2.0 * math.exp(-0.2 * (within - 0.3)), rel=1e-9)
    moved = clip.sensitivity
    clip.advance(Scripted(0.0))
    assert clip.sensitivity == pytest.approx(moved * math.exp(-0.2 * (0.5 - 0.3)), rel=1e-9)


@pytest.mark.parametrize("square", [0.01, 4.0, *BAD])
def test_one_patient_moves_the_count_by_a_half_whatever_the_gradient(square: float) -> None:
    """The sensitivity that makes σ_b count as a noise multiplier of 2σ_b: for adding and for removing, NaN and all."""
    with_patient, without = adaptive(), adaptive()
    with_patient.factors(squares([0.25], [9.0], [square]))
    without.factors(squares([0.25], [9.0]))
    for clip in (with_patient, without):
        clip.advance(Scripted(0.3))
    moved = abs(math.log(with_patient.sensitivity / without.sensitivity))
    assert moved == pytest.approx(0.2 * 0.5 / 10.0, rel=1e-6)


def test_the_released_count_lies_on_the_grid_whatever_the_data() -> None:
    """What C tells is one of the same multiples for every data set: no last bits that would tell two sets apart."""
    released = []
    for square in (0.01, 4.0):
        clip = adaptive()
        clip.factors(squares([square]))
        clip.advance(Scripted(math.pi))
        released.append(math.log(clip.sensitivity) / -0.2 * 10.0 * 2**20)
    assert released[0] - released[1] == pytest.approx(2**20, abs=1e-3)
    for value in released:
        assert value == pytest.approx(round(value), abs=1e-3)


def test_the_adaptive_bound_stays_in_its_declared_range() -> None:
    for normal, end in ((1e5, 1e-4), (-1e5, 1e4)):
        clip = adaptive(3.0)
        for _ in range(3):
            clip.advance(Scripted(normal))
        assert clip.sensitivity == pytest.approx(3.0 * end)


def test_the_adaptive_bound_finds_the_median() -> None:
    source = KeystreamSource.unsafe_seeded(1, b"clip")
    norms = torch.linspace(1, 9, 101, dtype=torch.float64)
    clip = adaptive(0.1, count_noise=5.0, normaliser=101.0)
    for _ in range(150):
        clip.factors(norms.square()[None])
        clip.advance(source)
    assert clip.sensitivity == pytest.approx(5.0, rel=0.15)


def test_the_slack_covers_what_a_gradients_rounding_may_add() -> None:
    assert SLACK > 1 + 1e-4
