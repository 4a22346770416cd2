"""The registry and every model in it."""

from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import nn

from fedward_shared.contracts.cohort import DataContract, DataKind, Label
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.heads.classes import losses, probabilities
from fedward_shared.models.heads.head import head_for
from fedward_shared.models.registry import build, check_options, initial_weights, names, tensor_specs
from tests.support.cohorts import MODELS, contract_of, terms_of

THREE = Label("stage", (("1",), ("2",), ("3",)), ("one", "two", "three"))


def test_the_models_of_these_tests_are_in_the_registry() -> None:
    assert set(MODELS) <= set(names())  # test_families.py has all of them


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_what_its_specs_say_and_mixes_no_records(name: str) -> None:
    contract, terms = contract_of(name), terms_of(name)
    model = build(terms, contract)
    state = model.state_dict()
    assert [(spec.name, spec.shape) for spec in tensor_specs(terms, contract)] == [
        (key, tuple(tensor.shape)) for key, tensor in state.items()
    ]
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert list(model.buffers()) == []
    assert len(state) == len(list(model.parameters()))
    records = torch.randn(5, *contract.input_shape)
    together = model(records)
    assert together.shape == (5, head_for(terms, contract).outputs)
    alone = torch.cat([model(record[None]) for record in records])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("name", MODELS)
def test_first_weights_follow_from_the_seed_alone_and_leave_global_randomness_as_it_was(name: str) -> None:
    contract = contract_of(name)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    first = initial_weights(terms_of(name), contract)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    again, other = initial_weights(terms_of(name), contract), initial_weights(terms_of(name, seed=4), contract)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    if name not in {"logistic", "cox"}:
        assert any(not np.array_equal(first[key], other[key]) for key in first)


def test_specs_of_a_model_too_large_for_memory_cost_nothing() -> None:
    terms = ModelTerms("mlp", MappingProxyType({"hidden": (65_536, 65_536, 65_536)}))
    assert max(spec.size for spec in tensor_specs(terms, contract_of("mlp"))) == 65_536**2


def test_more_than_two_classes_get_a_logit_each() -> None:
    contract = DataContract(DataKind.TENSOR, THREE, shape=(4,))
    model = build(ModelTerms("logistic"), contract)
    scores = probabilities(model(torch.randn(6, 4)))
    assert scores.shape == (6, 3)
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(6))


def test_two_classes_are_one_logit_with_the_same_loss_as_two() -> None:
    logits, labels = torch.randn(7, 1), torch.randint(0, 2, (7,))
    both = torch.cat([torch.zeros_like(logits), logits], dim=1)
    torch.testing.assert_close(losses(logits, labels), nn.functional.cross_entropy(both, labels, reduction="none"))
    torch.testing.assert_close(probabilities(logits), torch.softmax(both, dim=1))


@pytest.mark.parametrize(
    ("name", "options", "key"),
    [
        ("logistic", {"hidden": 3}, "hidden"),
        ("mlp", {"width": 3}, "width"),
        ("mlp", {"hidden": ()}, "hidden"),
        ("mlp", {"hidden": (8, 0)}, "hidden"),
        ("mlp", {"hidden": (8.5,)}, "hidden"),
        ("mlp", {"hidden": True}, "hidden"),
        ("mlp", {"activation": "sin"}, "activation"),
        ("cnn", {"channels": (4, 4, 4, 4)}, "channels"),
        ("cnn", {"groups": 0}, "groups"),
        ("lstm", {"layers": 99}, "layers"),
        ("gru", {"hidden": "many"}, "hidden"),
    ],
)
def test_a_wrong_option_is_named(name: str, options: dict[str, Scalar | tuple[Scalar, ...]], key: str) -> None:
    with pytest.raises(UsageError, match=rf"\[model.options\] {key}: "):
        check_options(ModelTerms(name, options), contract_of(name))


@pytest.mark.parametrize(("name", "data"), [("cnn", "mlp"), ("lstm", "mlp"), ("gru", "cnn"), ("cnn", "gru")])
def test_a_model_for_other_data_is_refused(name: str, data: str) -> None:
    with pytest.raises(UsageError, match="needs"):
        check_options(ModelTerms(name), contract_of(data))


def test_an_unknown_model_gets_the_list() -> None:
    with pytest.raises(UsageError, match=r"cnn, .*gru, .*transformer"):
        check_options(ModelTerms("perceptron"), contract_of("mlp"))
