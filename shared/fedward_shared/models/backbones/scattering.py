"""`[model.backbone] name = "scattering"`: wavelet scattering of images and signals. It has no weights to trust.

Cascades of fixed wavelets and moduli, averaged: stable to small deformations, which a linear model then needs not learn
(Bruna & Mallat 2013; for signals Andén & Mallat 2014). Under differential privacy few parameters on such features beat
networks that learn their own (Tramèr & Boneh 2021).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from fedward_shared.contracts.arrays import Image, Signal
from fedward_shared.contracts.cohort import DataContract, DataKind
from fedward_shared.contracts.study import PretrainedTerms
from fedward_shared.errors import UsageError
from fedward_shared.models.options import Options

if TYPE_CHECKING:
    import torch

    from fedward_shared.models.backbones.backbone import Extract

__all__ = ["ImageTerms", "Scattering", "SignalTerms", "Spread", "scattering"]

Spread = Literal["reference", "group"]

_IMAGE_AXES, _SIGNAL_AXES = 3, 2
_TABLE = "model.backbone.options"


@dataclass(frozen=True, slots=True)
class ImageTerms:
    """Scattering of images of `shape` (channels, height, width): J scales, L orientations, order 1 or 2.

    A record becomes (channels · paths, height / 2^J, width / 2^J), rounded up. Paths: the average, L · J of the first
    order, L² · J (J - 1) / 2 of the second.
    """

    shape: tuple[int, int, int]
    scales: int
    orientations: int
    order: int

    @property
    def paths(self) -> int:
        """How many channels one channel becomes."""
        second = self.orientations**2 * self.scales * (self.scales - 1) // 2
        return 1 + self.orientations * self.scales + (second if self.order > 1 else 0)

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of a record's coefficients."""
        channels, height, width = self.shape
        return (channels * self.paths, _rounded_up(height, self.scales), _rounded_up(width, self.scales))


@dataclass(frozen=True, slots=True)
class SignalTerms:
    """Scattering of signals of `shape` (time, leads): J octaves, Q wavelets an octave, order 1 or 2.

    A record becomes (time / 2^J, leads · paths), rounded up.
    """

    shape: tuple[int, int]
    octaves: int
    quality: int
    order: int

    @property
    def paths(self) -> int:
        """How many channels one lead becomes."""
        from fedward_shared.models.backbones.scattering_filters import bands, followers

        first, second = bands(self.octaves, self.quality), bands(self.octaves, 1)
        return 1 + len(first) + (sum(map(len, followers(first, second))) if self.order > 1 else 0)

    @property
    def features(self) -> tuple[int, ...]:
        """Shape of a record's coefficients."""
        time, leads = self.shape
        return (_rounded_up(time, self.octaves), leads * self.paths)


@dataclass(frozen=True, slots=True)
class Scattering:
    """A transform and what follows it: see `scattering`."""

    terms: ImageTerms | SignalTerms
    log: bool
    spread: Spread
    average: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one record's features."""
        axis = 0 if isinstance(self.terms, ImageTerms) else 1
        return (self.terms.features[axis],) if self.average else self.terms.features

    @property
    def weighs(self) -> bool:
        """It has no weights."""
        return False

    def open(self, weights: Path | None, device: torch.device) -> Extract:
        """The transform on `device`."""
        del weights
        from fedward_shared.models.backbones.scattering_transform import transform

        return transform(self, device)


def scattering(terms: PretrainedTerms, contract: DataContract) -> Scattering:
    """`J`, `order` (1 or 2), `log`, `normalise` and `pool`; for images `L`, for signals `Q`.

    Coefficients are divided by what made-up noise of unit variance with a 1/f² spectrum gives on average, which follows
    from the filters alone; then they are either taken minus 1, or with `log` as their logarithm. `normalise = "group"`
    then makes each group of a record's coefficients (those of the same scales) have mean 0 and variance 1.
    `pool = "average"` keeps one number a path.

    Raises:
        UsageError: an option is unknown or out of range, or the data are neither images nor signals.
    """
    axes, form = len(contract.input_shape), contract.form
    image = isinstance(form, Image) or (form is None and axes == _IMAGE_AXES)
    signal = isinstance(form, Signal) or (form is None and axes == _SIGNAL_AXES)
    if contract.kind is not DataKind.TENSOR or not (image or signal):
        raise UsageError(
            '[model.backbone] name: "scattering" needs images (channels, height, width) or signals (time, leads)',
            hint="For a table or a series leave [model.backbone] out.",
        )
    options = Options.of_backbone(terms, ("J", "L" if image else "Q", "order", "log", "normalise", "pool"))
    order = options.whole("order", 2, least=1, most=2)
    found: ImageTerms | SignalTerms
    if image:
        channels, height, width = contract.input_shape
        scales = options.whole("J", 2, least=1, most=6)
        orientations = options.whole("L", 8, least=1, most=16)
        found = ImageTerms((channels, height, width), scales, orientations, order)
        _check_length(min(height, width), scales, "the picture's shorter side")
    else:
        time, leads = contract.input_shape
        octaves = options.whole("J", 6, least=1, most=14)
        found = SignalTerms((time, leads), octaves, options.whole("Q", 4, least=1, most=16), order)
        _check_length(time, octaves, "the signal")
    spread = cast("Spread", options.choice("normalise", "reference", ("reference", "group")))
    average = options.choice("pool", "none", ("none", "average")) == "average"
    return Scattering(found, options.flag("log", default=signal), spread, average)


def _check_length(length: int, scales: int, what: str) -> None:
    if 1 << scales >= length:
        raise UsageError(f"[{_TABLE}] J: {scales} scales average over {1 << scales} samples; {what} has {length}")


def _rounded_up(length: int, scales: int) -> int:
    return -(-length >> scales)
