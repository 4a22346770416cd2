"""Rows and events in memory, behind the interface of sources, in batches of any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fedward_client.importer.quarantine import Rejection
from fedward_client.importer.sources.source import EVENT_COLUMNS, ROW, Batch

__all__ = ["Event", "TableSource", "event_source"]

Event = tuple[str | None, str | None, str | float | None, str, str | float | None, str | None]
"""patient, encounter, time, code, value, unit"""


@dataclass(frozen=True)
class TableSource:
    """A table that comes in batches."""

    table: pl.DataFrame
    batch_rows: int = 1_000
    rejections: tuple[Rejection, ...] = ()

    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.columns if name != ROW)

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        numbered = self.table.select(
            pl.int_range(2, self.table.height + 2, dtype=pl.UInt64).alias(ROW), *(pl.col(name) for name in columns)
        )
        for start in range(0, max(1, numbered.height), self.batch_rows):
            part = numbered[start : start + self.batch_rows]
            yield Batch(part, () if start else self.rejections, start + part.height, numbered.height)


def event_source(
    events: Sequence[Event], batch_rows: int = 1_000, kinds: Mapping[str, type[pl.DataType]] | None = None
) -> TableSource:
    """Events as text, or of the given types."""
    schema = dict.fromkeys(EVENT_COLUMNS, pl.String) | dict(kinds or {})
    columns = list(zip(*events, strict=True)) if events else [()] * len(EVENT_COLUMNS)
    series = [
        pl.Series(
            name,
            [None if cell is None else str(cell) for cell in cells] if schema[name] is pl.String else cells,
            dtype=schema[name],
        )
        for name, cells in zip(EVENT_COLUMNS, columns, strict=True)
    ]
    return TableSource(pl.DataFrame(series), batch_rows)
