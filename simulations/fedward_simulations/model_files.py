"""Weights that a study names but does not hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ModelFiles"]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Weights that a study names: the file of `[model.start]`, and the folder with those of `[model.backbone]`."""

    start: Path | None = None
    backbones: Path | None = None
