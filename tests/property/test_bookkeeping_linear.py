"""Linear layers of all shapes: the fast norms and clipped sums are those of brute force."""

import os

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.support.gradients import check, few, ragged

EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    positions=st.lists(st.integers(1, 6), max_size=2),
    widths=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    bias=st.booleans(),
    exact=st.booleans(),
    clip=st.floats(0.01, 1.5),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_linear_layers_are_as_brute_force_has_them(
    *, sizes: list[int], positions: list[int], widths: tuple[int, int], bias: bool, exact: bool, clip: float, seed: int
) -> None:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(*widths, bias=bias), nn.Tanh(), nn.Linear(widths[1], 3))
    records = torch.randn(sum(sizes), *positions, widths[0], dtype=torch.float64)
    dtype = torch.float64 if exact or few(model) else torch.float32
    check(model, records, owner=ragged(sizes), dtype=dtype, clip=clip)
