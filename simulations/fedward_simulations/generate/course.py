"""Arrays with a known truth: films, scans, electrocardiograms, vital signs and notes. SYNTHETIC, drawn by formula."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["DEPARTMENTS", "LEADS", "electrocardiogram", "film", "note", "scan", "vital_signs"]

Floats = NDArray[np.float64]

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6")
"""The twelve leads in their usual order."""
_GAINS = (0.6, 1.0, 0.5, -0.8, 0.3, 0.7, -0.4, 0.2, 0.8, 1.2, 1.1, 0.9)
_WAVES = ((-0.17, 0.15, 0.025), (-0.03, -0.1, 0.01), (0.0, 1.0, 0.012), (0.035, -0.2, 0.012), (0.28, 0.3, 0.05))
"""P, Q, R, S and T: seconds from the R peak, height (mV), width (s)."""


def film(ill: bool, generator: np.random.Generator, *, size: int = 96, brightness: float = 1.0) -> NDArray[np.uint8]:
    """A chest film (size, size) of two dark lungs in a bright chest; a soft opacity lies in one of them if `ill`."""
    across, down = np.meshgrid(np.linspace(-1, 1, size), np.linspace(-1, 1, size))
    picture = 0.75 - 0.2 * across**2 - 0.1 * down**2
    for side in (-1, 1):
        centre = side * (0.42 + generator.normal(0, 0.02))
        width = 0.28 + generator.normal(0, 0.02)
        distance = ((across - centre) / width) ** 2 + ((down + 0.05) / 0.68) ** 2
        picture -= 0.5 / (1 + np.exp(np.minimum(25 * (distance - 1), 50)))
    if ill:
        side = generator.choice((-1, 1))
        x, y = side * 0.42 + generator.normal(0, 0.07), generator.uniform(-0.1, 0.45)
        radius = generator.uniform(0.12, 0.22)
        picture += generator.uniform(0.2, 0.4) * np.exp(-(((across - x) ** 2 + (down - y) ** 2) / radius**2))
    picture = brightness * picture + generator.normal(0, 0.03, picture.shape)
    return np.asarray(np.clip(picture, 0, 1) * 255).round().astype(np.uint8)


def scan(ill: bool, generator: np.random.Generator, *, shape: tuple[int, int, int] = (32, 32, 20)) -> NDArray[np.int16]:
    """A scan (x, y, z) in Hounsfield units: lung of about -800 in soft tissue; a nodule of about 100 if `ill`."""
    axes = np.meshgrid(*(np.linspace(-1, 1, length) for length in shape), indexing="ij")
    inside = (axes[0] / 0.7) ** 2 + (axes[1] / 0.8) ** 2 + (axes[2] / 0.95) ** 2 < 1
    values = np.where(inside, -800.0, 40.0)
    if ill:
        centre = generator.uniform(-0.3, 0.3, 3)
        distance = sum((axis - place) ** 2 for axis, place in zip(axes, centre, strict=True))
        values = np.where(distance < generator.uniform(0.2, 0.3) ** 2, 100.0, values)
    return np.asarray(values + generator.normal(0, 25, shape)).round().astype(np.int16)


def electrocardiogram(ill: bool, generator: np.random.Generator, *, rate: int = 100, seconds: int = 10) -> Floats:
    """Twelve leads (rate x seconds, 12) in mV: sinus rhythm, or beats at random distances without P waves if `ill`."""
    times = np.arange(rate * seconds) / rate
    pace = generator.uniform(0.65, 1.0)
    spread = 0.22 if ill else 0.02
    beats = np.cumsum(np.maximum(generator.normal(pace, spread * pace, 3 * seconds), 0.3))
    wave = np.zeros(len(times))
    for beat in beats[beats < seconds]:
        for offset, height, width in _WAVES[1 if ill else 0 :]:
            wave += height * np.exp(-(((times - beat - offset) / width) ** 2) / 2)
    if ill:
        wave += 0.04 * np.sin(2 * np.pi * generator.uniform(5, 8) * times + generator.uniform(0, 6))
    drift = 0.05 * np.sin(2 * np.pi * 0.3 * times + generator.uniform(0, 6))
    leads = np.outer(wave, _GAINS) + drift[:, None]
    return np.asarray(leads + generator.normal(0, 0.02, leads.shape))


def vital_signs(ill: bool, generator: np.random.Generator) -> list[tuple[float, str, float]]:
    """Measurements of 48 hours as (hours after admission, quantity, value), in the order of time.

    Heart rate (1/min), mean arterial pressure (mmHg), temperature (°C) and lactate (mmol/L), at irregular times.
    """
    found = []
    worsening = generator.uniform(0.3, 1.0) if ill else 0.0
    for name, every, level, trend, spread in (
        ("heart_rate", 1.0, 82, 30, 9),
        ("map", 1.5, 84, -20, 8),
        ("temperature", 5.0, 37.0, 0.8, 0.35),
        ("lactate", 9.0, 1.5, 3.5, 0.4),
    ):
        count = generator.poisson(48 / every)
        hours = np.sort(generator.uniform(0, 48, count)).round(2)
        values = level + trend * worsening * hours / 48 + generator.normal(0, spread, count)
        digits = 1 if spread < 1 else 0
        found += [(float(h), name, max(0.3, round(float(v), digits))) for h, v in zip(hours, values, strict=True)]
    return sorted(found)


DEPARTMENTS = ("cardiology", "neurology", "pulmonology")
"""Where a generated note may come from."""
_WORDS = {
    "cardiology": ("chest pain", "palpitations", "troponin", "ejection fraction", "ECG", "ankle swelling", "murmur"),
    "neurology": ("headache", "weakness of one side", "seizure", "reflexes", "gait", "numbness", "speech"),
    "pulmonology": ("cough", "sputum", "wheeze", "oxygen", "spirometry", "breathless on stairs", "crackles"),
}
_COMMON = ("slept badly", "no fever", "takes the tablets", "lives alone", "blood pressure noted", "follow-up arranged")


def note(department: str, generator: np.random.Generator) -> str:
    """A few sentences of a made-up visit; it begins with SYNTHETIC."""
    said = list(generator.choice(_WORDS[department], 3, replace=False)) + list(generator.choice(_COMMON, 3))
    if generator.random() < 0.3:  # noqa: PLR2004
        other = generator.choice([name for name in DEPARTMENTS if name != department])
        said.append(str(generator.choice(_WORDS[other])))
    generator.shuffle(said)
    return "SYNTHETIC note. " + " ".join(f"Patient reports {text}." for text in map(str, said))
