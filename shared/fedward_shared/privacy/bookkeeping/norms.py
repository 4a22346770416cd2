"""Squared norms that are never below the truth by more than the slack that the noise covers.

Rounding is the enemy: a norm that comes out too small lets a patient through the clip. Two rules keep it out.

- A norm is the norm of *the very numbers that are summed* where they are at hand (`squares`): blocks of 256 products
  are added in the working precision and the blocks in float64, so the relative error is below 256 u (1.6e-5 in
  float32), whatever the numbers.
- A ghost norm, the product of two Gram matrices, is a sum of terms of both signs that may cancel. It is computed in
  float64 (`ghost_squares`), with Higham's bound on what float64 loses added; and since the clipped sum itself is one
  product in the working precision, whose error is up to γ·S (S: the norm before any cancellation), it is raised to
  what keeps the patient's share, *as computed*, within the slack.

Source: Higham, Accuracy and Stability of Numerical Algorithms (2002), chapter 3; Goodfellow (2015) and Li et al.
(2022) for the ghost norm; Casacuberta et al. (2022) for why rounding is part of sensitivity.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["ghost_is_cheaper", "ghost_squares", "gram_squares", "product_squares", "squares"]

_BLOCK = 256
_TOUCH = 8.0
"""What moving one value of a per-patient gradient costs, in multiplications (measured: benchmarks.dp_step)."""
_OWN_SLACK = 5e-5
"""The half of the slack that a patient's own rounding may use; the rest is for rounding in the sum over patients."""
_MOST_CANCELLATION = 1e-5
"""A patient's terms may be 1e-5/u times as long as their sum (168 in float32) before it is clipped harder for it:
what they lose to rounding in the sum over all patients stays that small."""


def squares(values: Tensor) -> Tensor:
    """Squared L2 norms of the rows: (rows, ...) -> (rows,) float64."""
    flat = values.flatten(1)
    return _raw(flat).double().add_(_lost(flat))


def product_squares(factors: Sequence[tuple[Tensor, Tensor, int]]) -> Tensor:
    """Squared norms of g (x, 1, …, 1)ᵀ by row, for each (g (rows, d), x (rows, p), number of ones): (n, rows) float64.

    The norm of such a product is the product of the norms: all terms are positive, nothing cancels.
    """
    if factors[0][0].device.type == "cpu":
        return torch.from_numpy(_product_squares_on_cpu(factors))
    left = torch.stack([_raw(gradients) for gradients, _, _ in factors]).double()
    right = torch.stack([_raw(inputs) for _, inputs, _ in factors]).double()
    ones = {number for _, _, number in factors}
    added = right.new_tensor([[float(number)] for _, _, number in factors]) if len(ones) > 1 else float(ones.pop())
    lost = max(max(_lost(gradients), _lost(inputs)) for gradients, inputs, _ in factors)
    norms: Tensor = (left + lost).mul_(right.add_(added).add_(lost))
    return norms


def _product_squares_on_cpu(factors: Sequence[tuple[Tensor, Tensor, int]]) -> NDArray[np.float64]:
    """The same in numpy, whose calls cost a third of PyTorch's: what counts for a small model."""
    left, right = np.empty((2, len(factors), len(factors[0][0])))
    for place, (gradients, inputs, ones) in enumerate(factors):
        left[place] = _raw_on_cpu(gradients)
        right[place] = _raw_on_cpu(inputs)
        left[place] += _lost(gradients)
        right[place] += ones + _lost(inputs)
    return np.multiply(left, right, out=left)


def _raw_on_cpu(flat: Tensor) -> NDArray[np.floating]:
    if flat.shape[1] > _BLOCK:
        return np.asarray(_raw(flat).numpy())
    values = flat.numpy()
    return np.asarray(np.vecdot(values, values))


def _lost(flat: Tensor) -> float:
    """What was too small to square counts as much as it can be: another factor may be huge."""
    return flat.shape[1] * torch.finfo(flat.dtype).tiny


def _raw(flat: Tensor) -> Tensor:
    """(rows, n) -> (rows,) squared norms, in the working precision where one block holds all, else float64."""
    width = flat.shape[1]
    short: Tensor = torch.linalg.vecdot(flat, flat) if width <= _BLOCK or flat.dtype == torch.float64 else _blocks(flat)
    return short


def _blocks(flat: Tensor) -> Tensor:
    whole = flat.shape[1] - flat.shape[1] % _BLOCK
    blocks = flat[:, :whole].reshape(len(flat), -1, _BLOCK)
    # Unlike vecdot, vector_norm makes no copy of the size of its input; its square root costs one rounding more.
    total: Tensor = torch.linalg.vector_norm(blocks, dim=2).double().square_().sum(dim=1)
    if whole < flat.shape[1]:
        total += torch.linalg.vector_norm(flat[:, whole:], dim=1).double().square_()
    return total


def ghost_is_cheaper(positions: int, before: int, after: int) -> bool:
    """Whether two float64 Gram matrices cost less than to write, measure and weigh each patient's (after, before)."""
    return 2 * positions**2 * (before + after) < _TOUCH * before * after


def ghost_squares(gradients: Tensor, inputs: Sequence[Tensor], biases: int) -> Tensor:
    """Squared norms of Σ_t g_t (x_t, 1, …, 1)ᵀ for each patient, without forming the sums; upper bounds.

    `gradients` (patients, positions, d); each of `inputs` (patients, positions, p); `biases` ones are appended to
    x_t. Returns (patients,) float64.
    """
    unit = torch.finfo(gradients.dtype).eps / 2
    wide = gradients.double()
    left = torch.bmm(wide, wide.mT)
    right: Tensor | None = None
    terms = gradients.shape[2]
    for each in inputs:
        values = each.double()
        terms += each.shape[2]
        right = torch.bmm(values, values.mT) if right is None else right.baddbmm_(values, values.mT)
    right = left.new_zeros(left.shape) if right is None else right
    if biases:
        right += biases
    return gram_squares(left, right, terms, unit)


def gram_squares(left: Tensor, right: Tensor, terms: int, unit: float) -> Tensor:
    """Squared norms of Σ_t g_t x_tᵀ from the products of all g and of all x; upper bounds.

    Args:
        left: g_t·g_u, (patients, positions, positions) float64.
        right: x_t·x_u, the same.
        terms: how many products of two numbers each of both took, together.
        unit: the unit roundoff in which the clipped sum will be computed.

    Returns:
        (patients,) float64.
    """
    positions = left.shape[1]
    own = left.diagonal(dim1=1, dim2=2), right.diagonal(dim1=1, dim2=2)
    uncancelled = torch.linalg.vecdot(own[0].sqrt(), own[1].sqrt())
    norm = torch.linalg.vecdot(left.flatten(1), right.flatten(1)).clamp_(min=0)
    norm = (norm + (terms + positions**2) * 2.0**-52 * uncancelled.square()).sqrt_()
    computed = (norm + positions * unit * uncancelled) / (1 + _OWN_SLACK)
    return torch.maximum(torch.maximum(norm, computed), uncancelled * (unit / _MOST_CANCELLATION)).square_()
