"""The private step on survival: clipped sums as patient by patient, whatever family, likelihood and records."""

from __future__ import annotations

from itertools import pairwise
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.contracts.cohort import TICKS, DataContract, DataKind, FollowUp, Label, NumberColumn
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.models.heads.head import Head, head_for
from fedward_shared.models.registry import build
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper
from tests.support.cohorts import TERMS, site

torch.set_num_threads(1)
LABEL = Label("died", (("0",), ("1",)), ("alive", "dead"), follow_up=FollowUp("days", "days", 3650.0))
TABLE = DataContract(
    DataKind.TABLE, LABEL, tuple(NumberColumn(name, "", -10, 10, 0, 1) for name in ("age", "stage")), patient="patient"
)
IMAGES = DataContract(DataKind.TENSOR, LABEL, patient="patient", shape=(1, 8, 8))
SERIES = DataContract(DataKind.TENSOR, LABEL, patient="patient", shape=(6, 3))
SEVERAL = [0, 1, 1, 2, 3, 3, 3, 4, 0, 5, 6, 6, 7]
FAMILIES: tuple[tuple[DataContract, str, dict[str, Scalar | tuple[Scalar, ...]]], ...] = (
    (TABLE, "cox", {}),
    (TABLE, "cox", {"likelihood": "cloglog", "intervals": (365, 3650)}),
    (TABLE, "cox", {"likelihood": "logistic", "intervals": 1}),
    (TABLE, "cox", {"hidden": (6, 5), "activation": "tanh"}),
    (TABLE, "hazard", {"hidden": (6,)}),
    (TABLE, "hazard", {"hidden": (6,), "likelihood": "piecewise"}),
    (TABLE, "logistic", {"intervals": 3}),
    (TABLE, "mlp", {"hidden": (6,), "intervals": 3}),
    (IMAGES, "cnn", {"channels": (4,), "groups": 2, "hidden": 6, "intervals": 3}),
    (SERIES, "lstm", {"hidden": 5, "likelihood": "piecewise", "intervals": 3}),
)


def watched(units: list[int], contract: DataContract) -> TrainingSet:
    """Random records; times from time zero to the maximum, both included."""
    generator = torch.Generator().manual_seed(0)
    records = torch.randn(len(units), *contract.input_shape, generator=generator) * 2
    ticks = torch.randint(0, TICKS + 1, (len(units),), generator=generator)
    ticks[0], ticks[1] = 0, TICKS
    labels = 2 * ticks + torch.randint(0, 2, (len(units),), generator=generator)
    return TrainingSet.of(records, labels, np.asarray(units, dtype=np.int64), max(units) + 1)


def brute_force(model: nn.Module, head: Head, data: TrainingSet, clip: float) -> Tensor:
    """Σ clip(g_p), one patient after another."""
    parameters = list(model.parameters())
    total = torch.zeros(sum(parameter.numel() for parameter in parameters), dtype=torch.float64)
    for start, stop in pairwise(data.starts.tolist()):
        rows = torch.from_numpy(data.order[start:stop])
        loss = head.losses(model(data.records[rows]), data.labels[rows]).mean()
        parts = torch.autograd.grad(loss, parameters)
        gradient = torch.cat([part.flatten().double() for part in parts])
        total += gradient * min(1.0, clip / max(float(gradient.norm()), 1e-30))
    return total


@pytest.mark.parametrize("clip", [0.3, 1e3])
@pytest.mark.parametrize("units", [SEVERAL, list(range(13))], ids=["several", "one-each"])
@pytest.mark.parametrize(("contract", "name", "options"), FAMILIES)
def test_the_step_is_what_clipping_patient_by_patient_gives(
    contract: DataContract, name: str, options: dict[str, Scalar | tuple[Scalar, ...]], units: list[int], clip: float
) -> None:
    terms = ModelTerms(name, MappingProxyType(options), 3)
    model, head, data = build(terms, contract), head_for(terms, contract), watched(units, contract)
    with torch.no_grad():  # away from zero, where a linear model's gradients of different patients look alike
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    private = PrivateStepper(
        model,
        data,
        training=TERMS,
        site=site(),
        clip_norm=clip,
        noise_multiplier=0.0,
        records_per_patient=9,
        source=KeystreamSource.unsafe_seeded(0, b"step"),
        loss=head.losses,
    )

    with private:
        found = private._sum().double()

    expected = brute_force(model, head, data, clip)
    assert float((found - expected).norm() / expected.norm()) < 1e-5


@pytest.mark.parametrize("likelihood", ["logistic", "cloglog", "piecewise"])
def test_no_patient_moves_a_step_by_more_than_the_clip_norm_whatever_the_records(likelihood: str) -> None:
    terms = ModelTerms("cox", {"likelihood": likelihood})
    model, head = build(terms, TABLE), head_for(terms, TABLE)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(90.0)
    records = torch.tensor([[1e4, -1e4], [1e4, 1e4], [-1e4, -1e4]])
    for label in (0, 1, 2 * TICKS, 2 * TICKS + 1, TICKS + 1):
        data = TrainingSet.of(records, torch.full((3,), label), np.zeros(3, dtype=np.int64), 1)
        private = PrivateStepper(
            model,
            data,
            training=TERMS,
            site=site(),
            clip_norm=1.0,
            noise_multiplier=0.0,
            records_per_patient=9,
            source=KeystreamSource.unsafe_seeded(0, b"step"),
            loss=head.losses,
        )
        with private:
            assert float(private._sum().double().norm()) <= 1 + 1e-4
