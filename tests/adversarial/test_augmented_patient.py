"""A patient who would gain weight by being copied: many records, records that explode or are not finite, many copies.

Design invariants 3, 8 and 13: the sum moves by at most the clip norm, what is charged stays the same, and a patient
who is not finite contributes exactly zero, copies and all.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from fedward_client.vault.spending import round_event, study_event
from fedward_client.vault.training.local_round import stepper_for
from fedward_shared.contracts.augmentation import Augment
from fedward_shared.manifest.parse import load
from fedward_shared.manifest.resolve import published
from fedward_shared.models.registry import build
from fedward_shared.privacy.augmentation.plan import augmentation_for
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper
from tests.support.cohorts import MODELS, TERMS, contract_of, site, terms_of, training_set
from tests.support.samples import TWO_SITES

torch.set_num_threads(1)
AUGMENT = Augment(copies=8, flip=True, rotate=10, shift=0.2, intensity=0.3, drop=0.2, noise=0.5)
AUGMENTED = TWO_SITES.replace("[strategy]", "[training.augment]\ncopies = 8\nnoise = 0.5\n\n[strategy]", 1)


def clipped_sum(name: str, data: TrainingSet, *, augment: Augment = AUGMENT, seed: int = 0) -> Tensor:
    with PrivateStepper(
        build(terms_of(name), contract_of(name)),
        data,
        training=replace(TERMS, within_patient="sum", augment=augment),
        site=site(),
        clip_norm=1.0,
        noise_multiplier=0.0,
        records_per_patient=50,
        source=KeystreamSource.unsafe_seeded(seed, b"copied"),
        augmentation=augmentation_for(contract_of(name), augment),
    ) as stepper:
        return stepper._sum().double()


@pytest.mark.parametrize("scale", [1.0, 1e4, 1e18])
@pytest.mark.parametrize("name", MODELS)
def test_alone_a_patient_weighs_at_most_the_clip_norm(name: str, scale: float) -> None:
    for seed in range(3):
        data = training_set(contract_of(name).input_shape, [0] * 40, scale=scale, seed=seed)
        assert float(clipped_sum(name, data, seed=seed).norm()) <= 1 + 1e-4


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
@pytest.mark.parametrize("name", ["logistic", "cnn", "lstm"])
def test_a_patient_who_is_not_finite_is_as_if_absent(name: str, value: float) -> None:
    """The last of three patients, so that the others' copies are the same with and without; no noise on the step."""
    shape = contract_of(name).input_shape
    some = training_set(shape, [0, 1, 1])
    victim = torch.full(shape, value)
    victim.view(-1)[-1] = float("nan")
    data = TrainingSet.of(
        torch.cat((some.records, victim[None])),
        torch.cat((some.labels, torch.zeros(1, dtype=torch.int64))),
        np.array([0, 1, 1, 2]),
        3,
    )
    unchanged = Augment(copies=8)
    found = clipped_sum(name, data, augment=unchanged)
    assert found.isfinite().all()
    torch.testing.assert_close(found, clipped_sum(name, some, augment=unchanged), rtol=1e-5, atol=1e-7)
    assert clipped_sum(name, data).isfinite().all()


def test_copies_cost_nothing() -> None:
    """The same noise is published, and the same events are charged, with copies and without."""
    plain, augmented = load(published(TWO_SITES.encode())), load(published(AUGMENTED.encode()))
    assert augmented.training.augment == Augment(copies=8, noise=0.5)
    assert augmented.resolved == plain.resolved
    for name in plain.site_names:
        assert round_event(augmented, name) == round_event(plain, name)
        assert study_event(augmented, name) == study_event(plain, name)


def test_a_study_without_the_table_takes_the_step_it_always_took() -> None:
    study = load(published(TWO_SITES.encode()))
    model = build(study.model, study.data)
    stepper = stepper_for(study, "north", model, training_set((5,), [0, 1]), KeystreamSource.unsafe_seeded(0, b""))
    assert isinstance(stepper, PrivateStepper)
    assert stepper._augmentation is None
    stepper.close()
