"""What is asked of one generated hospital, and what it tells of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fedward_client.importer.mapping import Mapping
from fedward_simulations.generate.defects import Defect

__all__ = ["Export", "Written"]


@dataclass(frozen=True, slots=True)
class Export:
    """Write `patients` patients of `site` into `folder`, with these defects and this randomness."""

    folder: Path
    site: str
    patients: int
    defects: frozenset[Defect]
    generator: np.random.Generator


@dataclass(frozen=True, slots=True)
class Written:
    """How the export is read, and its truth: rows written, share of ill patients, AUC of the true risk (if known)."""

    mapping: Mapping
    rows: int
    prevalence: float | None = None
    best_auc: float | None = None
