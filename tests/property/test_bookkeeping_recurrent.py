"""Recurrent layers of all shapes and options: the fast norms and clipped sums are those of brute force."""

import os
from collections.abc import Callable

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from tests.support.gradients import check, ragged

EXAMPLES = 40 * (10 if os.environ.get("FEDWARD_LONG") else 1)


class Series(nn.Module):
    """Records (records, steps, inputs + 1), of which the last number at the first step is the length, to scores."""

    def __init__(self, layer: nn.RNNBase, *, packed: bool, given: bool) -> None:
        super().__init__()
        self.layer, self.packed, self.given = layer, packed, given
        self.head = nn.Linear(layer.hidden_size * (1 + layer.bidirectional), 2)

    def forward(self, records: Tensor) -> Tensor:
        values, lengths = records[..., :-1], records[:, 0, -1].detach().round().long()
        layers = self.layer.num_layers * (1 + self.layer.bidirectional)
        state = records.mean(dim=(1, 2)).expand(layers, self.layer.hidden_size, -1).transpose(1, 2)
        states = (state, state * 0.5) if isinstance(self.layer, nn.LSTM) else state
        series = values if self.layer.batch_first else values.transpose(0, 1)
        if self.packed:
            packed = pack_padded_sequence(series, lengths, self.layer.batch_first, enforce_sorted=False)
            output, _ = self.layer(packed, states if self.given else None)
            output, _ = pad_packed_sequence(output, self.layer.batch_first, total_length=records.shape[1])
        else:
            output, _ = self.layer(series, states if self.given else None)
        found: Tensor = self.head(output if self.layer.batch_first else output.transpose(0, 1))
        return found


@given(
    kind=st.sampled_from([nn.LSTM, nn.GRU, nn.RNN]),
    patients=st.lists(st.lists(st.integers(1, 7), min_size=1, max_size=3), min_size=1, max_size=4),
    widths=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    layers=st.integers(1, 2),
    options=st.fixed_dictionaries({name: st.booleans() for name in ("bias", "batch_first", "bidirectional")}),
    packed=st.booleans(),
    given_state=st.booleans(),
    exact=st.booleans(),
    clip=st.floats(0.01, 1.5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_recurrent_layers_are_as_brute_force_has_them(
    *,
    kind: Callable[..., nn.RNNBase],
    patients: list[list[int]],
    widths: tuple[int, int],
    layers: int,
    options: dict[str, bool],
    packed: bool,
    given_state: bool,
    exact: bool,
    clip: float,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    lengths = torch.tensor([length for records in patients for length in records])
    model = Series(kind(*widths, layers, **options), packed=packed, given=given_state)
    records = torch.randn(len(lengths), int(lengths.max()), widths[0] + 1, dtype=torch.float64)
    records[:, 0, -1] = lengths
    owner = ragged([len(each) for each in patients])
    check(model, records, owner=owner, dtype=torch.float64 if exact else torch.float32, clip=clip)
