"""Families of series and signals: what they look at, and what they cannot."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.study import ModelTerms, Scalar
from fedward_shared.errors import UsageError
from fedward_shared.models.pooling import AttentionPooling, mean_over
from fedward_shared.models.recurrent import Decay
from fedward_shared.models.registry import build, check_options
from fedward_shared.models.series import Channels
from fedward_shared.models.transformer import sinusoids
from tests.support.families import CONTRACTS

CHANNELS = Channels(6, 2, masks=True, deltas=True, held=True)
torch.set_num_threads(1)


def series(masks: Tensor) -> Tensor:
    """Records (records, steps, 6) with these masks (records, steps, 2), and random values and deltas."""
    return torch.cat([torch.randn(masks.shape), masks, torch.rand(masks.shape)], dim=2)


def test_steps_in_which_nothing_was_measured_are_told() -> None:
    masks = torch.tensor([[[1.0, 0], [0, 0], [0, 1]], [[0, 0], [0, 0], [0, 0]]])
    seen = CHANNELS.seen(series(masks))
    assert seen is not None
    assert seen.tolist() == [[True, False, True], [True, True, True]]
    assert Channels(4, 4).seen(torch.randn(2, 3, 4)) is None


def test_pooling_weighs_steps_that_were_seen_and_no_others() -> None:
    states, seen = torch.randn(2, 5, 3), torch.tensor([[True, False, True, True, False], [False, True] * 2 + [True]])
    pooling = AttentionPooling(3)
    for record, which in zip(states, seen, strict=True):
        few = record[which]
        weights = (few @ pooling.score.weight[0]).softmax(dim=0)
        together = pooling(record[None], which[None])[0]
        torch.testing.assert_close(together, weights @ few)
        torch.testing.assert_close(mean_over(record[None], which[None])[0], few.mean(dim=0))
    torch.testing.assert_close(mean_over(states), states.mean(dim=1))


def test_held_values_fade_with_the_time_since_they_were_measured() -> None:
    decay = Decay(CHANNELS)
    with torch.no_grad():
        decay.rate.weight.copy_(torch.tensor([0.5, -1.0]).view(2, 1, 1))
    record = torch.tensor([[[2.0, 3.0, 1, 0, 0, 4], [2.0, 3.0, 0, 1, 1, 0], [2.0, 5.0, 0, 0, 2, 7]]])
    faded = decay(record)[0]
    assert faded[:, 2:].equal(record[0, :, 2:])
    expected = [[2.0, 3.0], [2 * math.exp(-0.5), 3.0], [2 * math.exp(-1.0), 5.0]]
    torch.testing.assert_close(faded[:, :2], torch.tensor(expected))


@pytest.mark.parametrize("options", [{"pooling": "mean"}, {"pooling": "attention"}, {"patch": 2}])
def test_a_transformer_does_not_look_at_steps_in_which_nothing_was_measured(options: dict[str, Scalar]) -> None:
    sizes: dict[str, Scalar] = {"width": 8, "heads": 2, "layers": 2, "feedforward": 8}
    model = build(ModelTerms("transformer", sizes | options), CONTRACTS["series"])
    masks = torch.zeros(1, 10, 2)
    masks[0, [0, 5, 9], 1] = 1
    record = series(masks)
    other = record.clone()
    other[0, 2:4, :2] += 1
    other[0, 2:4, 4:] += 1
    torch.testing.assert_close(model(record), model(other))
    other[0, 5, 0] += 1
    assert not torch.allclose(model(record), model(other))


def test_positions_are_those_of_the_paper() -> None:
    found = sinusoids(7, 6, torch.zeros(1))
    for step in range(7):
        for place in range(3):
            angle = step / 10_000 ** (2 * place / 6)
            assert found[step, 2 * place].item() == pytest.approx(math.sin(angle), abs=1e-6)
            assert found[step, 2 * place + 1].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_both_directions_end_where_they_have_read_everything() -> None:
    model = build(ModelTerms("gru", {"hidden": 3, "bidirectional": True}), CONTRACTS["bare"])
    record = torch.randn(1, 10, 2)
    for step in (0, 9):
        other = record.clone()
        other[0, step] += 1
        states = [model.get_submodule("recurrent")(each)[0] for each in (record, other)]
        pooled = [model.get_submodule("states")(each, None) for each in states]
        assert ((pooled[0] - pooled[1]).abs() > 1e-7).all()


def test_keys_of_a_plain_recurrent_network_are_those_of_earlier_versions() -> None:
    keys = list(build(ModelTerms("lstm", {"hidden": 3}), CONTRACTS["bare"]).state_dict())
    stock = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert keys == [*(f"recurrent.{key}" for key in stock), "head.weight", "head.bias"]


@pytest.mark.parametrize(
    ("name", "contract", "options", "key"),
    [
        ("cnn1d", "signal", {"kernel": 4}, "kernel"),
        ("cnn1d", "signal", {"channels": (4,) * 7}, "channels"),
        ("cnn_lstm", "signal", {"stride": 64}, "channels"),
        ("cnn_lstm", "signal", {"attention": "yes"}, "attention"),
        ("gru", "bare", {"decay": True}, "decay"),
        ("lstm", "signal", {"decay": True}, "decay"),
        ("transformer", "series", {"width": 9, "heads": 3}, "width"),
        ("transformer", "series", {"width": 10, "heads": 4}, "width"),
        ("transformer", "series", {"patch": 11}, "patch"),
        ("transformer", "series", {"pooling": "last"}, "pooling"),
    ],
)
def test_options_that_do_not_fit_are_named(
    name: str, contract: str, options: dict[str, Scalar | tuple[Scalar, ...]], key: str
) -> None:
    with pytest.raises(UsageError, match=rf"\[model.options\] {key}: "):
        check_options(ModelTerms(name, options), CONTRACTS[contract])


def test_values_that_are_not_held_do_not_fade() -> None:
    form = CONTRACTS["series"].form
    assert isinstance(form, Series)
    contract = replace(CONTRACTS["series"], form=replace(form, hold=False))
    with pytest.raises(UsageError, match="decay"):
        check_options(ModelTerms("gru", {"decay": True}), contract)
