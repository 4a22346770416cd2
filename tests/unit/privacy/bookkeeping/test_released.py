"""When a step is over nothing of it is left: a rule that holds on to its graph keeps every step's activations for ever.

A graph that its own hook leads back to is held in C++, where Python's collector cannot see it.
"""

import gc
import weakref
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from fedward_shared.errors import TrainingError
from fedward_shared.privacy.bookkeeping.attach import BookKeeping


class First(nn.Module):
    """A layer between two linear ones; the first of what it gives, where it gives several."""

    def __init__(self, layer: nn.Module, take: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.before, self.layer, self.after, self.take = nn.Linear(4, 4), layer, nn.Linear(4, 4), take

    def forward(self, values: Tensor) -> Tensor:
        return torch.as_tensor(self.after(self.take(self.layer, self.before(values))))


LAYERS = [
    nn.Linear(4, 4),
    nn.Conv1d(6, 6, 1),
    nn.ConvTranspose1d(6, 6, 1),
    nn.GroupNorm(2, 6),
    nn.InstanceNorm1d(6, affine=True),
    nn.LayerNorm(4),
    nn.RMSNorm(4),
    nn.LSTM(4, 4, batch_first=True),
    nn.GRU(4, 4, batch_first=True),
    nn.RNN(4, 4, batch_first=True),
    nn.MultiheadAttention(4, 2, batch_first=True),
    nn.TransformerEncoderLayer(4, 2, 4, dropout=0.0, batch_first=True),
]


def take(layer: nn.Module, values: Tensor) -> Tensor:
    if isinstance(layer, nn.MultiheadAttention):
        return torch.as_tensor(layer(values, values, values, need_weights=False)[0])
    given = layer(values)
    return torch.as_tensor(given[0] if isinstance(given, tuple) else given)


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
def test_a_step_leaves_nothing_behind(layer: nn.Module) -> None:
    model = First(layer, take)
    records = torch.randn(3, 6, 4)
    with BookKeeping(model) as books:
        books.tape.begin()
        torch.autograd.backward(model(records).sum())
        assert books.tape.squares().shape[1] == len(records)
        tape = weakref.ref(books.tape)
    del books
    gc.collect()
    assert tape() is None


@pytest.mark.parametrize("layer", [nn.Embedding(5, 4), nn.EmbeddingBag(5, 4, mode="mean")])
def test_a_step_on_tokens_leaves_nothing_behind(layer: nn.Module) -> None:
    model = nn.Sequential(layer, nn.Linear(4, 4))
    with BookKeeping(model) as books:
        books.tape.begin()
        torch.autograd.backward(model(torch.randint(0, 5, (3, 2))).sum())
        tape = weakref.ref(books.tape)
    del books
    gc.collect()
    assert tape() is None


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_graph_that_is_walked_twice_is_told(kind: type[nn.LSTM | nn.GRU | nn.RNN]) -> None:
    model = First(kind(4, 4, batch_first=True), take)
    with BookKeeping(model) as books:
        books.tape.begin()
        values = model.layer(torch.randn(3, 6, 4))[0].sum()
        torch.autograd.backward(values, retain_graph=True)
        with pytest.raises(TrainingError, match="went a second time"):
            torch.autograd.backward(values)
