"""`[training] precision`: bfloat16 where there is a GPU, float32 everywhere else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from fedward_client.vault.training.dataset import Part
from fedward_client.vault.training.local_round import in_bfloat16, on_device, stepper_for
from fedward_shared.contracts.study import Study
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.plain import PlainStepper
from fedward_shared.privacy.randomness.noise import KeystreamSource
from tests.support.cohorts import TERMS, site, training_set
from tests.support.samples import TWO_SITES
from tests.support.training_orders import NO_PRIVACY, published_study

torch.set_num_threads(1)
NEEDS_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")


class Seen(nn.Module):
    """A linear model that notes the type of what its layer gives."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 1)
        self.types: list[torch.dtype] = []

    def forward(self, records: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.linear(records)
        self.types.append(found.dtype)
        return found


def asked(text: str = NO_PRIVACY) -> Study:
    """The sample study, asking for bfloat16."""
    return published_study(text.replace("deterministic = false", 'deterministic = false\nprecision = "bfloat16"'))[1]


def test_a_study_says_it_and_the_device_decides() -> None:
    terms = asked().training
    assert terms.precision == "bfloat16"
    assert not in_bfloat16(terms, torch.device("cpu"))
    assert in_bfloat16(terms, torch.device("cuda"))
    assert not in_bfloat16(replace(terms, precision="float32"), torch.device("cuda"))


@pytest.mark.parametrize("text", [TWO_SITES, NO_PRIVACY])
def test_on_the_cpu_nothing_changes(text: str) -> None:
    study, data = asked(text), training_set((5,), [0, 0, 1, 2])
    weights = []
    for one in (study, replace(study, training=replace(study.training, precision="float32"))):
        torch.manual_seed(0)
        model = Seen()
        stepper = stepper_for(one, "north", model, data, KeystreamSource.unsafe_seeded(1, b""))
        stepper.step()
        stepper.close()
        assert set(model.types) <= {torch.float32, torch.float64}
        weights.append(model.linear.weight.detach().clone())
    assert torch.equal(*weights)


def test_the_plain_step_takes_bfloat16_forwards_and_float32_weights() -> None:
    model, data = Seen(), training_set((5,), [0, 1, 2])
    stepper = PlainStepper(
        model, data, training=TERMS, site=site(), source=KeystreamSource.unsafe_seeded(1, b""), autocast=True
    )
    before = model.linear.weight.detach().clone()
    stepper.step()
    stepper.close()
    assert model.types == [torch.bfloat16]
    assert model.linear.weight.dtype == torch.float32
    assert not torch.equal(model.linear.weight, before)


@NEEDS_GPU
@pytest.mark.parametrize("text", [TWO_SITES, NO_PRIVACY])
def test_on_a_gpu_layers_compute_in_bfloat16(text: str) -> None:
    data = training_set((5,), [0, 0, 1, 2])
    there = TrainingSet(data.records.cuda(), data.labels.cuda(), data.count, data.order, data.starts)
    model = Seen().cuda()
    stepper = stepper_for(asked(text), "north", model, there, KeystreamSource.unsafe_seeded(1, b""))
    stepper.step()
    stepper.close()
    assert model.types[-1] == torch.bfloat16
    assert model.linear.weight.dtype == torch.float32


@NEEDS_GPU
def test_pictures_on_a_gpu_lie_channels_last() -> None:
    data = training_set((3, 8, 8), [0, 1])
    part = Part(data.records.numpy(), data.labels.numpy(), data.order, 2, data.order)
    assert on_device(part, torch.device("cuda")).records.is_contiguous(memory_format=torch.channels_last)
