"""The one interface of everything that holds rows: a file, a sheet, a query, a folder of DICOM headers, a bundle."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fedward_client.importer.quarantine import Rejection

if TYPE_CHECKING:
    import polars as pl

__all__ = ["EVENT_COLUMNS", "ROW", "Batch", "Source", "rows_before"]

ROW = "fedward_row"
"""The column of every batch that holds the row's number (UInt64) as the source counts: a spreadsheet's header is 1."""

EVENT_COLUMNS = ("patient", "encounter", "time", "code", "value", "unit")
"""What a source of events (measurements, diagnoses in long form) offers; `encounter` and `unit` may be null."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows, in the order of the source.

    `table` has the column `ROW` and the columns that were asked for under the source's own names. A cell is String
    (exactly what stands there, not trimmed), or of a numeric, Boolean, Date or Datetime type where the source has
    types; null is an absent cell. `rejections` are rows that could not be read at all and are not in `table`.
    `done` and `of` tell progress in the source's own measure (bytes, rows, files); `of` is 0 where nobody knows.
    """

    table: pl.DataFrame
    rejections: tuple[Rejection, ...] = ()
    done: int = 0
    of: int = 0


class Source(Protocol):
    """Rows, read in batches that fit in memory, whatever the size of the whole."""

    def columns(self) -> tuple[str, ...]:
        """The names of all columns.

        Raises:
            SourceDataError: the source cannot be read, or names a column twice.
        """
        ...

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row; can be called again, and then starts again.

        Raises:
            SourceDataError: the source is damaged, or has no such column; the message says where, never a value.
        """
        ...


def rows_before(source: Source) -> int:
    """How many rows a source counts before its first record: a spreadsheet's header and what stands above it.

    A source that numbers its first record 1 need not say so; others have an attribute `rows_before`.
    """
    return int(getattr(source, "rows_before", 0))
