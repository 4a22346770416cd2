"""What a convolution sees at each position, and how alike two positions are.

A convolution's weight gradient is Σ_t s_t p_tᵀ: at each position t, s_t (one value a channel of the smaller side, the
output gradient) times p_t, the patch of the larger side (the input) under the kernel. A transposed convolution is the
same with the sides exchanged: what is said of weight gradients here holds for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["Geometry", "Sides", "patch_grams", "patches"]


@dataclass(frozen=True, slots=True)
class Geometry:
    """How a kernel moves: one number a spatial axis in each. The larger side is padded by `padding` at both ends."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of a convolution: `larger` (records, channels, space...), `smaller` (records, d, positions...)."""

    larger: Tensor
    smaller: Tensor
    at: Geometry


def patches(larger: Tensor, positions: Sequence[int], at: Geometry, *, channels_last: bool) -> Tensor:
    """All patches of the padded larger side, without a copy: overlapping views.

    `larger` is contiguous: (records, channels, space...), or (records, space..., channels) if `channels_last`.
    Returns (records, channels, *kernel, *positions), or (records, *positions, *kernel, channels).
    """
    strides = larger.stride()
    space = strides[1:-1] if channels_last else strides[2:]
    moves = [step * apart for step, apart in zip(space, at.stride, strict=True)]
    inside = [step * apart for step, apart in zip(space, at.dilation, strict=True)]
    if channels_last:
        size = (len(larger), *positions, *at.kernel, larger.shape[-1])
        return larger.as_strided(size, (strides[0], *moves, *inside, strides[-1]))
    size = (*larger.shape[:2], *at.kernel, *positions)
    return larger.as_strided(size, (*strides[:2], *inside, *moves))


def patch_grams(pixels: Tensor, space: Sequence[int], positions: Sequence[int], at: Geometry) -> Tensor:
    """The inner products of all patches of each patient, without the patches.

    Two patches' product is the sum, over the kernel, of products of pixels, so each pair of pixels is multiplied once
    and the products are added along diagonals, one axis after another.

    Args:
        pixels: (patients, images * prod(space), channels) of the larger side before padding.
        space: its spatial shape.
        positions: the smaller side's.
        at: how the kernel moves.

    Returns:
        (patients, n, n) with n = images * prod(positions), in the type of `pixels`.
    """
    patients, axes = len(pixels), len(space)
    images = pixels.shape[1] // prod(space)
    products = torch.bmm(pixels, pixels.mT).view(patients, images, *space, images, *space)
    if any(at.padding):
        around = [width for each in reversed(at.padding) for width in (each, each)]
        products = functional.pad(products, [*around, 0, 0, *around])
    for axis in range(axes):
        moves = at.kernel[axis], at.stride[axis], at.dilation[axis]
        products = _along_diagonal(products, (2 + axis, 3 + axes + axis), positions[axis], moves)
    count = images * prod(positions)
    return products.reshape(patients, count, count)


def _along_diagonal(products: Tensor, axes: tuple[int, int], positions: int, moves: tuple[int, int, int]) -> Tensor:
    """Σ_k products[t·stride + k·dilation, u·stride + k·dilation] for positions t and u, on two axes of `products`."""
    kernel, stride, dilation = moves
    reach = (positions - 1) * stride + 1
    every = tuple(slice(None, None, stride if axis in axes else 1) for axis in range(products.dim()))
    parts = (
        products.narrow(axes[0], start, reach).narrow(axes[1], start, reach)[every]
        for start in range(0, kernel * dilation, dilation)
    )
    total = next(parts)
    if kernel > 1:
        total = total.clone()
        for part in parts:
            total += part
    return total
