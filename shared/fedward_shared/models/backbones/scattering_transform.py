"""The scattering transforms as they are computed, and what is made of their coefficients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from fedward_shared.models.backbones.backbone import Extract
from fedward_shared.models.backbones.scattering import ImageTerms, Scattering, SignalTerms
from fedward_shared.models.backbones.scattering_filters import bands, followers, image_filters, signal_filters

__all__ = ["image_scattering", "signal_scattering", "transform"]

_MADE_UP = 64
_LEAST = 0.01
"""Below this share of what noise gives, a coefficient's logarithm no longer falls: silence stays finite."""
_SMALL = 1e-5

Paths = Callable[[Tensor], list[Tensor]]
"""(records, *shape) to groups of coefficients, average first. Images: (records, channels, paths, height, width) each;
signals: (records, time, leads, paths)."""


def transform(scattering: Scattering, device: torch.device) -> Extract:
    """The features of `scattering` on `device`."""
    terms = scattering.terms
    image = isinstance(terms, ImageTerms)
    axis, places = (2, (3, 4)) if image else (3, (1,))
    paths = image_scattering(terms, device) if isinstance(terms, ImageTerms) else signal_scattering(terms, device)
    typical = _typical(paths, terms, axis, device)

    def extract(records: Tensor) -> Tensor:
        with torch.no_grad():
            groups = [
                _finished(group, level, place, scattering, axis)
                for place, (group, level) in enumerate(zip(paths(records.float()), typical, strict=True))
            ]
            together = torch.cat(groups, dim=axis)
            if scattering.average:
                return together.mean(dim=places).flatten(1)
            return together.flatten(1, 2) if image else together.flatten(2)

    return extract


def image_scattering(terms: ImageTerms, device: torch.device) -> Paths:
    """Bruna & Mallat 2013, eq. 2 to 5, each level subsampled as far as its bandwidth allows."""
    _, height, width = terms.shape
    scales, step = terms.scales, 1 << terms.scales
    rows, columns = (-(-(side + 2 * step) // step) * step for side in (height, width))
    margin = (step, columns - width - step, step, rows - height - step)
    wavelets, low = (
        torch.from_numpy(values).to(device) for values in image_filters(rows, columns, scales, terms.orientations)
    )
    lows = [_folded(low, 1 << scale) for scale in range(scales)]
    slower = {
        (first, second): _folded(wavelets[second], 1 << first) for second in range(scales) for first in range(second)
    }

    def average(spectrum: Tensor, scale: int) -> Tensor:
        smooth: Tensor = torch.fft.ifft2(_thinned(spectrum * lows[scale], 1 << (scales - scale))).real
        return smooth[..., 1:-1, 1:-1]

    def paths(records: Tensor) -> list[Tensor]:
        spectrum = torch.fft.fft2(functional.pad(records, margin, mode="reflect"))
        groups, seconds = [average(spectrum, 0)[:, :, None]], []
        for first in range(scales):
            waves = torch.fft.ifft2(_thinned(spectrum[:, :, None] * wavelets[first], 1 << first)).abs()
            inner = torch.fft.fft2(waves)
            groups.append(average(inner, first))
            for second in range(first + 1, scales if terms.order > 1 else 0):
                product = inner[:, :, :, None] * slower[first, second]
                waves = torch.fft.ifft2(_thinned(product, 1 << (second - first))).abs().flatten(2, 3)
                seconds.append(average(torch.fft.fft2(waves), second))
        return groups + seconds

    return paths


def signal_scattering(terms: SignalTerms, device: torch.device) -> Paths:
    """Andén & Mallat 2014, eq. 12 and 13; a wavelet of the second order has one octave."""
    samples, step = terms.shape[0], 1 << terms.octaves
    length = -(-(samples + 2 * step) // step) * step
    margin = (min(step, samples - 1), length - samples - min(step, samples - 1))
    first, second = bands(terms.octaves, terms.quality), bands(terms.octaves, 1)
    after = followers(first, second)
    wavelets, low = (torch.from_numpy(values).to(device) for values in signal_filters(length, terms.octaves, first))
    slower = torch.from_numpy(signal_filters(length, terms.octaves, second)[0]).to(device)
    kept = slice(margin[0] // step, margin[0] // step + terms.features[0])

    def average(spectrum: Tensor) -> Tensor:
        """(records, leads, paths, frequencies) -> (records, time, leads, paths)."""
        product = spectrum * low
        folded = product.reshape(*product.shape[:-1], step, length // step).mean(dim=-2)
        smooth: Tensor = torch.fft.ifft(folded).real
        return smooth[..., kept].permute(0, 3, 1, 2)

    def paths(records: Tensor) -> list[Tensor]:
        spectrum = torch.fft.fft(_mirrored(records.transpose(1, 2), margin))[:, :, None]
        groups, seconds = [average(spectrum)], []
        for place, wavelet in enumerate(wavelets):
            inner = torch.fft.fft(torch.fft.ifft(spectrum * wavelet).abs())
            groups.append(average(inner))
            if terms.order > 1 and after[place]:
                waves = torch.fft.ifft(inner * slower[list(after[place])]).abs()
                seconds.append(average(torch.fft.fft(waves)))
        return groups + seconds

    return paths


def _typical(paths: Paths, terms: ImageTerms | SignalTerms, axis: int, device: torch.device) -> list[Tensor]:
    """What each path gives on average for made-up noise with a 1/f² spectrum and unit variance: declared constants."""
    image = isinstance(terms, ImageTerms)
    sides = terms.shape[1:] if image else terms.shape[:1]
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(_MADE_UP, *sides, generator=generator)
    grids = torch.meshgrid(*(torch.fft.fftfreq(side) for side in sides), indexing="ij")
    frequency = torch.stack(grids).square().sum(dim=0).sqrt()
    shaped = torch.fft.fft2(noise) if image else torch.fft.fft(noise)
    shaped = shaped * torch.where(frequency > 0, 1 / frequency.clamp(min=1e-9), 0.0)
    made = torch.fft.ifft2(shaped).real if image else torch.fft.ifft(shaped).real
    made = made / made.flatten(1).std(dim=1).view(-1, *[1] * len(sides))
    records = (made[:, None] if image else made[:, :, None]).to(device)
    others = [axes for axes in range(5 if image else 4) if axes != axis]
    with torch.no_grad():
        levels = [group.mean(dim=others, keepdim=True) for group in paths(records)]
    return [torch.ones_like(levels[0]), *(level.clamp(min=_SMALL) for level in levels[1:])]


def _finished(group: Tensor, typical: Tensor, place: int, scattering: Scattering, axis: int) -> Tensor:
    """One group of paths, compared with what is typical; the average, which may be negative, stays as it is."""
    values = group
    if place:
        values = group / typical
        values = torch.log(values.clamp(min=0) + _LEAST) if scattering.log else values - 1
    if scattering.spread == "reference":
        return values
    own = [axes for axes in range(1, values.dim()) if axes != (1 if axis == _IMAGE_PATHS else 2)]
    spread, mean = torch.var_mean(values, dim=own, correction=0, keepdim=True)
    return (values - mean) / (spread + _SMALL).sqrt()


_IMAGE_PATHS = 2


def _folded(spectrum: Tensor, step: int) -> Tensor:
    """The spectrum of a filter on a grid coarser by `step`: its aliases added up."""
    rows, columns = spectrum.shape[-2] // step, spectrum.shape[-1] // step
    return spectrum.reshape(*spectrum.shape[:-2], step, rows, step, columns).sum(dim=(-4, -2))


def _thinned(spectrum: Tensor, step: int) -> Tensor:
    """The spectrum of every `step`-th sample along both axes."""
    return _folded(spectrum, step) / step**2 if step > 1 else spectrum


def _mirrored(values: Tensor, margin: tuple[int, int]) -> Tensor:
    """Reflected at both ends; twice where the right margin is longer than the signal."""
    left, right = margin
    most = values.shape[-1] - 1
    values = functional.pad(values, (left, min(right, most)), mode="reflect")
    return functional.pad(values, (0, right - most), mode="replicate") if right > most else values
