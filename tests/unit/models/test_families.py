"""Every family in the registry, with its options: what the rest of the system takes for granted of a model."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from fedward_shared.contracts.arrays import Text, TextForm
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.contracts.study import ModelTerms, SiteTerms, TrainingTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.head import head_for
from fedward_shared.models.registry import build, check_options, initial_weights, names, tensor_specs
from fedward_shared.privacy.bookkeeping.verify import verify
from fedward_shared.privacy.cohort import TrainingSet
from fedward_shared.privacy.randomness.noise import KeystreamSource
from fedward_shared.privacy.step import PrivateStepper
from fedward_shared.privacy.sums import Way
from tests.support.families import CONTRACTS, EXAMPLES, Example, labels_for, problem_for, records_for
from tests.support.gradients import check, check_bound, check_lost, ragged

torch.set_num_threads(1)

UNITS = (2, 1, 3, 1)
"""Records of each patient."""
OTHERS = {
    **dict.fromkeys(("cnn1d", "cnn_lstm", "gru", "lstm", "transformer"), ("vector", "image")),
    **dict.fromkeys(("cnn", "resnet18", "vgg"), ("vector", "signal")),
    "cox": ("table",),
    "hazard": ("table",),
    "logistic": (),
    "mlp": (),
}
"""Data that a family cannot take; tables of numbers and flattened records are all that the last two need."""

every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.label)


def stirred(example: Example) -> nn.Module:
    """The model with weights that are no longer its first ones, of which some are zero."""
    model = build(example.terms(), example.on())
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.1)
    return model


def stepper(
    model: nn.Module, example: Example, data: TrainingSet, *, way: Way = "fast", rate: float = 0.5, clip: float = 0.2
) -> PrivateStepper:
    return PrivateStepper(
        model,
        data,
        training=TrainingTerms(local_steps=1, learning_rate=rate, optimizer="adam" if way == "fast" else "sgd"),
        site=SiteTerms("north", size=data.count, sampling_rate=1.0, normaliser=data.count),
        clip_norm=clip,
        noise_multiplier=0.0,
        records_per_patient=9,
        source=KeystreamSource.unsafe_seeded(0, b"families"),
        loss=head_for(example.terms(), example.on()).losses,
        way=way,
    )


def test_every_family_has_an_example_and_is_asked_what_it_refuses() -> None:
    assert {example.name for example in EXAMPLES} == set(names())
    assert set(OTHERS) == set(names())


@every_example
def test_a_model_is_float32_weights_without_buffers_as_its_specs_say(example: Example) -> None:
    model = build(example.terms(), example.on())
    state = model.state_dict()
    specs = tensor_specs(example.terms(), example.on())
    assert [(spec.name, spec.shape) for spec in specs] == [(key, tuple(each.shape)) for key, each in state.items()]
    assert {each.dtype for each in state.values()} == {torch.float32}
    assert list(model.buffers()) == []
    assert len(state) == len(list(model.parameters()))


@every_example
def test_records_do_not_see_each_other_and_get_the_outputs_of_the_head(example: Example) -> None:
    model, contract = stirred(example), example.on()
    records = records_for(contract, 5)
    for mode in (True, False):
        model.train(mode)
        together = model(records)
        assert together.shape == (5, head_for(example.terms(), contract).outputs)
        alone = torch.cat([model(record[None]) for record in records])
        torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@every_example
def test_first_weights_follow_from_the_seed(example: Example) -> None:
    torch.manual_seed(1)
    first = initial_weights(example.terms(), example.on())
    torch.manual_seed(2)
    again, other = (initial_weights(example.terms(seed), example.on()) for seed in (3, 4))
    assert all(np.array_equal(first[key], again[key]) for key in first)
    drawn = any(not np.array_equal(value, np.full_like(value, value.flat[0])) for value in first.values())
    assert drawn == any(not np.array_equal(first[key], other[key]) for key in first)


@every_example
def test_gradients_of_patients_are_those_of_brute_force(example: Example) -> None:
    model, owner = stirred(example), ragged(UNITS)
    records = records_for(example.on(), len(owner))
    verify(model, records)
    check(model, records, owner=owner)
    check(model, records, owner=owner, dtype=torch.float32)


@every_example
@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bfloat16"])
def test_nobody_moves_the_sum_by_more_than_the_clip_norm(example: Example, autocast: bool) -> None:
    owner = ragged(UNITS)
    check_bound(stirred(example), records_for(example.on(), len(owner)), owner=owner, autocast=autocast)


@every_example
def test_a_patient_whose_record_is_not_finite_is_as_if_absent(example: Example) -> None:
    owner = ragged(UNITS)
    check_lost(stirred(example), records_for(example.on(), len(owner)), owner=owner)


@every_example
def test_a_step_with_the_loss_of_the_head_is_that_of_one_patient_at_a_time(example: Example) -> None:
    contract, owner = example.on(), ragged(UNITS).numpy()
    records = records_for(contract, len(owner))
    records[-1] = float("nan")
    labels = labels_for(contract, torch.arange(len(owner)) % 2)
    data = TrainingSet.of(records, labels, owner, len(UNITS))
    model = stirred(example)

    def total(those: TrainingSet, way: Way) -> Tensor:
        with stepper(model, example, those, way=way) as private:
            return private.release().clone() * those.count

    found = total(data, "fast")
    assert float(found.norm()) > 0
    for other in (total(data, "each"), total(_first(data, len(UNITS) - 1), "each")):
        assert float((found - other).norm()) <= 1e-5 * float(other.norm())


@every_example
def test_a_few_steps_learn_what_is_easy(example: Example) -> None:
    contract = example.on()
    records, labels = problem_for(contract, 64)
    data = TrainingSet.of(records, labels, np.arange(64), 64)
    model = build(example.terms(), contract)
    losses = head_for(example.terms(), contract).losses

    def loss() -> float:
        with torch.no_grad():
            return float(losses(model(records), labels).mean())

    before = loss()
    with stepper(model, example, data, rate=0.02, clip=1.0) as private:
        for _ in range(25):
            private.step()
    assert loss() < 0.7 * before


@pytest.mark.parametrize(("name", "contract"), [(name, other) for name, others in OTHERS.items() for other in others])
def test_data_of_another_kind_are_refused_with_a_hint(name: str, contract: str) -> None:
    with pytest.raises(UsageError, match=name) as caught:
        check_options(ModelTerms(name), CONTRACTS[contract])
    assert caught.value.hint


@pytest.mark.parametrize("name", names())
def test_texts_as_tokens_wait_for_their_models(name: str) -> None:
    text = DataContract(DataKind.TENSOR, CONTRACTS["vector"].label, form=Text("note", TextForm.TOKENS, length=8))
    with pytest.raises(UsageError, match=name) as caught:
        check_options(ModelTerms(name), text)
    assert "tokens" in str(caught.value.hint).lower()


def _first(data: TrainingSet, count: int) -> TrainingSet:
    """The first `count` patients."""
    rows = data.order[: data.starts[count]]
    units = np.repeat(np.arange(count), [stop - start for start, stop in pairwise(data.starts[: count + 1].tolist())])
    return TrainingSet.of(data.records[rows], data.labels[rows], units, count)
