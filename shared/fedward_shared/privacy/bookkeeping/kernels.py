"""Norms and clipped sums of a convolution's kernel, by the way that costs least for its shapes.

Shapes alone decide, so that the same model always computes the same:

- Few positions (deep layers): ghost norms from Gram matrices in float64 (Li et al. 2022; Bu et al. 2023), of pixels
  rather than of patches where kernels overlap. The clipped sum is one ordinary weight gradient.
- Many positions, or groups: each patient's own gradient, as one convolution with the records as groups (Rochette et
  al. 2019) or as products with patches, a few records at a time so that patches stay in the cache. It is kept,
  measured and summed; the ordinary weight gradient is never computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fedward_shared.privacy.bookkeeping.grouping import Grouping
from fedward_shared.privacy.bookkeeping.norms import gram_squares, squares
from fedward_shared.privacy.bookkeeping.patches import Geometry, Sides, patch_grams, patches
from fedward_shared.privacy.bookkeeping.tape import Sinks
from fedward_shared.privacy.bookkeeping.weights import Weights

__all__ = ["Part", "kernel_part"]

# Nanoseconds on one core (AMD EPYC, AVX-512), of which only ratios matter: a multiplication in float64; adding one
# product of two pixels along diagonals; copying one value of a patch; a multiplication, beyond what the ordinary
# weight gradient costs; and writing, measuring, weighing and keeping one value of a patient's own gradient.
_GRAM, _DIAGONAL, _COPY, _PRODUCT, _KEEP = 0.11, 5.0, 0.5, 0.004, 1.0

_CACHED = 200_000
"""Values of patches to hold at a time: they are read again while they are in the second-level cache."""
_FEW_ROWS = 256
"""Up to so many positions in all records, a product with patches is faster than torch's weight gradient."""
_PORTION = 4_000_000
"""Values of gradients by record to hold at a time, where patients have several records."""
_LARGEST_PATCHES = 8_000_000
"""One record's patches have no more values than this; images in three dimensions do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A parameter's squared norms, (patients,) float64, and how to add its clipped sum."""

    squares: Tensor
    add: Callable[[Weights, Sinks], None]


def kernel_part(weight: nn.Parameter, sides: Sides, grouping: Grouping) -> Part:
    """The part of `weight` (d, channels / groups, *kernel)."""
    larger, smaller, at = sides.larger, sides.smaller, sides.at
    positions, pixels = prod(smaller.shape[2:]) * grouping.most, prod(larger.shape[2:]) * grouping.most
    width, depth = larger.shape[1] * prod(at.kernel), smaller.shape[1]
    around = prod(n + 2 * p for n, p in zip(larger.shape[2:], at.padding, strict=True)) * grouping.most
    by_pixels = _GRAM * pixels**2 * larger.shape[1] + _DIAGONAL * around**2
    by_patches = (_GRAM * positions**2 + _COPY * positions) * width
    ghost = min(by_pixels, by_patches) + _GRAM * positions**2 * depth
    own = (_COPY + _PRODUCT * depth) * positions * width + _KEEP * width * depth
    if at.groups > 1 or ghost > own:
        return _own(weight, sides, grouping)
    if by_pixels < by_patches:
        flat = grouping.by_patient(larger.flatten(2).mT).double()
        return _ghost(weight, sides, grouping, patch_grams(flat, larger.shape[2:], smaller.shape[2:], at))
    seen = patches(_padded(larger, at, last=True), smaller.shape[2:], at, channels_last=True)
    rows = grouping.by_patient(seen.reshape(len(seen), -1, width)).double()
    return _ghost(weight, sides, grouping, torch.bmm(rows, rows.mT))


def _ghost(weight: nn.Parameter, sides: Sides, grouping: Grouping, right: Tensor) -> Part:
    """By the products of all patches, `right` (patients, positions, positions) float64."""
    smaller = sides.smaller
    flat = grouping.by_patient(smaller.flatten(2).mT).double()
    terms = smaller.shape[1] + sides.larger.shape[1] * prod(sides.at.kernel)
    norms = gram_squares(torch.bmm(flat, flat.mT), right, terms, torch.finfo(smaller.dtype).eps / 2)

    def add(weights: Weights, sinks: Sinks) -> None:
        scaled = weights.of_records(smaller) * weights.records.view(-1, *[1] * (smaller.dim() - 1))
        both = Sides(weights.of_records(sides.larger), scaled, sides.at)
        if len(smaller) * prod(smaller.shape[2:]) > _FEW_ROWS:
            sinks[weight].add_(_ordinary(both, weight.shape))
        else:
            sinks[weight].view(len(weight), -1).addmm_(*_as_matrices(both))

    return Part(norms, add)


def _as_matrices(sides: Sides) -> tuple[Tensor, Tensor]:
    """(d, n) and (n, channels * prod(kernel)), whose product is the weight gradient; n counts all positions."""
    smaller, axes = sides.smaller, len(sides.at.kernel)
    depth, positions = smaller.shape[1], smaller.shape[2:]
    seen = patches(_padded(sides.larger, sides.at, last=False), positions, sides.at, channels_last=False)
    seen = seen.permute(0, *range(2 + axes, 2 + 2 * axes), *range(1, 2 + axes))
    rows = len(smaller) * prod(positions)
    return smaller.movedim(1, 0).reshape(depth, rows), seen.reshape(rows, -1)


def _ordinary(sides: Sides, shape: Sequence[int]) -> Tensor:
    """The ordinary weight gradient, of that shape, summed over the records."""
    at = sides.at
    kernel = sides.larger.new_empty(1).expand(*shape)  # only its shape is read
    moves = at.stride, at.padding, at.dilation, False, [0] * len(at.kernel), at.groups
    with _exact(kernel.device):
        gradient: Tensor = torch.ops.aten.convolution_backward(
            sides.smaller, sides.larger, kernel, None, *moves, [False, True, False]
        )[1]
    return gradient


def _exact(device: torch.device) -> AbstractContextManager[Any]:
    """Without TF32, which loses more than a ghost norm allows for."""
    if device.type != "cuda":
        return nullcontext()
    settings = torch.backends.cudnn
    context: AbstractContextManager[Any] = settings.flags(settings.enabled, deterministic=True, allow_tf32=False)
    return context


def _own(weight: nn.Parameter, sides: Sides, grouping: Grouping) -> Part:
    """By each patient's gradient, kept."""
    grouped = sides.at.groups > 1 or _grouped_is_cheaper(sides)
    last = not grouped and _channels_last_is_cheaper(sides)
    own = _by_groups(weight, sides, grouping) if grouped else _by_patches(weight, sides, grouping, last=last)
    shape = (weight.shape[0], *sides.at.kernel, weight.shape[1]) if last else weight.shape

    def add(weights: Weights, sinks: Sinks) -> None:
        total = torch.mv(weights.of_patients(own).t(), weights.patients).view(shape)
        sinks[weight].add_(total.movedim(-1, 1) if last else total)

    return Part(squares(own), add)


def _grouped_is_cheaper(sides: Sides) -> bool:
    """One convolution is fast where its kernels fit whole vectors and are few beside the positions."""
    positions, channels, depth = prod(sides.smaller.shape[2:]), sides.larger.shape[1], sides.smaller.shape[1]
    if channels * prod(sides.at.kernel) * positions > _LARGEST_PATCHES:
        return True
    return positions >= 3 * depth and channels % 8 == 0 and depth % 8 == 0


def _channels_last_is_cheaper(sides: Sides) -> bool:
    """Patches are copied run by run: of channels (and pixels beside each other), or of positions in a row."""
    at = sides.at
    run = sides.larger.shape[1] * (at.kernel[-1] if at.dilation[-1] == 1 else 1)
    return run >= (min(sides.smaller.shape[-1], 32) if at.stride[-1] == 1 else 8)


def _by_groups(weight: nn.Parameter, sides: Sides, grouping: Grouping) -> Tensor:
    """Each patient's gradient, (patients, size): all records side by side in one convolution, a group for each."""
    size = weight.numel()

    def one(portion: slice) -> Tensor:
        larger, smaller = sides.larger[portion], sides.smaller[portion]
        records = len(larger)
        wide = larger.reshape(1, -1, *larger.shape[2:]), smaller.reshape(1, -1, *smaller.shape[2:])
        at = replace(sides.at, groups=records * sides.at.groups)
        return _ordinary(Sides(*wide, at), (records * weight.shape[0], *weight.shape[1:])).view(records, size)

    if grouping.owner is None:
        return one(slice(None))
    own = sides.larger.new_zeros(grouping.patients, size)
    for portion in _portions(grouping.records, _PORTION // size):
        own.index_add_(0, grouping.owner[portion], one(portion))
    return own


def _by_patches(weight: nn.Parameter, sides: Sides, grouping: Grouping, *, last: bool) -> Tensor:
    """Each patient's gradient, (patients, size), by products with patches; as (d, *kernel, channels) if `last`."""
    seen = patches(_padded(sides.larger, sides.at, last=last), sides.smaller.shape[2:], sides.at, channels_last=last)
    rows = sides.smaller.flatten(2)
    depth, width, positions = len(weight), weight[0].numel(), rows.shape[2]
    own = rows.new_empty(grouping.patients, depth, width)
    if grouping.owner is not None:
        own.zero_()
    for portion in _portions(grouping.records, _CACHED // (width * positions)):
        few = seen[portion]
        few = few.reshape(len(few), positions, width) if last else few.reshape(len(few), width, positions).mT
        if grouping.owner is None:
            torch.bmm(rows[portion], few, out=own[portion])
        else:
            own.index_add_(0, grouping.owner[portion], torch.bmm(rows[portion], few))
    return own.flatten(1)


def _portions(records: int, most: int) -> Iterator[slice]:
    most = max(1, most)
    return (slice(start, start + most) for start in range(0, records, most))


def _padded(larger: Tensor, at: Geometry, *, last: bool) -> Tensor:
    """Contiguous, its zeros around: (records, channels, space...), or with the channels `last`."""
    around = [width for each in reversed(at.padding) for width in (each, each)]
    if last:
        larger, around = larger.movedim(1, -1), [0, 0, *around]
    return (functional.pad(larger, around) if any(around) else larger).contiguous()
