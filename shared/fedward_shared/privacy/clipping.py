"""By how much each patient's gradient is scaled down, and what that is charged.

Neighbouring relation: add or remove one patient. Claim: scaled by `factors`, a patient's gradient over all layers has
an L2 norm of at most `sensitivity`, whatever the data and the weights; so a sum over patients changes by at most that.

- `FlatClip`: one bound C for the whole gradient (Abadi et al. 2016, algorithm 1).
- `PerLayerClip`: a bound C_l for each layer; sensitivity √ΣC_l² (McMahan et al. 2018, section 2.1).
- `AdaptiveClip`: C follows a quantile of the norms (Andrew, Thakkar, McMahan and Ramaswamy 2021, algorithm 1), by a
  noised count that is charged together with the gradient.

Rounding: factors are computed in float64 from squared norms that are upper bounds already, and rounded down by a
relative 2⁻⁴⁰, more than their own arithmetic can err for up to a thousand layers. What the gradient's own arithmetic
adds (a relative 1e-4 at most in a step of a few hundred patients) is covered by wider noise (`rounding.slack`).
"""

from __future__ import annotations

from math import exp, hypot, inf
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fedward_shared.errors import UsageError
from fedward_shared.privacy.events import AdaptiveGaussian, Event, SampledGaussian
from fedward_shared.privacy.randomness.noise import RandomSource

__all__ = ["AdaptiveClip", "Clip", "FlatClip", "PerLayerClip"]

_ROUND_DOWN = 1 - 2.0**-40
_COUNT_GRID = 2.0**20
_RANGE = 1e4
_LARGEST_COUNT_NOISE = 1e8
_SMALLEST_NORM, _LARGEST_NORM = 1e-30, 1e30


class Clip(Protocol):
    """How patients' gradients are bounded. A step: `begin`, `factors` for each portion, noise, `advance`."""

    def begin(self) -> None:
        """A step begins: what one that was broken off has left is forgotten."""
        ...

    @property
    def sensitivity(self) -> float:
        """The L2 norm over all layers that no patient's scaled gradient exceeds, until the next `advance`."""
        ...

    def factors(self, squares: Tensor) -> Tensor:
        """What to multiply each patient's gradient of each layer with: (layers, patients), float64, in [0, 1].

        `squares` (layers, patients) float64: upper bounds of the squared L2 norms of the gradients by layer.
        A patient with a square that is NaN or infinite gets exactly 0 in every layer. As 0 x NaN is NaN,
        the caller must also leave such a patient out by selection.
        """
        ...

    def advance(self, source: RandomSource) -> None:
        """The step is over, noise and all: whatever adapts to the patients seen adapts, through a charged release."""
        ...

    def event(self, noise_multiplier: float, sampling_rate: float, steps: int) -> Event:
        """What `steps` steps are charged under noise of σ · sensitivity · slack."""
        ...


class FlatClip:
    """Every patient's whole gradient has a norm of at most `clip_norm`."""

    def __init__(self, clip_norm: float) -> None:
        self._norm = _checked(clip_norm)

    @property
    def sensitivity(self) -> float:
        """C."""
        return self._norm

    def begin(self) -> None:
        """Nothing is left of a step."""

    def factors(self, squares: Tensor) -> Tensor:
        """As `Clip.factors`; one factor for all layers."""
        # A few numbers, which small models feel: numpy's calls cost a third of PyTorch's.
        totals = squares.cpu().numpy().sum(axis=0)
        with np.errstate(all="ignore"):
            factors = np.where(totals < inf, np.minimum(self._norm * _ROUND_DOWN / np.sqrt(totals), 1.0), 0.0)
        return torch.from_numpy(factors).to(squares.device).expand(squares.shape)

    def advance(self, source: RandomSource) -> None:
        """Nothing adapts."""

    def event(self, noise_multiplier: float, sampling_rate: float, steps: int) -> Event:
        """A sampled Gaussian."""
        return SampledGaussian(noise_multiplier, sampling_rate, steps)


class PerLayerClip:
    """Every patient's gradient of layer l has a norm of at most `clip_norms[l]`."""

    def __init__(self, clip_norms: tuple[float, ...]) -> None:
        if not clip_norms:
            raise UsageError("clipping per layer needs one norm for each layer, and at least one")
        self._norms = tuple(_checked(norm) for norm in clip_norms)

    @property
    def sensitivity(self) -> float:
        """√ΣC_l²: each layer can be at its bound at once. All coordinates get noise of σ times this."""
        return hypot(*self._norms) / _ROUND_DOWN

    def begin(self) -> None:
        """Nothing is left of a step."""

    def factors(self, squares: Tensor) -> Tensor:
        """As `Clip.factors`.

        Raises:
            UsageError: there are not as many layers as norms.
        """
        if squares.shape[0] != len(self._norms):
            raise UsageError(f"{len(self._norms)} clip norms do not fit a model of {squares.shape[0]} layers")
        norms = squares.new_tensor(self._norms, dtype=torch.float64)[:, None]
        return _scaled(squares, norms, _usable(squares))

    def advance(self, source: RandomSource) -> None:
        """Nothing adapts."""

    def event(self, noise_multiplier: float, sampling_rate: float, steps: int) -> Event:
        """A sampled Gaussian: the cost depends on noise over sensitivity alone."""
        return SampledGaussian(noise_multiplier, sampling_rate, steps)


class AdaptiveClip:
    """C follows the `target_quantile` of the patients' norms: C ← C · exp(−η(b − γ)) after each step.

    b = ½ + (Σ ±½ + N(0, σ_b²)) / normaliser, where a patient adds +½ if its norm (bound) is at most C and −½ if not.
    Centring makes one patient's part ½ and not 1. The normaliser is a declared constant, never the number drawn.
    A patient that is not finite adds −½: its norm is above every C. So all patients add ±½, and none stands out.
    C stays within a factor of 10⁴ of `initial`, which is post-processing, so that hostile weights cannot run it away.

    Only `advance` changes C, and by nothing but b, which `event` charges. Noise is rounded to a grid that the sum lies
    on, which makes the release a rounding of the exact one (post-processing), so its last bits tell nothing.

    Args:
        initial: C of the first step.
        target_quantile: γ, in [0, 1]; the paper recommends the median.
        learning_rate: η of the geometric update; 0.2 in the paper.
        count_noise: σ_b, in patients; the paper uses a twentieth of the patients expected in a step.
        normaliser: the declared number of patients expected in a step.

    Raises:
        UsageError: a figure is outside its range.
    """

    def __init__(
        self, initial: float, *, target_quantile: float, learning_rate: float, count_noise: float, normaliser: float
    ) -> None:
        if not 0 <= target_quantile <= 1:
            raise UsageError(f"a quantile lies between 0 and 1; {target_quantile} does not")
        if not 0 < learning_rate < inf:
            raise UsageError(f"a clip's learning rate is a number above 0, not {learning_rate}")
        if not 0 < count_noise <= _LARGEST_COUNT_NOISE:
            raise UsageError(
                f"the noise of a clip's count is a number above 0, at most {_LARGEST_COUNT_NOISE:g}, not {count_noise}",
                hint="A count without noise has no privacy. A twentieth of the patients of a step is usual.",
            )
        if not 0 < normaliser < inf:
            raise UsageError(f"a normaliser is a number above 0, not {normaliser}")
        self._norm = self._initial = _checked(initial)
        self._quantile = target_quantile
        self._rate = learning_rate
        self._count_noise = count_noise
        self._normaliser = normaliser
        self._counts: list[Tensor] = []

    @property
    def sensitivity(self) -> float:
        """C as it is now: a function of what was released before."""
        return self._norm

    def begin(self) -> None:
        """Forgets the counts of a step that was broken off."""
        self._counts.clear()

    def factors(self, squares: Tensor) -> Tensor:
        """As `Clip.factors`; remembers, until `advance`, how many patients were within C."""
        usable, totals = _usable(squares), squares.sum(dim=0, dtype=torch.float64)
        within = usable & (totals.sqrt() <= self._norm)
        self._counts.append(within.to(torch.float64).sum() - within.numel() / 2)
        return _scaled(totals, self._norm, usable).expand(squares.shape)

    def advance(self, source: RandomSource) -> None:
        """Releases the noised count, also where nobody was drawn, and moves C by it."""
        count = sum(float(part) for part in self._counts)
        self._counts.clear()
        noise = round(float(source.gaussian(1)[0]) * self._count_noise * _COUNT_GRID) / _COUNT_GRID
        within = 0.5 + (count + noise) / self._normaliser
        # Far beyond what the range below lets through; exp of more would overflow.
        exponent = min(max(-self._rate * (within - self._quantile), -100.0), 100.0)
        self._norm = min(max(self._norm * exp(exponent), self._initial / _RANGE), self._initial * _RANGE)

    def event(self, noise_multiplier: float, sampling_rate: float, steps: int) -> Event:
        """Gradient and count of each step together."""
        return AdaptiveGaussian(noise_multiplier, self._count_noise, sampling_rate, steps)


def _usable(squares: Tensor) -> Tensor:
    """(patients,): whether all squares of the patient are finite numbers from 0 up (a comparison with NaN is false)."""
    return ((squares >= 0) & (squares < inf)).all(dim=0)


def _scaled(squares: Tensor, norms: Tensor | float, usable: Tensor) -> Tensor:
    """min(1, C / norm), rounded down, and 0 where not `usable` or where the sum of squares is beyond float64."""
    factors = (norms * _ROUND_DOWN / squares.to(torch.float64).sqrt()).clamp(max=1.0)
    return torch.where(usable & (squares < inf), factors, torch.zeros_like(factors))


def _checked(clip_norm: float) -> float:
    if not _SMALLEST_NORM <= clip_norm <= _LARGEST_NORM:
        raise UsageError(
            f"a clip norm is a number above 0, not {clip_norm}",
            hint=f"Gradients are float32: from {_SMALLEST_NORM:g} to {_LARGEST_NORM:g} their bounds are exact.",
        )
    return float(clip_norm)
