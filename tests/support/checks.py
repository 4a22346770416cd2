"""Checks rows of text against a contract, as an import would: for tests of checking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from fedward_client.importer.checking.check import Checker
from fedward_client.importer.checking.checked import Checked
from fedward_client.importer.mapping import Mapping as SiteMapping
from fedward_client.importer.sources.source import ROW, Batch
from fedward_shared.contracts.cohort import DataContract

__all__ = ["batch_of", "check_rows"]


def batch_of(columns: Mapping[str, Sequence[object]], first: int = 7) -> Batch:
    """A batch whose rows are counted from `first`; cells of one type each, as polars finds it."""
    table = pl.DataFrame({name: pl.Series(list(cells)) for name, cells in columns.items()})
    rows = pl.Series(ROW, range(first, first + table.height), dtype=pl.UInt64)
    return Batch(table.with_columns(pl.col(pl.Null).cast(pl.String)).insert_column(0, rows))


def check_rows(
    contract: DataContract, columns: Mapping[str, Sequence[object]], mapping: SiteMapping | None = None, first: int = 7
) -> Checked:
    """Checks a source that consists of these columns; the first row has the number `first`."""
    batch = batch_of(columns, first)
    return Checker(contract, mapping or SiteMapping(), list(columns)).check(batch)
