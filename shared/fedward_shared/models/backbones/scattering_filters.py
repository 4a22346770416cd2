"""Wavelets of the scattering transforms, in the Fourier domain, where all of them are real.

Morlet wavelets: a Gaussian around a frequency, less as much of one around 0 as makes the mean vanish. Constants as in
Bruna & Mallat 2013 (images) and Andén & Mallat 2014 (signals), and as Kymatio sets them (Andreux et al. 2020).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi, sqrt

import numpy as np
from numpy.typing import NDArray

__all__ = ["Band", "bands", "followers", "image_filters", "signal_filters"]

Spectrum = NDArray[np.float32]

_WIDTH = 0.8
"""Standard deviation of the finest image wavelet's envelope, in pixels."""
_FREQUENCY = 3 * pi / 4
"""Its frequency, in radians a pixel."""
_AVERAGE_WIDTH = 0.1
"""Standard deviation of the signals' low-pass at J = 0, in cycles a sample (in the Fourier domain)."""
_HIGHEST = 0.35
"""The highest centre frequency for signals, in cycles a sample."""
_ALIASES = range(-2, 3)


@dataclass(frozen=True, slots=True)
class Band:
    """A signal wavelet's centre frequency and standard deviation, in cycles a sample."""

    frequency: float
    width: float


def image_filters(height: int, width: int, scales: int, orientations: int) -> tuple[Spectrum, Spectrum]:
    """Spectra of the wavelets (scales, orientations, height, width) and of the low-pass (height, width)."""
    wavelets = [
        [_wavelet(height, width, scale, orientation, orientations) for orientation in range(orientations)]
        for scale in range(scales)
    ]
    average = _gaussian((height, width), _WIDTH * 2 ** (scales - 1), (0.0, 0.0), 0.0, 1.0)
    return np.asarray(wavelets, dtype=np.float32), (average / average[0, 0]).astype(np.float32)


def _wavelet(height: int, width: int, scale: int, orientation: int, orientations: int) -> NDArray[np.float64]:
    angle = pi * orientation / orientations
    spread, slant = _WIDTH * 2**scale, 4 / max(orientations, 4)
    centre = _FREQUENCY / 2**scale
    at = (centre * np.sin(angle), centre * np.cos(angle))
    wave = _gaussian((height, width), spread, at, angle, slant)
    bump = _gaussian((height, width), spread, (0.0, 0.0), angle, slant)
    morlet: NDArray[np.float64] = wave - wave[0, 0] / bump[0, 0] * bump
    return morlet


def _gaussian(
    sides: tuple[int, int], spread: float, centre: tuple[float, float], angle: float, slant: float
) -> NDArray[np.float64]:
    """The spectrum of a Gaussian window times a wave: `spread` pixels along `angle`, `spread` / `slant` across it."""
    total = np.zeros(sides)
    rows, columns = (2 * pi * np.fft.fftfreq(side) for side in sides)
    for up in _ALIASES:
        for right in _ALIASES:
            down = rows[:, None] + 2 * pi * up - centre[0]
            across = columns[None, :] + 2 * pi * right - centre[1]
            along = across * np.cos(angle) + down * np.sin(angle)
            beside = down * np.cos(angle) - across * np.sin(angle)
            total += np.exp(-(spread**2) * (along**2 + (beside / slant) ** 2) / 2)
    return total


def bands(octaves: int, quality: int) -> tuple[Band, ...]:
    """Signal wavelets from the highest frequency down: `quality` an octave, then evenly spaced down to the low-pass."""
    narrowest = _AVERAGE_WIDTH / 2**octaves
    ratio = 2.0 ** (-1 / quality)
    relative = (1 - ratio) / (1 + ratio) / sqrt(2 * log(sqrt(2)))
    frequency = max(1 / (1 + 2 ** (1 / quality)), _HIGHEST)
    found: list[Band] = []
    while frequency * relative > narrowest:
        found.append(Band(frequency, frequency * relative))
        frequency *= ratio
    found.append(Band(frequency, narrowest))
    steps = max(1, quality)
    found += [Band(frequency * (steps - place) / steps, narrowest) for place in range(1, steps)]
    return tuple(found)


def followers(first: tuple[Band, ...], second: tuple[Band, ...]) -> tuple[tuple[int, ...], ...]:
    """For each wavelet of the first order, those of the second that are slower than its envelope can move."""
    return tuple(
        tuple(place for place, band in enumerate(second) if band.frequency <= 2 * before.width) for before in first
    )


def signal_filters(samples: int, octaves: int, chosen: tuple[Band, ...]) -> tuple[Spectrum, Spectrum]:
    """Spectra of the wavelets (wavelets, samples) and of the low-pass (samples,)."""
    wavelets = []
    for band in chosen:
        wave, bump = (_bump(samples, centre, band.width) for centre in (band.frequency, 0.0))
        wavelets.append(wave - wave[0] / bump[0] * bump)
    average = _bump(samples, 0.0, _AVERAGE_WIDTH / 2**octaves)
    return np.asarray(wavelets, dtype=np.float32), (average / average[0]).astype(np.float32)


def _bump(samples: int, centre: float, width: float) -> NDArray[np.float64]:
    frequencies = np.fft.fftfreq(samples)
    total = np.zeros(samples)
    for alias in _ALIASES:
        total += np.exp(-((frequencies + alias - centre) ** 2) / (2 * width**2))
    return total
