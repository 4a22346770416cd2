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

import torch
from torch import Tensor

__all__ = ["ghost_squares", "squares"]

_BLOCK = 256
_OWN_SLACK = 5e-5
"""The half of the slack that a patient's own rounding may use; the rest is for rounding in the sum over patients."""
_MOST_CANCELLATION = 1e-5
"""A patient's terms may be 1e-5/u times as long as their sum (168 in float32) before it is clipped harder for it:
what they lose to rounding in the sum over all patients stays that small."""


def squares(values: Tensor) -> Tensor:
    """Squared L2 norms of the rows: (rows, ...) -> (rows,) float64."""
    flat = values.flatten(1)
    width = flat.shape[1]
    # What was too small to square counts as much as it can be: another factor may be huge.
    lost = width * torch.finfo(flat.dtype).tiny
    if flat.dtype == torch.float64 or width <= _BLOCK:
        short: Tensor = torch.linalg.vecdot(flat, flat).double().add_(lost)
        return short
    whole = width - width % _BLOCK
    blocks = flat[:, :whole].reshape(len(flat), -1, _BLOCK)
    total: Tensor = torch.linalg.vecdot(blocks, blocks).sum(dim=1, dtype=torch.float64).add_(lost)
    if whole < width:
        rest = flat[:, whole:]
        total += torch.linalg.vecdot(rest, rest)
    return total


def ghost_squares(gradients: Tensor, inputs: Sequence[Tensor], biases: int) -> Tensor:
    """Squared norms of Σ_t g_t (x_t, 1, …, 1)ᵀ for each patient, without forming the sums; upper bounds.

    `gradients` (patients, positions, d); each of `inputs` (patients, positions, p); `biases` ones are appended to
    x_t. Returns (patients,) float64.
    """
    positions = gradients.shape[1]
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
    own = left.diagonal(dim1=1, dim2=2), right.diagonal(dim1=1, dim2=2)
    uncancelled = torch.linalg.vecdot(own[0].sqrt(), own[1].sqrt())
    norm = torch.linalg.vecdot(left.flatten(1), right.flatten(1)).clamp_(min=0)
    norm = (norm + (terms + positions**2) * 2.0**-52 * uncancelled.square()).sqrt_()
    computed = (norm + positions * unit * uncancelled) / (1 + _OWN_SLACK)
    return torch.maximum(torch.maximum(norm, computed), uncancelled * (unit / _MOST_CANCELLATION)).square_()
