"""Rows on disk in sorted files, read back by ranges of their key: a group-by of more than memory holds.

Rows gather until there are half a million, are sorted by key and written as one file, a *run*. Reading range after
range takes from every run only the piece that lies in the range, so memory holds one run or one range, never all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fedward_shared.errors import SourceDataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Runs"]

_RUN_ROWS = 524_288
_PIECE_ROWS = 16_384


class Runs:
    """Rows of one schema with an Int64 column `key`, in files of a folder that others leave alone."""

    def __init__(self, folder: Path, key: str, schema: Mapping[str, type[pl.DataType]]) -> None:
        folder.mkdir()
        self._schema = schema
        self._folder = folder
        self._key = key
        self._gathered: list[pl.DataFrame] = []
        self._waiting = 0
        self._files: list[Path] = []
        self.rows = 0
        """How many were added."""

    def add(self, table: pl.DataFrame) -> None:
        """Adds rows, in any order."""
        if table.height:
            self._gathered.append(table)
            self._waiting += table.height
            self.rows += table.height
        if self._waiting >= _RUN_ROWS:
            self._write()

    def ranges(self, cuts: NDArray[np.int64], *, most: int | None = None) -> Iterator[pl.DataFrame]:
        """The rows below the first cut, from each cut up to the next, and from the last on, each sorted by key.

        `cuts` ascend. Rows of one key come in the order in which they were added.

        Raises:
            SourceDataError: a range has more than `most` rows.
        """
        import polars as pl

        self._write()
        fences = [self._fences(path, cuts) for path in self._files]
        for part in range(len(cuts) + 1):
            if most is not None and sum(fence[part + 1] - fence[part] for fence in fences) > most:
                raise SourceDataError(
                    f"more than {most} rows belong to the same patient", hint="Is the right column the patient's?"
                )
            found = [
                pl.scan_ipc(path).slice(fence[part], fence[part + 1] - fence[part]).collect()
                for path, fence in zip(self._files, fences, strict=True)
                if fence[part + 1] > fence[part]
            ]
            yield pl.concat([pl.DataFrame(schema=self._schema), *found]).sort(self._key, maintain_order=True)

    def _fences(self, path: Path, cuts: NDArray[np.int64]) -> list[int]:
        import polars as pl

        keys = pl.scan_ipc(path).select(self._key).collect()[self._key].to_numpy()
        return [0, *np.searchsorted(keys, cuts, side="left").tolist(), len(keys)]

    def _write(self) -> None:
        import polars as pl

        if not self._gathered:
            return
        path = self._folder / f"{len(self._files):06d}.ipc"
        table = pl.concat(self._gathered).sort(self._key, maintain_order=True)
        table.write_ipc(path, record_batch_size=_PIECE_ROWS)
        self._files.append(path)
        self._gathered, self._waiting = [], 0
