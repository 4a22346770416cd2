"""What an update must be before it counts: the declared shapes and type, finite, and within the declared norm."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from fedward_shared.contracts.study import TensorSpec
from fedward_shared.errors import WireError

__all__ = ["check_model", "check_update"]

_CHUNK = 1 << 13  # stays in cache, and below where BLAS would start threads
_FLOAT = np.dtype(np.float32)


def check_update(specs: Sequence[TensorSpec], update: Mapping[str, NDArray[np.float32]], max_norm: float) -> float:
    """The L2 norm over all tensors of an update that may count.

    Squares of float32 values cannot overflow a float64 sum, so the sum is finite exactly where every value is: one
    pass over the data judges both finiteness and norm.

    Raises:
        WireError: a tensor is missing, left over, misshaped or not float32; a value is not finite; the norm
            exceeds `max_norm`.
    """
    if set(update) != {spec.name for spec in specs}:
        raise WireError("the update does not hold the tensors that the study declares")
    total = 0.0
    for spec in specs:
        values = update[spec.name]
        if values.dtype != _FLOAT or values.shape != spec.shape:
            raise WireError(f"tensor {spec.name!r} must be float32 of shape {spec.shape}, not {values.shape}")
        square = _sum_of_squares(values)
        if not math.isfinite(square):
            raise WireError(f"tensor {spec.name!r} holds values that are not finite")
        total += square
    norm = math.sqrt(total)
    if norm > max_norm:
        raise WireError(f"the update's L2 norm is {norm:.4g}; the study allows at most {max_norm:.4g}")
    return norm


def check_model(model: Mapping[str, NDArray[np.float32]], max_weight: float) -> None:
    """Whether every vault would accept these weights in the next round.

    Raises:
        WireError: a weight is not finite or larger than `max_weight`.
    """
    for name, values in model.items():
        largest = float(np.max(np.abs(values), initial=0.0))
        if not largest <= max_weight:
            raise WireError(f"tensor {name!r} reached {largest:.4g}; the study allows weights up to {max_weight:.4g}")


def _sum_of_squares(values: NDArray[np.float32]) -> float:
    flat = np.ascontiguousarray(values).reshape(-1)
    total = 0.0
    for start in range(0, flat.size, _CHUNK):
        chunk = flat[start : start + _CHUNK].astype(np.float64)
        total += float(chunk @ chunk)
    return total
