"""What a step releases: the clipped sum and its noise, both on one declared grid of numbers.

A float has gaps, and their pattern around a noised value can tell which value was noised (Mironov 2012; Jin, McMurtry,
Rubinstein and Ohrimenko 2022, for Gaussian noise of machine learning). So nothing is added to a float. The clipped sum
is rounded to multiples of a power of two, `grid`; the noise is rounded to them too; both are integers that float64
holds exactly, and so is their sum. What leaves is a function of that integer. Division, and rounding to float32, come
after it and are post-processing.

`GaussianMechanism`: with real-valued noise, rounding (total on the grid) + N equals (total on the grid) + rounded N, a
post-processing of the ideal Gaussian mechanism: the guarantee of `events.SampledGaussian` holds to the bit up to how
well `gaussian` computes N. `DiscreteGaussianMechanism`: integer noise from an exact sampler; see the class.

Rounding the sum moves each coordinate by at most grid/2, so two neighbours' sums come apart by at most √D·grid more
than before (Casacuberta, Shoemate, Vadhan and Wagaman 2022 show what comes of forgetting this). `grid` keeps that below
1e-5 of the clip norm, and the caller widens the noise by more (the slack in `clipping`).

Neighbours differ by one unit (patient); unit, sampling and cost are those of `events.SampledGaussian`. Edge cases:
deviation 0 releases the sum on the grid (for tests; accounting says ∞); a total that is not finite or is absurdly large
raises, tells not where, and leaves zeros.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fedward_shared.errors import TrainingError, UsageError
from fedward_shared.privacy.randomness.discrete import LARGEST_SCALE, discrete_gaussian
from fedward_shared.privacy.randomness.gaussian import PORTION
from fedward_shared.privacy.randomness.noise import RandomSource

if TYPE_CHECKING:
    from fedward_shared.privacy.randomness.accelerator import DeviceSource

__all__ = ["DiscreteGaussianMechanism", "GaussianMechanism", "Mechanism", "grid"]

_ROUNDING_SHARE = 1e-5
"""√D·grid over the clip norm, at most."""

_DEVICE_PORTION = 1 << 22
"""Large enough that starting the keystream's small kernels does not cost more than running them."""

_LARGEST_TOTAL = 2.0**52
"""In cells. Noise stays below it too, so that the sum stays within float64's integers."""


@dataclass(frozen=True, slots=True)
class GaussianMechanism:
    """A sum under Gaussian noise N(0, deviation²) per coordinate, on a grid.

    Guarantee: (ε, δ) of the Gaussian mechanism with noise multiplier deviation / (C + √D·grid), for neighbours whose
    sums are at most C apart in L2 norm, for any D. What is not proven is how well float64 computes the noise: it ends
    at 9.42 deviations (mass 4.5e-21), and the edges of a cell are off by about 1e-15 deviations, a tiny share of the
    cell (docs/adr/0006 has figures). Where that matters, take `DiscreteGaussianMechanism`.

    Args:
        deviation: of the noise, in the units of the sum; 0 for none.
        grid: the size of a cell: a power of two, from public constants alone (see the function `grid`).
    """

    deviation: float
    grid: float

    def __post_init__(self) -> None:
        _check(self.deviation, self.grid)

    def release(self, total: Tensor, divisor: float, source: RandomSource, out: Tensor) -> None:
        """Writes (rounded total + rounded noise) / divisor to `out`.

        Args:
            total: (D,) float32 or float64: the clipped sum.
            divisor: the declared normaliser.
            source: randomness. On an accelerator numbers are drawn there.
            out: (D,) float32 or float64, on the same device; may be `total`.

        Raises:
            TrainingError: the total is not finite, or beyond 2⁵² cells. Nothing of it is in `out`.
        """
        cells = self.deviation / self.grid
        if _on_cpu(total, out):
            _release_on_cpu(total, divisor, out, self.grid, partial(_rounded, source, cells) if cells else None)
        else:
            stream = source.on(total.device)
            _release_on_device(
                total, divisor, out, self.grid, partial(_rounded_there, stream, cells) if cells else None
            )


@dataclass(frozen=True, slots=True)
class DiscreteGaussianMechanism:
    """A sum under discrete Gaussian noise on a grid: exact from the uniform bits to the released integer.

    Guarantee (Canonne, Kamath and Steinke 2020, theorem 14): for neighbours whose rounded sums are at most
    Δ = C + √D·grid apart in L2 norm, each release has Δ²/2s² zero-concentrated differential privacy, s = scale·grid
    ≥ deviation, as the continuous Gaussian has; add-or-remove neighbours, any D. This is proven without conditions.

    For (ε, δ) under sampling and composition, `accounting` charges the continuous Gaussian. That is proven up to a
    little (docs/adr/0006): in every coordinate, the probability of each point within 12 deviations is that of the
    rounded continuous Gaussian within a factor exp(±18/scale²). So ε of T steps is larger by at most 19·T·D/scale², and
    δ by T·D·2e-31·exp(ε). With a cell from the function `grid`, the former is below 2e-9·T/σ².

    Args:
        deviation: of the noise at least, in the units of the sum; rounded up to whole cells. 0 for none.
        grid: the size of a cell: a power of two, from public constants alone.
    """

    deviation: float
    grid: float

    def __post_init__(self) -> None:
        _check(self.deviation, self.grid)

    @property
    def scale(self) -> int:
        """The deviation s of the noise, in cells: at least 1, whatever the deviation."""
        return max(1, math.ceil(self.deviation / self.grid))

    def integers(self, count: int, source: RandomSource) -> NDArray[np.int64]:
        """The noise of `count` coordinates, in cells: for sums that are masked as integers."""
        if self.deviation == 0:
            return np.zeros(count, dtype=np.int64)
        return discrete_gaussian(self.scale, count, source)

    def release(self, total: Tensor, divisor: float, source: RandomSource, out: Tensor) -> None:
        """Writes (rounded total + noise) / divisor to `out`; as `GaussianMechanism.release`, drawn on the CPU."""
        noise = partial(self.integers, source=source) if self.deviation else None
        if _on_cpu(total, out):
            _release_on_cpu(total, divisor, out, self.grid, noise)
        else:
            copied = None if noise is None else lambda count: torch.from_numpy(noise(count)).to(total.device)
            _release_on_device(total, divisor, out, self.grid, copied)


Mechanism = GaussianMechanism | DiscreteGaussianMechanism


def grid(clip_norm: float, dimensions: int, deviation: float) -> float:
    """The largest power of two that moves a sum of `dimensions` coordinates by at most 1e-5 of the clip norm.

    A function of declared constants alone. With noise of σ clip norms, a deviation spans at least σ·√D·1e5 cells, so
    that rounding costs no accuracy; and a cell spans at least 2⁵²/(σ·√D·2e5) of the gaps between float64's numbers at
    one deviation, so that each released value stands for very many draws (for σ = 1, D = 10⁶: 2e7 in each of the two
    numbers of a pair).

    Args:
        clip_norm: C, of one patient's whole contribution.
        dimensions: D.
        deviation: of the noise, in the units of the clip norm.

    Raises:
        UsageError: noise and sum together would leave float64's integers, or a figure is not a sensible number.
    """
    if not 0 < clip_norm < math.inf or dimensions < 1:
        raise UsageError(f"a grid needs a clip norm above 0 and at least one coordinate, not {clip_norm}, {dimensions}")
    mantissa, exponent = math.frexp(_ROUNDING_SHARE * clip_norm / math.sqrt(dimensions))
    cell = math.ldexp(1.0, exponent - 1) if mantissa else 0.0
    _check(deviation, cell)
    return cell


def _check(deviation: float, cell: float) -> None:
    if not math.isfinite(cell) or not 2.0**-500 <= cell <= 2.0**500 or math.frexp(cell)[0] != 0.5:  # noqa: PLR2004  # a power of two
        raise UsageError(f"the grid of a mechanism is a power of two between 2⁻⁵⁰⁰ and 2⁵⁰⁰, not {cell}")
    if not 0 <= deviation < math.inf:
        raise UsageError(f"the deviation of noise is a number from 0 up, not {deviation}")
    if deviation > LARGEST_SCALE * cell:
        raise UsageError(
            f"noise of {deviation:g} on a grid of {cell:g} does not fit into the integers of float64 (2⁵³)",
            hint="The noise is more than 2⁴⁸ cells wide. Declare a smaller noise multiplier.",
        )


def _rounded(source: RandomSource, cells: float, count: int) -> NDArray[np.float64]:
    """`count` numbers of noise in whole cells, of a deviation of `cells`."""
    noise = source.gaussian(count)
    np.multiply(noise, cells, out=noise)
    return np.rint(noise, out=noise)


def _rounded_there(stream: DeviceSource, cells: float, count: int) -> Tensor:
    return stream.gaussian(count).mul_(cells).round_()


def _on_cpu(total: Tensor, out: Tensor) -> bool:
    if total.dim() != 1 or total.shape != out.shape or total.device != out.device:
        raise ValueError("a release takes one flat total, and one flat result of its length beside it")
    return total.device.type == "cpu"


def _release_on_cpu(
    total: Tensor,
    divisor: float,
    out: Tensor,
    cell: float,
    noise: Callable[[int], NDArray[np.float64] | NDArray[np.int64]] | None,
) -> None:
    """In numpy, whose calls cost a third of PyTorch's: what counts for a small model."""
    source, target = total.detach().numpy(), out.detach().numpy()
    scratch = np.empty(min(PORTION, len(source)))
    sensible = True
    for start in range(0, len(source), PORTION):
        cells = scratch[: len(source) - start]
        np.multiply(source[start : start + PORTION], 1 / cell, out=cells, dtype=np.float64)
        np.rint(cells, out=cells)
        sensible = sensible and cells.min() >= -_LARGEST_TOTAL and cells.max() <= _LARGEST_TOTAL  # False for NaN
        if noise is not None:
            np.add(cells, noise(len(cells)), out=cells)
        np.multiply(cells, cell / divisor, out=cells)
        target[start : start + PORTION] = cells
    _check_total(sensible, out)


@torch.no_grad()
def _release_on_device(
    total: Tensor, divisor: float, out: Tensor, cell: float, noise: Callable[[int], Tensor] | None
) -> None:
    """The same without waiting for the device but once."""
    scratch = torch.empty(min(_DEVICE_PORTION, len(total)), dtype=torch.float64, device=total.device)
    largest = torch.zeros((), dtype=torch.float64, device=total.device)
    for start in range(0, len(total), _DEVICE_PORTION):
        target = out[start : start + _DEVICE_PORTION]
        cells = scratch[: len(target)].copy_(total[start : start + _DEVICE_PORTION]).mul_(1 / cell).round_()
        low, high = torch.aminmax(cells)
        largest = torch.maximum(largest, torch.maximum(high, -low))
        if noise is not None:
            cells.add_(noise(len(cells)))
        target.copy_(cells.mul_(cell / divisor))
    _check_total(bool(largest <= _LARGEST_TOTAL), out)


def _check_total(sensible: bool, out: Tensor) -> None:
    if not sensible:
        out.detach().zero_()
        raise TrainingError(
            "a step's clipped sum is not a finite number of a sensible size",
            hint="Nothing was released. This is a defect of Fedward: report it to the study's contact.",
        )
