"""Quality on arrays: pictures and signals."""

from __future__ import annotations

from benchmarks.quality_cases import Case
from benchmarks.quality_images import BLOOD_CELLS, CHEST_FILMS, CHEST_FILMS_CNN
from benchmarks.quality_signals import BEATS, ELECTROCARDIOGRAMS

__all__ = ["ARRAYS"]

ARRAYS: tuple[Case, ...] = (CHEST_FILMS, CHEST_FILMS_CNN, BLOOD_CELLS, ELECTROCARDIOGRAMS, BEATS)
"""The cases, in the order in which they run."""
