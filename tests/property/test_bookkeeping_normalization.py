"""Normalisations of all shapes: the fast norms and clipped sums are those of brute force."""

import os

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.support.gradients import check, few, ragged

EXAMPLES = 60 * (10 if os.environ.get("FEDWARD_LONG") else 1)
INSTANCES = nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d


@st.composite
def layers(draw: st.DrawFn) -> tuple[nn.Module, tuple[int, ...]]:
    """A layer, and the shape of a record that fits it."""
    kind = draw(st.sampled_from(["group", "instance", "layer", "rms"]))
    epsilon = draw(st.sampled_from([1e-5, 1e-2, 1.0]))
    space = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    if kind == "group":
        groups = draw(st.integers(1, 3))
        channels = groups * draw(st.integers(1, 4))
        return nn.GroupNorm(groups, channels, epsilon), (channels, *space[1:], 3)
    if kind == "instance":
        channels, space = draw(st.integers(1, 5)), (*space[1:], 3)
        return INSTANCES[len(space) - 1](channels, epsilon, affine=True), (channels, *space)
    last = draw(st.integers(0, len(space) - 1))
    if kind == "layer":
        return nn.LayerNorm(space[last:], epsilon, bias=draw(st.booleans())), space
    return nn.RMSNorm(space[last:], epsilon), space


@given(
    seed=st.integers(0, 2**32),
    made=layers(),
    sizes=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    exact=st.booleans(),
    clip=st.floats(0.01, 1.5),
)
@settings(max_examples=EXAMPLES, deadline=None)
def test_normalisations_are_as_brute_force_has_them(
    *, seed: int, made: tuple[nn.Module, tuple[int, ...]], sizes: list[int], exact: bool, clip: float
) -> None:
    torch.manual_seed(seed)
    model, shape = made
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    records = torch.randn(sum(sizes), *shape, dtype=torch.float64)
    dtype = torch.float64 if exact or few(model) else torch.float32
    check(model, records, owner=ragged(sizes), dtype=dtype, clip=clip)
