"""Events become series: what was measured in each step of a regular grid around each record's time zero."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_client.importer.events.losses import Losses
from fedward_client.importer.mapping import Mapping
from fedward_client.importer.sources.source import Source
from fedward_shared.contracts.arrays import Series
from fedward_shared.contracts.cohort import DataContract

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Gridded", "grids"]


@dataclass(frozen=True, slots=True)
class Gridded:
    """Some records: rows of the tables that went in, unchanged and in their order, and `x` (rows, *form.shape).

    `losses` are events dropped since the piece before; all of them come with the first piece.
    """

    table: pl.DataFrame
    x: NDArray[np.float32]
    losses: Losses


def grids(
    tables: Iterable[pl.DataFrame],
    events: Source,
    form: Series,
    mapping: Mapping,
    contract: DataContract,
    scratch: Path,
) -> Iterator[Gridded]:
    """The series of every row of `tables`, in pieces of at most some 64 MB; memory does not grow with either source.

    Args:
        tables: accepted rows (`Checked.table`). They are read to the end first. They have the contract's `patient`, if
            declared `encounter` (both String), and if declared `time_zero` (Datetime in microseconds, UTC).
        events: a source with `EVENT_COLUMNS`.
        form: the grid and its channels.
        mapping: its answers for channels say the unit of events that name none.
        contract: names the patient, encounter and time zero columns.
        scratch: a folder of the importer's own for temporary files; what is written there is removed again.
    """
    raise NotImplementedError
