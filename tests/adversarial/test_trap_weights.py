"""A hostile coordinator sends weights for which one patient overflows, and reads from the update who is there.

Design invariant 13: such a patient contributes exactly zero, by selection, and the noisy step is taken all the same.
"""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.models.registry import build
from fedward_shared.privacy.clipping import FlatClip
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.flat import FlatModel
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.reference import add_clipped
from fedward_shared.privacy.step import PrivateStepper
from fedward_shared.privacy.sums import Way
from tests.support.cohorts import MODELS, TERMS, contract_of, site, terms_of, training_set

torch.set_num_threads(1)
HUGE = 3e38


def release(model: nn.Module, data: TrainingSet, *, sigma: float = 0.0, rate: float = 1.0, way: Way = "fast") -> Tensor:
    stepper = PrivateStepper(
        model,
        data,
        training=TERMS,
        site=site(rate=rate),
        clip_norm=1.0,
        noise_multiplier=sigma,
        records_per_patient=4,
        source=KeystreamSource.unsafe_seeded(1, b"trap"),
        way=way,
    )
    try:
        return stepper.release().clone()
    finally:
        stepper.close()


def with_victim(data: TrainingSet, victim: Tensor, rows: int) -> TrainingSet:
    """`data` and one more patient with `rows` rows, of which the last is `victim`."""
    extra = torch.cat([data.records[:1]] * (rows - 1) + [victim[None]])
    units = np.concatenate((np.argsort(data.order), np.full(rows, data.count)))
    labels = torch.cat([data.labels, torch.zeros(rows, dtype=torch.int64)])
    return TrainingSet.of(torch.cat([data.records, extra]), labels, units, data.count + 1)


@pytest.mark.parametrize("way", ["fast", "each", "opacus"])
@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), HUGE])
@pytest.mark.parametrize("name", MODELS)
def test_a_patient_whose_gradient_is_not_finite_is_as_if_absent(name: str, value: float, rows: int, way: Way) -> None:
    if way == "opacus" and name in {"lstm", "gru"}:
        pytest.skip("Opacus has layers of its own in place of these")
    model = build(terms_of(name), contract_of(name))
    if value == HUGE:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.copy_(torch.full_like(parameter, 1e4))
    shape = contract_of(name).input_shape
    others = training_set(shape, list(range(5)), scale=1e-6)
    victim = torch.full(shape, value)
    if name in {"mlp", "lstm", "gru"}:
        victim.view(-1)[-1] = float("nan")  # tanh and gates saturate: nothing else overflows them
    without = release(model, others, way=way)
    assert torch.isfinite(without).all()
    found = release(model, with_victim(others, victim, rows), way=way)
    torch.testing.assert_close(found, without, rtol=1e-5, atol=2e-8)  # deep networks round by a batch's shape


def test_the_step_is_as_noisy_with_the_trap_as_without() -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    nobody = training_set((5,), [], scale=1.0)
    victim = with_victim(training_set((5,), [0]), torch.full((5,), float("nan")), 1)
    only = TrainingSet.of(victim.records[1:], victim.labels[1:], np.zeros(1, dtype=np.int64), 1)
    noise, trapped = release(model, nobody, sigma=2.0), release(model, only, sigma=2.0)
    assert torch.isfinite(trapped).all()
    assert 0.5 < float(trapped.std() / noise.std()) < 2


def test_weights_that_are_not_finite_leave_noise_and_nothing_else() -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    with torch.no_grad():
        next(model.parameters()).fill_(float("nan"))
    assert not release(model, training_set((5,), [0, 1, 2])).any()
    assert torch.isfinite(release(model, training_set((5,), [0, 1, 2]), sigma=1.0)).all()


@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_one_poisoned_coordinate_drops_the_whole_patient_and_nobody_else(poison: float) -> None:
    gradients = [torch.ones(3, 5, 4), torch.ones(3, 5)]
    gradients[1][1, 4] = poison
    holder = FlatModel(nn.Linear(4, 5))
    add_clipped(gradients, torch.ones(3, dtype=torch.bool), FlatClip(5.0), holder)
    torch.testing.assert_close(holder.gradient, torch.full((25,), 2.0))


def test_a_gradient_near_the_end_of_float32_is_clipped_and_not_lost_in_the_slow_way() -> None:
    holder = FlatModel(nn.Linear(100, 1, bias=False))
    add_clipped([torch.full((1, 1, 100), HUGE)], torch.ones(1, dtype=torch.bool), FlatClip(1.0), holder)
    assert float(holder.gradient.norm()) == pytest.approx(1.0, rel=1e-6)
