"""Book-keeping of nn.MultiheadAttention against brute force, over shapes, masks, projections and patients."""

import os

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.attending import MASKS, MIXES, Attending
from tests.support.gradients import check, check_bound, ragged

EXAMPLES = 40 * (10 if os.environ.get("FEDWARD_LONG") else 1)
options = st.fixed_dictionaries(
    {},
    optional={
        "bias": st.booleans(),
        "add_bias_kv": st.booleans(),
        "add_zero_attn": st.booleans(),
        "batch_first": st.booleans(),
        "kdim": st.integers(1, 8),
        "vdim": st.integers(1, 8),
    },
)


@given(
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    positions=st.integers(2, 6),
    mix=st.sampled_from(MIXES),
    mask=st.sampled_from(MASKS),
    added=st.booleans(),
    told=st.sampled_from(["no", "mean", "each"]),
    options=options,
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**20),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_norms_sums_and_bounds(
    *,
    sizes: list[int],
    positions: int,
    mix: str,
    mask: str,
    added: bool,
    told: str,
    options: dict[str, bool | int],
    dtype: torch.dtype,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    model = Attending(mix, mask, added=added, told=told, **options)
    owner = ragged(sizes)
    records = torch.randn(len(owner), positions, 8, dtype=torch.float64)
    check(model, records, owner=owner, dtype=dtype)
    check_bound(model, records.float(), owner=owner)
