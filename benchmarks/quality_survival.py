"""Quality of survival models."""

from __future__ import annotations

from benchmarks.quality_cases import Case

__all__ = ["SURVIVAL"]

SURVIVAL: tuple[Case, ...] = ()
