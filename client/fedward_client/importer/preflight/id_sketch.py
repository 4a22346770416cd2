"""Whether patients' ids differ only in how they are written; hashes only, of at most a million cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fedward_client.importer.preflight.sketches import KeySample

if TYPE_CHECKING:
    import polars as pl

__all__ = ["IdSketch"]

_IDS = 1_000_000
_SEED = 23


class IdSketch:
    """Ids by what they are without leading zeros, a trailing ".0" and letter case."""

    def __init__(self, ids: int = _IDS) -> None:
        self._sample = KeySample(ids)

    def add(self, ids: pl.Series) -> None:
        """Takes a batch's ids as trimmed texts; "" is nobody."""
        ids = ids.filter(ids != "").unique()
        bare = ids.str.to_lowercase().str.replace(r"\.0+$", "").str.replace(r"^0+([0-9a-z])", "$1")
        self._sample.add(np.stack([bare.hash(_SEED).to_numpy(), ids.hash(_SEED).to_numpy()], axis=1))

    def alike(self) -> int:
        """How many ids are another one but for that, scaled up where the source has more than are kept."""
        rows = self._sample.rows()
        if not rows.size:
            return 0
        once = np.unique(rows, axis=0)
        return round((len(once) - len(np.unique(once[:, 0]))) / self._sample.share)
