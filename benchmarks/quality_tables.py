"""Quality on tables: four hospitals' heart patients, and intensive care of four kinds."""

from __future__ import annotations

from benchmarks.quality_cases import Case
from benchmarks.quality_cinc import ALL_INPUTS, FEW_INPUTS
from benchmarks.quality_heart import HEART, HEART_FLAMBY, HEART_LEFT_OUT

__all__ = ["TABLES"]

TABLES: tuple[Case, ...] = (HEART, HEART_LEFT_OUT, HEART_FLAMBY, ALL_INPUTS, FEW_INPUTS)
"""The cases, in the order in which they run."""
