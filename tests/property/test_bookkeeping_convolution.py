"""Convolutions of all shapes and options: the fast norms and clipped sums are those of brute force."""

import os

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from fedward_shared.privacy.bookkeeping import kernels
from tests.support.gradients import check, few, ragged

EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)
DOWN = nn.Conv1d, nn.Conv2d, nn.Conv3d
UP = nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d


@st.composite
def layers(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """A layer, and the shape of a record that fits it."""
    axes, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 1, 2, 3]))
    channels, depth = (groups * draw(st.integers(1, 5)) for _ in range(2))
    each = [
        {"kernel": draw(st.integers(1, 3)), "stride": draw(st.integers(1, 3)), "dilation": draw(st.integers(1, 2))}
        for _ in range(axes)
    ]
    kernel, stride, dilation = (tuple(one[name] for one in each) for name in ("kernel", "stride", "dilation"))
    padding = tuple(draw(st.integers(0, 2)) for _ in range(axes))
    space = tuple(draw(st.integers(1, 6)) for _ in range(axes))
    bias = draw(st.booleans())
    if draw(st.booleans()):
        extra = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
        sizes = [
            (n - 1) * s - 2 * p + d * (k - 1) + 1 + e
            for n, s, p, d, k, e in zip(space, stride, padding, dilation, kernel, extra, strict=True)
        ]
        assume(min(sizes) > 0)
        up = UP[axes - 1](channels, depth, kernel, stride, padding, extra, groups, bias, dilation)  # type: ignore[arg-type]
        return up, (channels, *space)
    reach = [n + 2 * p - d * (k - 1) for n, p, d, k in zip(space, padding, dilation, kernel, strict=True)]
    assume(min(reach) > 0)
    down = DOWN[axes - 1](channels, depth, kernel, stride, padding, dilation, groups, bias)  # type: ignore[arg-type]
    return down, (channels, *space)


@given(
    seed=st.integers(0, 2**32),
    made=layers(),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    exact=st.booleans(),
    clip=st.floats(0.01, 1.5),
    favour=st.sampled_from(["nothing", "ghosts of pixels", "ghosts of patches", "groups", "patches"]),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_convolutions_are_as_brute_force_has_them(
    *,
    seed: int,
    made: tuple[nn.Module, tuple[int, ...]],
    sizes: list[int],
    exact: bool,
    clip: float,
    favour: str,
) -> None:
    """Costs are changed so that each way meets every shape."""
    costs = {
        "ghosts of pixels": {"_KEEP": 1e9, "_COPY": 1e9},
        "ghosts of patches": {"_KEEP": 1e9, "_DIAGONAL": 1e9},
        "groups": {"_GRAM": 1e9, "_LARGEST_PATCHES": 0},
        "patches": {"_GRAM": 1e9},
    }
    torch.manual_seed(seed)
    model, shape = made
    records = torch.randn(sum(sizes), *shape, dtype=torch.float64)
    dtype = torch.float64 if exact or few(model) else torch.float32
    with pytest.MonkeyPatch.context() as patch:
        for name, value in costs.get(favour, {}).items():
            patch.setattr(kernels, name, value)
        check(model, records, owner=ragged(sizes), dtype=dtype, clip=clip)
