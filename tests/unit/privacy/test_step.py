"""The step against brute force, and one test for each guarantee in its docstring."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import TrainingTerms
from fedward_shared.errors import TrainingError
from fedward_shared.models.heads import losses
from fedward_shared.models.registry import build
from fedward_shared.privacy import gradients as ways
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.gradients import patient_gradients
from fedward_shared.privacy.noise import KeystreamSource, RandomSource
from fedward_shared.privacy.step import PrivateStepper, clipped_sum
from tests.support.cohorts import MODELS, TERMS, contract_of, site, terms_of, training_set

UNITS = [0, 1, 1, 2, 3, 3, 3, 4, 0, 5, 6, 6, 7]
torch.set_num_threads(1)


def stepper(
    model: nn.Module,
    data: TrainingSet,
    *,
    clip: float = 0.3,
    sigma: float = 0.0,
    rate: float = 1.0,
    normaliser: float = 5.0,
    most: int = 9,
    terms: TrainingTerms = TERMS,
    source: RandomSource | None = None,
) -> PrivateStepper:
    return PrivateStepper(
        model,
        data,
        training=terms,
        site=site(rate=rate, normaliser=normaliser),
        clip_norm=clip,
        noise_multiplier=sigma,
        records_per_patient=most,
        source=source or KeystreamSource.unsafe_seeded(0, b"step"),
    )


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten().double() for tensor in tensors])


def own_gradient(model: nn.Module, records: Tensor, labels: Tensor) -> Tensor:
    return flat(list(torch.autograd.grad(losses(model(records), labels).mean(), list(model.parameters()))))


def brute_force(model: nn.Module, data: TrainingSet, clip: float) -> Tensor:
    total = torch.zeros(sum(parameter.numel() for parameter in model.parameters()), dtype=torch.float64)
    for start, stop in pairwise(data.starts.tolist()):
        rows = torch.from_numpy(data.order[start:stop])
        gradient = own_gradient(model, data.records[rows], data.labels[rows])
        total += gradient * min(1.0, clip / float(gradient.norm()))
    return total


@pytest.mark.parametrize("most_values", [1 << 24, 1])
@pytest.mark.parametrize("clip", [0.3, 1e3])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_agrees_with_clipping_patient_by_patient(
    name: str, clip: float, most_values: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "_CHUNK_VALUES", most_values)
    model = build(terms_of(name), contract_of(name))
    data = training_set(contract_of(name).input_shape, UNITS)
    with stepper(model, data, clip=clip) as private:
        released = flat(private.release()) * 5.0
    expected = brute_force(model, data, clip)
    assert float((released - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("name", MODELS)
def test_the_way_that_is_chosen(name: str) -> None:
    way = patient_gradients(build(terms_of(name), contract_of(name)))
    assert type(way).__name__ == ("_LoopedGradients" if name in {"lstm", "gru"} else "_HookedGradients")
    way.close()


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, records: Tensor) -> Tensor:
        logits: Tensor = self.second(torch.tanh(self.first(records)))
        return logits


def test_tied_weights_take_the_slow_way_and_are_right() -> None:
    torch.manual_seed(0)
    model, data = Tied(), training_set((3,), UNITS)
    with stepper(model, data) as private:
        released = flat(private.release()) * 5.0
    torch.testing.assert_close(released, brute_force(model, data, 0.3), rtol=1e-6, atol=1e-9)


class Idle(nn.Module):
    """A layer that no forward pass uses."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, records: Tensor) -> Tensor:
        logits: Tensor = self.used(records)
        return logits


def test_a_layer_that_is_not_used_fails_and_no_stale_norm_is_taken() -> None:
    with stepper(Idle(), training_set((3,), UNITS)) as private, pytest.raises(TrainingError, match="no per-record"):
        private.release()


@pytest.mark.parametrize("name", MODELS)
def test_one_patient_moves_the_release_by_at_most_the_clip_norm_over_the_normaliser(name: str) -> None:
    model = build(terms_of(name), contract_of(name))
    shape = contract_of(name).input_shape
    everyone = training_set(shape, UNITS, scale=100.0)
    rows = everyone.order[: everyone.starts[-2]]
    others = TrainingSet.of(
        everyone.records[rows], everyone.labels[rows], np.array(sorted(UNITS)[: len(rows)]), everyone.count - 1
    )
    with stepper(model, everyone) as private:
        with_them = flat(private.release())
    with stepper(model, others) as private:
        without = flat(private.release())
    moved = float((with_them - without).norm())
    assert 0 < moved <= 0.3 / 5.0 * (1 + 1e-6)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 0.9999999, 1.0000001, 7.0, 1e20])
def test_a_clipped_gradient_is_never_longer_than_the_clip_norm(size: float) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        direction = torch.randn(1, 300, generator=generator)
        gradient = (direction / direction.norm() * size).to(torch.float32)
        (result,) = clipped_sum([gradient], torch.ones(1, dtype=torch.bool), 1.0)
        assert float(result.norm()) <= 1.0
        if size < 0.99:
            torch.testing.assert_close(result.float(), gradient[0])


def test_eight_records_of_one_patient_count_as_one() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    record = torch.full((1, 5), 9.0)
    one = TrainingSet.of(record, torch.ones(1, dtype=torch.int64), np.zeros(1, dtype=np.int64), 1)
    eight = TrainingSet.of(record.repeat(8, 1), torch.ones(8, dtype=torch.int64), np.zeros(8, dtype=np.int64), 1)
    with stepper(model, one) as private:
        single = flat(private.release())
    with stepper(model, eight) as private:
        torch.testing.assert_close(flat(private.release()), single)


def test_at_most_the_declared_records_of_a_patient_take_part() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    data = training_set(contract_of("logistic").input_shape, [0] * 6)
    seen = set()
    for seed in range(60):
        source = KeystreamSource.unsafe_seeded(seed, b"records")
        with stepper(model, data, clip=1e6, normaliser=1.0, most=1, source=source) as private:
            released = flat(private.release())
        matches = [
            row
            for row in range(6)
            if torch.allclose(released, own_gradient(model, data.records[row : row + 1], data.labels[row : row + 1]))
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert seen == set(range(6))


@pytest.mark.parametrize("units", [[], [0, 1, 2]])
def test_where_nobody_is_drawn_the_noise_is_added_all_the_same(units: list[int]) -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    data = training_set(contract_of("mlp").input_shape, units)
    draws = []
    for seed in range(200):
        source = KeystreamSource.unsafe_seeded(seed, b"empty")
        with stepper(model, data, rate=0.0, sigma=2.0, clip=0.3, normaliser=4.0, source=source) as private:
            draws.append(flat(private.release()))
    noise = torch.cat(draws)
    assert abs(float(noise.std()) - 2.0 * 0.3 / 4.0) < 5 * 0.15 / math.sqrt(2 * len(noise))
    assert abs(float(noise.mean())) < 5 * 0.15 / math.sqrt(len(noise))


def test_every_step_draws_new_noise() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    with stepper(model, training_set((5,), [0]), rate=0.0, sigma=1.0) as private:
        first, second = flat(private.release()), flat(private.release())
    assert not torch.isclose(first, second).any()


def test_the_normaliser_is_the_declared_one_whatever_the_number_of_patients() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    for units in ([0], UNITS):
        data = training_set((5,), units)
        with stepper(model, data, normaliser=1.0) as once:
            whole = flat(once.release())
        with stepper(model, data, normaliser=8.0) as shared:
            torch.testing.assert_close(flat(shared.release()), whole / 8)


def test_momentum_weight_decay_and_prox_act_on_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = TrainingTerms(2, learning_rate=0.1, momentum=0.9, weight_decay=0.01, proximal_mu=0.5)
    model = build(terms_of("mlp"), contract_of("mlp"))
    data = training_set(contract_of("mlp").input_shape, UNITS)
    origin = flat(list(model.parameters()))
    weights, velocity = origin.clone(), torch.zeros_like(origin)
    with stepper(model, data, sigma=1.0, terms=terms) as private:
        released: list[list[Tensor]] = []
        plain = private.release

        def watched() -> list[Tensor]:
            released.append(plain())
            return released[-1]

        monkeypatch.setattr(private, "release", watched)
        for _ in range(3):
            private.step()
            gradient = flat(released[-1]) + 0.01 * weights + 0.5 * (weights - origin)
            velocity = 0.9 * velocity + gradient
            weights = weights - 0.1 * velocity
    torch.testing.assert_close(flat(list(model.parameters())), weights, rtol=1e-5, atol=1e-6)


def test_nothing_of_opacus_stays_on_the_model() -> None:
    model = build(terms_of("cnn"), contract_of("cnn"))
    keys = list(model.state_dict())
    data = training_set((1, 8, 8), UNITS)
    for _ in range(2):
        with stepper(model, data, sigma=1.0) as private:
            private.step()
    assert list(model.state_dict()) == keys
    assert not any(hasattr(parameter, "grad_sample") for parameter in model.parameters())
    assert not any(module._backward_hooks or module._forward_hooks for module in model.modules())
