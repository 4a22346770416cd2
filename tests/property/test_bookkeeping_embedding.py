"""Book-keeping of nn.Embedding against brute force, over vocabularies, shapes, padding and patients."""

import os

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.support.gradients import check, check_bound, ragged

EXAMPLES = 40 * (10 if os.environ.get("FEDWARD_LONG") else 1)
sizes = st.lists(st.integers(1, 3), min_size=1, max_size=5)


@given(
    sizes=sizes,
    positions=st.lists(st.integers(1, 5), max_size=2),
    rows=st.integers(1, 8),
    width=st.integers(1, 5),
    padding=st.booleans(),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_norms_sums_and_bounds(
    *, sizes: list[int], positions: list[int], rows: int, width: int, padding: bool, dtype: torch.dtype, seed: int
) -> None:
    torch.manual_seed(seed)
    model = nn.Embedding(rows, width, padding_idx=0 if padding else None)
    owner = ragged(sizes)
    tokens = torch.randint(0, rows, (len(owner), *positions))
    check(model, tokens, owner=owner, dtype=dtype)
    check_bound(model, tokens, owner=owner)
