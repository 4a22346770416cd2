"""The step against brute force, and one test for each guarantee in its docstring."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.contracts.study import SiteTerms, TrainingTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.classes import losses
from fedward_shared.models.registry import build
from fedward_shared.privacy import sums
from fedward_shared.privacy.bookkeeping import tape as tapes
from fedward_shared.privacy.bookkeeping import verify as verifying
from fedward_shared.privacy.clipping import AdaptiveClip, Clip, FlatClip, PerLayerClip
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.flat import FlatModel
from fedward_shared.privacy.mechanism import GaussianMechanism
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource
from fedward_shared.privacy.reference import add_clipped
from fedward_shared.privacy.rounding import SLACK, slack
from fedward_shared.privacy.step import PrivateStepper
from fedward_shared.privacy.sums import Way
from tests.support.cohorts import MODELS, TERMS, contract_of, site, terms_of, training_set

UNITS = [0, 1, 1, 2, 3, 3, 3, 4, 0, 5, 6, 6, 7]
torch.set_num_threads(1)


def stepper(
    model: nn.Module,
    data: TrainingSet,
    *,
    clip: float | Clip = 0.3,
    sigma: float = 0.0,
    rate: float = 1.0,
    normaliser: float = 5.0,
    most: int = 9,
    terms: TrainingTerms = TERMS,
    source: RandomSource | None = None,
    way: Way = "fast",
    autocast: bool = False,
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
        way=way,
        autocast=autocast,
    )


def flat(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.detach().flatten().double() for tensor in tensors])


def summed(private: PrivateStepper) -> Tensor:
    """The clipped sum, before the grid and the noise."""
    return private._sum().double()


def released(private: PrivateStepper) -> Tensor:
    return private.release().double()


def own_gradients(model: nn.Module, records: Tensor, labels: Tensor, within: str = "mean") -> list[Tensor]:
    each = losses(model(records), labels)
    total = each.mean() if within == "mean" else each.sum()
    return list(torch.autograd.grad(total, list(model.parameters())))


def own_gradient(model: nn.Module, records: Tensor, labels: Tensor, within: str = "mean") -> Tensor:
    return flat(own_gradients(model, records, labels, within))


def brute_force(model: nn.Module, data: TrainingSet, clip: float, within: str = "mean") -> Tensor:
    total = torch.zeros(sum(parameter.numel() for parameter in model.parameters()), dtype=torch.float64)
    for start, stop in pairwise(data.starts.tolist()):
        rows = torch.from_numpy(data.order[start:stop])
        gradient = own_gradient(model, data.records[rows], data.labels[rows], within)
        total += gradient * min(1.0, clip / float(gradient.norm()))
    return total


@pytest.mark.parametrize("way_and_portion", [("fast", 4096), ("fast", 1), ("each", 1), ("opacus", 4096), ("opacus", 1)])
@pytest.mark.parametrize("units", [UNITS, list(range(13))])
@pytest.mark.parametrize("clip", [0.3, 1e3])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_agrees_with_clipping_patient_by_patient(
    name: str, clip: float, units: list[int], way_and_portion: tuple[Way, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    way, largest = way_and_portion
    if way == "opacus" and name in {"lstm", "gru"}:
        pytest.skip("Opacus has layers of its own in place of these")
    monkeypatch.setattr(sums, "_portion", lambda _: largest)
    model = build(terms_of(name), contract_of(name))
    data = training_set(contract_of(name).input_shape, units)
    with stepper(model, data, clip=clip, way=way) as private:
        found = summed(private)
    expected = brute_force(model, data, clip)
    assert float((found - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("ghost", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_both_ways_to_a_norm_agree(name: str, ghost: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tapes.Tape, "_ghost_is_cheaper", lambda *_: ghost)
    model = build(terms_of(name), contract_of(name))
    data = training_set(contract_of(name).input_shape, UNITS)
    with stepper(model, data) as private:
        found = summed(private)
    expected = brute_force(model, data, 0.3)
    assert float((found - expected).norm() / expected.norm()) < 1e-6


def test_the_sum_within_a_patient_where_the_study_declares_it() -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    data = training_set(contract_of("mlp").input_shape, UNITS)
    with stepper(model, data, terms=replace(TERMS, within_patient="sum")) as private:
        found = summed(private)
    torch.testing.assert_close(found, brute_force(model, data, 0.3, "sum"), rtol=1e-5, atol=1e-7)


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 3)
        self.second.weight = self.first.weight

    def forward(self, records: Tensor) -> Tensor:
        logits: Tensor = self.second(torch.tanh(self.first(records)))
        return logits


class Idle(nn.Module):
    """A layer that no forward pass uses."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.idle = nn.Linear(3, 1), nn.Linear(3, 1)

    def forward(self, records: Tensor) -> Tensor:
        logits: Tensor = self.used(records)
        return logits


class Centred(nn.Module):
    """An operation without parameters that mixes the records of a batch."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 3), nn.Linear(3, 1)

    def forward(self, records: Tensor) -> Tensor:
        inner = self.first(records)
        logits: Tensor = self.second(torch.tanh(inner - inner.mean(dim=0)))
        return logits


@pytest.mark.parametrize(
    ("model", "way", "complaint"),
    [
        (Tied(), "fast", "tied"),
        (Tied(), "opacus", "tied"),
        (Idle(), "fast", "no part in the loss"),
        (Centred(), "fast", "mixes its records"),
        (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, 1)), "fast", "mixes the records"),
    ],
)
def test_a_model_with_no_provable_norm_is_refused_before_any_step(model: nn.Module, way: Way, complaint: str) -> None:
    before = [parameter.data_ptr() for parameter in model.parameters()]
    with pytest.raises(UsageError, match=complaint) as refused:
        stepper(model, training_set((3,), UNITS), way=way)
    assert refused.value.hint
    assert len(before) == len({parameter.untyped_storage().data_ptr() for parameter in model.parameters()})
    assert model(torch.zeros(2, 3)).shape == (2, 3 if isinstance(model, Tied) else 1)


class Averages(nn.Module):
    """Keeps a running mean of what passes, in training and out of it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)
        self.mean: Tensor
        self.register_buffer("mean", torch.zeros(3))

    def forward(self, records: Tensor) -> Tensor:
        with torch.no_grad():
            self.mean.mul_(0.9).add_(records.mean(dim=0), alpha=0.1)
        logits: Tensor = self.layer(records)
        return logits


class MixesInTraining(nn.Module):
    """Mixes records while it trains, or only where its flag says so; and has an attribute of a telling name."""

    def __init__(self, *, mix: bool = True) -> None:
        super().__init__()
        self.layer, self.dropout, self.mix = nn.Linear(3, 1), nn.Dropout(0.1), mix

    def forward(self, records: Tensor) -> Tensor:
        inner = records - records.mean(dim=0) if self.training and self.mix else records
        logits: Tensor = self.layer(self.dropout(inner))
        return logits


WAYS: tuple[Way, ...] = ("fast", "opacus", "each")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "model", [Averages(), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3).requires_grad_(False), nn.Linear(3, 1))]
)
def test_a_model_that_keeps_statistics_of_records_is_refused_in_every_way(model: nn.Module, way: Way) -> None:
    kept = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with pytest.raises(UsageError):
        stepper(model, training_set((3,), UNITS), way=way)
    assert all(torch.equal(buffer, kept[name]) for name, buffer in model.named_buffers())


def test_an_attribute_called_dropout_hides_nothing() -> None:
    with pytest.raises(UsageError, match="mixes its records"):
        stepper(MixesInTraining(), training_set((3,), UNITS))


def test_a_model_of_ones_own_is_tried_every_time() -> None:
    model, data = MixesInTraining(mix=False), training_set((3,), UNITS)
    stepper(model, data).close()
    model.mix = True
    with pytest.raises(UsageError, match="mixes its records"):
        stepper(model, data)


def test_half_precision_parameters_are_refused() -> None:
    with pytest.raises(UsageError, match="float32 or float64"):
        stepper(nn.Linear(3, 1).bfloat16(), training_set((3,), UNITS))


@pytest.mark.parametrize("count", [3000, 20_000])
def test_a_sum_over_many_patients_keeps_within_its_slack(count: int) -> None:
    """Aligned gradients in few coordinates: the worst for float32's additions."""
    torch.manual_seed(0)
    model, row = nn.Linear(1, 1), torch.rand(1, 1) + 0.3
    wide = SiteTerms("north", size=count, sampling_rate=1.0, normaliser=1.0)

    def total(patients: int) -> Tensor:
        data = TrainingSet.of(
            row.repeat(patients, 1), torch.zeros(patients, dtype=torch.int64), np.arange(patients), patients
        )
        with PrivateStepper(
            model,
            data,
            training=TERMS,
            site=wide,
            clip_norm=0.3,
            noise_multiplier=0.0,
            records_per_patient=1,
            source=KeystreamSource.unsafe_seeded(0, b"many"),
        ) as private:
            return summed(private)

    for gone in range(1, 6):
        moved = float((total(count - gone + 1) - total(count - gone)).norm())
        assert moved <= 0.3 * slack(count)


def test_a_step_that_was_broken_off_leaves_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sums, "_portion", lambda _: 2)
    model, data = (
        build(terms_of("mlp"), contract_of("mlp")),
        training_set(contract_of("mlp").input_shape, list(range(8))),
    )

    def after(breaks: bool) -> float:
        clip = AdaptiveClip(1.0, target_quantile=0.5, learning_rate=0.3, count_noise=0.1, normaliser=8.0)
        with stepper(model, data, clip=clip) as private:
            if breaks:
                add, calls = private._add, iter((False, True))

                def failing(*portion: Any) -> None:
                    if next(calls, False):
                        raise MemoryError
                    add(*portion)

                monkeypatch.setattr(private, "_add", failing)
                with pytest.raises(MemoryError):
                    private._sum()
                monkeypatch.setattr(private, "_add", add)
            private._sum()
            clip.advance(KeystreamSource.unsafe_seeded(0, b"count"))
        return clip.sensitivity

    assert after(breaks=True) == after(breaks=False)


def test_a_model_is_tried_once_and_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[nn.Module] = []
    real = verifying._try

    def watched(trial: nn.Module, example: Tensor) -> None:
        tried.append(trial)
        real(trial, example)

    monkeypatch.setattr(verifying, "_try", watched)
    model, data = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)), training_set((3,), UNITS)
    for _ in range(3):
        stepper(model, data).close()
    assert len(tried) == 1
    model[0].requires_grad_(False)
    stepper(model, data).close()
    model[0].requires_grad_(True)
    model.append(nn.BatchNorm1d(1))
    with pytest.raises(UsageError, match="mixes"):
        stepper(model, data)
    assert len(tried) == 3


@pytest.mark.parametrize("model", [Tied(), Idle()])
def test_what_the_fast_way_refuses_can_go_patient_by_patient(model: nn.Module) -> None:
    data = training_set((3,), UNITS)
    with stepper(model, data, way="each") as private:
        found = summed(private)
    total = torch.zeros_like(found)
    for start, stop in pairwise(data.starts.tolist()):
        rows = torch.from_numpy(data.order[start:stop])
        mean = losses(model(data.records[rows]), data.labels[rows]).mean()
        parts = torch.autograd.grad(mean, list(model.parameters()), allow_unused=True, materialize_grads=True)
        total += flat(list(parts)) * min(1.0, 0.3 / float(flat(list(parts)).norm()))
    torch.testing.assert_close(found, total, rtol=1e-5, atol=1e-7)


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
        with_them = released(private)
    with stepper(model, others) as private:
        without = released(private)
    moved = float((with_them - without).norm())
    assert 0 < moved <= 0.3 / 5.0 * (1 + 1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_who_comes_or_goes_hardly_moves_the_last_bits_of_the_others(name: str) -> None:
    model = build(terms_of(name), contract_of(name))
    data = training_set(contract_of(name).input_shape, list(range(33)))

    def total(rows: slice) -> Tensor:
        part = TrainingSet.of(
            data.records[rows], data.labels[rows], np.arange(len(data.labels[rows])), len(data.labels[rows])
        )
        with stepper(model, part, clip=1.0) as private:
            return summed(private)

    moved = total(slice(0, 33)) - total(slice(0, 32)) - total(slice(32, 33))
    assert float(moved.norm()) < 1e-5


def test_clipping_by_layer_bounds_each_layer() -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    data = training_set(contract_of("mlp").input_shape, UNITS)
    bounds = (0.2, 0.05, 0.1)
    parameters = list(model.parameters())
    expected = [torch.zeros_like(parameter) for parameter in parameters]
    for start, stop in pairwise(data.starts.tolist()):
        rows = torch.from_numpy(data.order[start:stop])
        own = own_gradients(model, data.records[rows], data.labels[rows])
        for layer, bound in enumerate(bounds):
            pair = slice(2 * layer, 2 * layer + 2)
            factor = min(1.0, bound / float(flat(own[pair]).norm()))
            for total, part in zip(expected[pair], own[pair], strict=True):
                total.add_(part, alpha=factor)
    with stepper(model, data, clip=PerLayerClip(bounds)) as private:
        found = summed(private)
    torch.testing.assert_close(found, flat(expected), rtol=1e-5, atol=1e-7)


def test_adaptive_clipping_moves_towards_its_quantile() -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    data = training_set(contract_of("mlp").input_shape, list(range(40)))
    norms = [float(own_gradient(model, data.records[row][None], data.labels[row][None]).norm()) for row in range(40)]
    clip = AdaptiveClip(100.0, target_quantile=0.5, learning_rate=0.3, count_noise=0.5, normaliser=40.0)
    with stepper(model, data, clip=clip) as private:
        for _ in range(80):
            private.release()
    assert 0.5 * np.quantile(norms, 0.4) < clip.sensitivity < 2 * np.quantile(norms, 0.6)


@pytest.mark.parametrize("size", [1e-30, 1e-6, 0.9999999, 1.0000001, 7.0, 1e20])
def test_a_clipped_gradient_is_never_longer_than_the_clip_norm(size: float) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        direction = torch.randn(1, 300, generator=generator)
        gradient = (direction / direction.norm() * size).to(torch.float32)
        holder = FlatModel(nn.Linear(300, 1, bias=False))
        add_clipped([gradient], torch.ones(1, dtype=torch.bool), FlatClip(1.0), holder)
        assert float(holder.gradient.double().norm()) <= 1 + 1e-7
        if size < 0.99:
            torch.testing.assert_close(holder.gradient, gradient[0])


def test_eight_records_of_one_patient_count_as_one() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    record = torch.full((1, 5), 9.0)
    one = TrainingSet.of(record, torch.ones(1, dtype=torch.int64), np.zeros(1, dtype=np.int64), 1)
    eight = TrainingSet.of(record.repeat(8, 1), torch.ones(8, dtype=torch.int64), np.zeros(8, dtype=np.int64), 1)
    with stepper(model, one) as private:
        single = released(private)
    with stepper(model, eight) as private:
        torch.testing.assert_close(released(private), single, rtol=1e-5, atol=1e-9)


def test_at_most_the_declared_records_of_a_patient_take_part() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    data = training_set(contract_of("logistic").input_shape, [0] * 6)
    own = [own_gradient(model, data.records[row : row + 1], data.labels[row : row + 1]) for row in range(6)]
    seen = set()
    for seed in range(60):
        source = KeystreamSource.unsafe_seeded(seed, b"records")
        with stepper(model, data, clip=1e6, normaliser=1.0, most=1, source=source) as private:
            found = summed(private)
        matches = [row for row in range(6) if torch.allclose(found, own[row], rtol=1e-4, atol=1e-3)]
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
            draws.append(released(private))
    noise = torch.cat(draws)
    assert abs(float(noise.std()) - 2.0 * 0.3 / 4.0) < 5 * 0.15 / math.sqrt(2 * len(noise))
    assert abs(float(noise.mean())) < 5 * 0.15 / math.sqrt(len(noise))


def test_noise_is_wider_by_the_slack_that_rounding_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def watched(deviation: float, grid: float) -> GaussianMechanism:
        seen.append(deviation)
        return GaussianMechanism(deviation, grid)

    monkeypatch.setattr("fedward_shared.privacy.step.GaussianMechanism", watched)
    model = build(terms_of("logistic"), contract_of("logistic"))
    with stepper(model, training_set((5,), [0]), sigma=2.0, clip=0.3) as private:
        private.release()
    assert seen == [pytest.approx(0.6 * SLACK, rel=1e-12)]
    assert SLACK >= 1 + 1e-4


def test_every_step_draws_new_noise() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    with stepper(model, training_set((5,), [0]), rate=0.0, sigma=1.0) as private:
        first, second = released(private), released(private)
    assert not torch.isclose(first, second).any()


def test_the_normaliser_is_the_declared_one_whatever_the_number_of_patients() -> None:
    model = build(terms_of("logistic"), contract_of("logistic"))
    for units in ([0], UNITS):
        data = training_set((5,), units)
        with stepper(model, data, normaliser=1.0) as once:
            whole = released(once)
        with stepper(model, data, normaliser=8.0) as shared:
            torch.testing.assert_close(released(shared), whole / 8)


def test_momentum_weight_decay_and_prox_act_on_the_release(monkeypatch: pytest.MonkeyPatch) -> None:
    terms = TrainingTerms(2, learning_rate=0.1, momentum=0.9, weight_decay=0.01, proximal_mu=0.5)
    model = build(terms_of("mlp"), contract_of("mlp"))
    data = training_set(contract_of("mlp").input_shape, UNITS)
    origin = flat(list(model.parameters()))
    weights, velocity = origin.clone(), torch.zeros_like(origin)
    with stepper(model, data, sigma=1.0, terms=terms) as private:
        seen = watch(private, monkeypatch)
        for _ in range(3):
            private.step()
            gradient = seen[-1] + 0.01 * weights + 0.5 * (weights - origin)
            velocity = 0.9 * velocity + gradient
            weights = weights - 0.1 * velocity
    torch.testing.assert_close(flat(list(model.parameters())), weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_adam_follows_the_release(optimizer: Literal["adam", "adamw"], monkeypatch: pytest.MonkeyPatch) -> None:
    terms = TrainingTerms(2, learning_rate=0.01, weight_decay=0.1, proximal_mu=0.5, optimizer=optimizer)
    model = build(terms_of("mlp"), contract_of("mlp"))
    origin = flat(list(model.parameters()))
    weights = nn.Parameter(origin.clone())
    kind = torch.optim.Adam if optimizer == "adam" else torch.optim.AdamW
    reference = kind([weights], lr=0.01, betas=(0.9, 0.999), weight_decay=0.1)
    with stepper(model, training_set(contract_of("mlp").input_shape, UNITS), sigma=1.0, terms=terms) as private:
        seen = watch(private, monkeypatch)
        for _ in range(3):
            private.step()
            weights.grad = seen[-1] + 0.5 * (weights.detach() - origin)
            reference.step()
    torch.testing.assert_close(flat(list(model.parameters())), weights.detach(), rtol=1e-4, atol=1e-6)


def watch(private: PrivateStepper, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What `private` releases from now on."""
    seen: list[Tensor] = []
    plain = private.release

    def watched() -> Tensor:
        result = plain()
        seen.append(result.double())
        return result

    monkeypatch.setattr(private, "release", watched)
    return seen


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_bfloat16_agrees_roughly_and_keeps_the_bound(name: str) -> None:
    model = build(terms_of(name), contract_of(name))
    shape = contract_of(name).input_shape
    with stepper(model, training_set(shape, UNITS), autocast=True) as private:
        found = summed(private)
    expected = brute_force(model, training_set(shape, UNITS), 0.3)
    assert float((found - expected).norm() / expected.norm()) < 0.05
    with stepper(model, training_set(shape, [0, 0], scale=100.0), autocast=True) as private:
        assert float(summed(private).norm()) <= 0.3 * (1 + 1e-4)


def test_frozen_layers_stay_and_the_rest_agrees() -> None:
    model = build(terms_of("mlp"), contract_of("mlp"))
    first = next(model.parameters()).requires_grad_(False)
    before = first.detach().clone()
    data = training_set(contract_of("mlp").input_shape, UNITS)
    total = torch.zeros(sum(each.numel() for each in model.parameters() if each.requires_grad), dtype=torch.float64)
    for start, stop in pairwise(data.starts.tolist()):
        rows = torch.from_numpy(data.order[start:stop])
        mean = losses(model(data.records[rows]), data.labels[rows]).mean()
        own = flat(list(torch.autograd.grad(mean, [each for each in model.parameters() if each.requires_grad])))
        total += own * min(1.0, 0.3 / float(own.norm()))
    with stepper(model, data) as private:
        torch.testing.assert_close(summed(private), total, rtol=1e-5, atol=1e-7)
        private.step()
    assert torch.equal(first, before)


def test_nothing_stays_on_the_model_but_its_weights() -> None:
    model = build(terms_of("cnn"), contract_of("cnn"))
    keys = list(model.state_dict())
    data = training_set((1, 8, 8), UNITS)
    ways: tuple[Way, ...] = ("fast", "opacus", "each", "fast")
    for way in ways:
        with stepper(model, data, sigma=1.0, way=way) as private:
            private.step()
    assert list(model.state_dict()) == keys
    assert not any(hasattr(parameter, "grad_sample") for parameter in model.parameters())
    assert not any(module._backward_hooks or module._forward_hooks for module in model.modules())
    assert not any("forward" in vars(module) for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    places = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    assert len(places) == len(list(model.parameters()))
