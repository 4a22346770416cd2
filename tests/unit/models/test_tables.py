"""Families of tables: their keys, what their options do, and which of them are refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.registry import build, check_options
from tests.support.families import CONTRACTS

TABLE = CONTRACTS["table"]
torch.set_num_threads(1)


def model(name: str, **options: Scalar | tuple[Scalar, ...]) -> nn.Module:
    return build(ModelTerms(name, options), TABLE)


def test_keys_and_first_weights_of_a_plain_network_are_those_of_earlier_versions() -> None:
    torch.manual_seed(0)
    stock = nn.Sequential(nn.Linear(9, 8), nn.ReLU(), nn.Linear(8, 1))
    found = model("mlp", hidden=8).state_dict()
    assert list(found) == [f"layers.{key}" for key in stock.state_dict()]
    assert all(torch.equal(found[f"layers.{key}"], each) for key, each in stock.state_dict().items())
    assert list(model("logistic").state_dict()) == ["linear.weight", "linear.bias"]


def test_layers_of_one_width_are_led_around_and_others_are_not() -> None:
    network = model("mlp", hidden=(8, 8, 4), residual=True)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "inner" in name:
                parameter.zero_()
    names = [name for name, _ in network.named_parameters() if "inner" in name]
    assert names == ["layers.2.inner.0.weight", "layers.2.inner.0.bias"]
    records = torch.randn(3, *TABLE.input_shape)
    layers = network.get_submodule("layers")
    assert isinstance(layers, nn.Sequential)
    torch.testing.assert_close(layers[:3](records.flatten(1)), layers[:2](records.flatten(1)))


def test_a_wide_network_starts_as_the_network_alone_and_a_scale_of_zero_says_nothing() -> None:
    records = torch.randn(6, *TABLE.input_shape)
    torch.testing.assert_close(model("mlp", wide=True)(records), model("mlp")(records))
    assert not model("mlp", output_scale=0.0)(records).any()
    torch.testing.assert_close(model("mlp", output_scale=0.5)(records), 0.5 * model("mlp")(records))


@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_training_starts_from_a_declared_share(name: str) -> None:
    still: dict[str, Scalar] = {"output_scale": 0.0} if name == "mlp" else {}
    risks = model(name, expected_share=0.2, **still)(torch.randn(6, *TABLE.input_shape)).sigmoid()
    torch.testing.assert_close(risks, torch.full((6, 1), 0.2))


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"embedding": "splines"}, "embedding"),
        ({"bins": 4}, "bins"),
        ({"embedding": "periodic", "cuts": "age: 40, 50"}, "cuts"),
        ({"embedding": "piecewise", "waves": 3}, "waves"),
        ({"embedding": "piecewise", "bins": 1}, "bins"),
        ({"embedding": "piecewise", "cuts": "pain: 1, 2"}, "cuts"),
        ({"embedding": "piecewise", "cuts": "age 40 50"}, "cuts"),
        ({"embedding": "piecewise", "cuts": "age: 50, 40"}, "cuts"),
        ({"embedding": "piecewise", "cuts": "age: 40"}, "cuts"),
        ({"embedding": "piecewise", "cuts": "age: 10, 40"}, "cuts"),
        ({"embedding": "piecewise", "cuts": "age: 40, old"}, "cuts"),
        ({"embedding": "piecewise", "cuts": ("age: 40, 50", "age: 50, 60")}, "cuts"),
        ({"embedding": "piecewise", "cuts": 40}, "cuts"),
        ({"embedding": "periodic", "frequency": 0.0}, "frequency"),
        ({"embedding": "periodic", "frequency": float("nan")}, "frequency"),
        ({"embedding": "periodic", "trainable": 1}, "trainable"),
        ({"expected_share": 1.0}, "expected_share"),
    ],
)
@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_options_that_are_wrong_or_do_nothing_are_named(
    name: str, options: dict[str, Scalar | tuple[Scalar, ...]], key: str
) -> None:
    with pytest.raises(UsageError, match=rf"\[model.options\] {key}: "):
        check_options(ModelTerms(name, options), TABLE)


@pytest.mark.parametrize("kind", ["piecewise", "periodic"])
def test_only_columns_of_a_table_are_embedded(kind: str) -> None:
    with pytest.raises(UsageError, match="embedding") as caught:
        check_options(ModelTerms("mlp", {"embedding": kind}), CONTRACTS["vector"])
    assert caught.value.hint
