"""The step over changed copies, against explicit gradients of every copy; and what copies must not change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.contracts.augmentation import Augment
from fedward_shared.models.heads.classes import losses
from fedward_shared.models.registry import build
from fedward_shared.privacy import sums
from fedward_shared.privacy.augmentation.draws import Draws
from fedward_shared.privacy.augmentation.plan import Augmentation, augmentation_for
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.plain import PlainStepper
from fedward_shared.privacy.randomness.noise import KeystreamSource, RandomSource
from fedward_shared.privacy.step import PrivateStepper
from fedward_shared.privacy.sums import Way
from tests.support.cohorts import MODELS, TERMS, contract_of, site, terms_of, training_set

torch.set_num_threads(1)
UNITS = [0, 1, 1, 2, 3, 3, 3, 4, 0, 5, 6, 6, 7]
AUGMENT = Augment(copies=3, flip=True, rotate=10, shift=0.2, intensity=0.3, drop=0.2, noise=0.5)
Within = Literal["mean", "sum"]
WITHINS: tuple[Within, ...] = ("mean", "sum")


@dataclass(frozen=True, slots=True)
class Watched(Augmentation):
    """Keeps what it made."""

    made: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __call__(self, records: Tensor, labels: Tensor, source: RandomSource) -> tuple[Tensor, Tensor]:
        found = Augmentation.__call__(self, records, labels, source)
        self.made.append(found)
        return found


def watched(name: str, terms: Augment = AUGMENT) -> Watched:
    augmentation = augmentation_for(contract_of(name), terms)
    assert augmentation is not None
    return Watched(augmentation.copies, augmentation.changes)


@contextmanager
def stepper(
    model: nn.Module,
    data: TrainingSet,
    augmentation: Augmentation,
    *,
    clip: float = 0.3,
    within: Within = "mean",
    way: Way = "fast",
    most: int = 9,
    seed: int = 0,
) -> Iterator[PrivateStepper]:
    with PrivateStepper(
        model,
        data,
        training=replace(TERMS, within_patient=within, augment=Augment(copies=augmentation.copies)),
        site=site(),
        clip_norm=clip,
        noise_multiplier=0.0,
        records_per_patient=most,
        source=KeystreamSource.unsafe_seeded(seed, b"augmented"),
        way=way,
        augmentation=augmentation,
    ) as private:
        yield private


def explicit(model: nn.Module, made: Watched, units: list[int], clip: float, within: Within) -> Tensor:
    """Σ over patients of clip(mean or sum over records of the mean over copies of each copy's own gradient)."""
    records, labels = (torch.cat(parts) for parts in zip(*made.made, strict=True))
    owner = np.repeat(np.sort(units), made.copies)
    parameters = list(model.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters), dtype=torch.float64)
    for patient in np.unique(owner):
        own = torch.zeros_like(total)
        places = np.flatnonzero(owner == patient)
        for place in places:
            one = slice(int(place), int(place) + 1)
            gradients = torch.autograd.grad(losses(model(records[one]), labels[one]).sum(), parameters)
            own += torch.cat([gradient.flatten().double() for gradient in gradients])
        own /= len(places) if within == "mean" else made.copies
        total += own * min(1.0, clip / float(own.norm()))
    return total


@pytest.mark.parametrize("way_and_portion", [("fast", 4096), ("fast", 7), ("fast", 1), ("each", 1), ("opacus", 7)])
@pytest.mark.parametrize("within", ["mean", "sum"])
@pytest.mark.parametrize("units", [UNITS, list(range(13))])
@pytest.mark.parametrize("name", ["logistic", "cnn", "gru"])
def test_the_sum_is_that_of_explicit_gradients_of_every_copy(
    name: str, units: list[int], within: Within, way_and_portion: tuple[Way, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    way, portion = way_and_portion
    if way == "opacus" and name == "gru":
        pytest.skip("Opacus has layers of its own in place of these")
    monkeypatch.setattr(sums, "_portion", lambda _: portion)
    model, augmentation = build(terms_of(name), contract_of(name)), watched(name)
    data = training_set(contract_of(name).input_shape, units)
    with stepper(model, data, augmentation, within=within, way=way) as private:
        found = private._sum().double()
    assert sum(len(labels) for _, labels in augmentation.made) == 3 * len(units)
    expected = explicit(model, augmentation, units, 0.3, within)
    assert float((found - expected).norm() / expected.norm()) < 1e-6


@pytest.mark.parametrize("copies", [1, 2, 5, 64])
def test_copies_that_are_not_changed_change_nothing(copies: int) -> None:
    model, shape = build(terms_of("mlp"), contract_of("mlp")), contract_of("mlp").input_shape
    for units in (UNITS, list(range(13))):
        data = training_set(shape, units)
        for within in WITHINS:
            found = []
            for number in (1, copies):
                with stepper(model, data, Augmentation(number, ()), within=within) as private:
                    found.append(private._sum().double())
            assert float((found[1] - found[0]).norm() / found[0].norm()) < 2e-6


@pytest.mark.parametrize("copies", [1, 2, 5, 16])
@pytest.mark.parametrize("units", [UNITS, list(range(13)), [0] * 9])
def test_copies_count_towards_what_fits_in_memory(
    copies: int, units: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sums, "_portion", lambda _: 10)
    augmentation = watched("logistic", replace(AUGMENT, copies=copies))
    data = training_set(contract_of("logistic").input_shape, units)
    with stepper(build(terms_of("logistic"), contract_of("logistic")), data, augmentation) as private:
        private._sum()
    largest = int(np.bincount(units).max()) * copies
    assert max(len(labels) for _, labels in augmentation.made) <= max(10, largest)
    assert sum(len(labels) for _, labels in augmentation.made) == len(units) * copies


def test_at_most_the_declared_records_of_a_patient_are_copied() -> None:
    augmentation = watched("logistic")
    data = training_set(contract_of("logistic").input_shape, [0] * 20 + [1])
    with stepper(build(terms_of("logistic"), contract_of("logistic")), data, augmentation, most=2) as private:
        private._sum()
    assert sum(len(labels) for _, labels in augmentation.made) == 3 * 3


@pytest.mark.parametrize("name", MODELS)
def test_the_records_of_the_site_stay_as_they_are(name: str) -> None:
    data = training_set(contract_of(name).input_shape, list(range(13)))
    before = data.records.clone()
    with stepper(build(terms_of(name), contract_of(name)), data, watched(name)) as private:
        for _ in range(3):
            private.step()
    assert torch.equal(data.records, before)


def test_each_step_changes_records_anew_and_the_same_randomness_repeats_them() -> None:
    data = training_set(contract_of("cnn").input_shape, UNITS)
    runs = []
    for seed in (1, 1, 2):
        augmentation = watched("cnn")
        with stepper(build(terms_of("cnn"), contract_of("cnn")), data, augmentation, seed=seed) as private:
            private.step()
            private.step()
        runs.append([records for records, _ in augmentation.made])
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])
    assert not torch.equal(runs[0][0], runs[0][1])
    assert not torch.equal(runs[0][0], runs[2][0])


def test_nobody_drawn_changes_nothing_and_fails_nothing() -> None:
    data = training_set(contract_of("cnn").input_shape, [])
    augmentation = watched("cnn")
    with stepper(build(terms_of("cnn"), contract_of("cnn")), data, augmentation) as private:
        assert not private._sum().any()
    assert augmentation.made == []


@dataclass(frozen=True, slots=True)
class Shifted:
    """Adds each copy's own number, so that what a record becomes is known without chance."""

    copies: int

    def __call__(self, records: Tensor, draws: Draws) -> Tensor:
        number = torch.arange(len(records)) % self.copies
        return records + number.view(-1, *[1] * (records.dim() - 1))


@pytest.mark.parametrize("within", ["mean", "sum"])
@pytest.mark.parametrize("name", MODELS)
def test_one_patient_moves_the_sum_by_at_most_the_clip_norm_whatever_the_copies(name: str, within: Within) -> None:
    """Nine records of the patient, each copied five times, with large gradients."""
    model, shape = build(terms_of(name), contract_of(name)), contract_of(name).input_shape
    units = [0, 1, 1, 2, *[3] * 9]
    everyone = training_set(shape, units, scale=100.0)
    others = TrainingSet.of(everyone.records[:4], everyone.labels[:4], np.array(units[:4]), 3)
    found = []
    for data in (everyone, others):
        with stepper(model, data, Augmentation(5, (Shifted(5),)), within=within) as private:
            found.append(private._sum().double())
    moved = float((found[0] - found[1]).norm())
    assert 0 < moved <= 0.3 * (1 + 1e-5)


@pytest.mark.parametrize("units", [[0, 1, 2, 2], list(range(5))])
def test_without_privacy_the_loss_is_the_mean_over_all_copies(units: list[int]) -> None:
    model, twin = (build(terms_of("cnn"), contract_of("cnn")) for _ in range(2))
    data, augmentation = training_set(contract_of("cnn").input_shape, units), watched("cnn")
    plain = PlainStepper(
        model,
        data,
        training=replace(TERMS, augment=AUGMENT),
        site=site(normaliser=99),
        source=KeystreamSource.unsafe_seeded(0, b""),
        augmentation=augmentation,
    )
    plain.step()
    ((records, labels),) = augmentation.made
    assert len(labels) == 3 * len(units)
    torch.autograd.backward(losses(twin(records), labels).mean())
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert theirs.grad is not None
        torch.testing.assert_close(ours, theirs - TERMS.learning_rate * theirs.grad)
