"""Writes accepted rows as Parquet: ``table-00000.parquet``, …, each of 262,144 rows but the last.

Columns carry the contract's names: a number is Float64 (null where missing), a category String in its declared
spelling, the label Int64 (the class index; with a follow-up, time and event as in `contracts.survival`), split and
patient String. Rows keep the order of the source. The same rows give the same bytes, however they came in batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fedward_client.imported import TABLE_ROWS, table_name
from fedward_client.importer.output import check_output
from fedward_client.importer.read_ahead import read_ahead
from fedward_shared.contracts.cohort import DataContract

if TYPE_CHECKING:
    import polars as pl

__all__ = ["table_columns", "write_table"]

_ROW_GROUP = 65_536
_COMPRESSION_LEVEL = 3


def table_columns(contract: DataContract) -> tuple[str, ...]:
    """The columns of an imported table, in order. Encounters and times were only needed to check."""
    inputs = (column.name for column in contract.columns)
    return (*inputs, contract.label.column, *filter(None, (contract.split_column, contract.patient)))


def write_table(
    tables: Iterable[pl.DataFrame], contract: DataContract, folder: Path | None, most: int
) -> tuple[str, ...]:
    """Writes all rows into `folder` (None: nowhere) and gives the files' names; memory does not grow with the rows.

    While a part is written, another thread makes the next one out of `tables`, which only that thread uses.

    Raises:
        SourceDataError: the files would hold more than `most` bytes.
    """
    columns = table_columns(contract)
    files: list[str] = []
    written = 0
    for part in read_ahead(_parts(table.select(columns) for table in tables)):
        if folder is None:
            continue
        path = folder / table_name(len(files))
        part.write_parquet(
            path, compression="zstd", compression_level=_COMPRESSION_LEVEL, statistics=False, row_group_size=_ROW_GROUP
        )
        files.append(path.name)
        written += path.stat().st_size
        check_output(written, most)
    return tuple(files)


def _parts(tables: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """The same rows in tables of `TABLE_ROWS`, each in one piece: how it came must not show in the file."""
    import polars as pl

    held: list[pl.DataFrame] = []
    height = 0
    for table in tables:
        held.append(table)
        height += table.height
        while height >= TABLE_ROWS:
            height -= TABLE_ROWS
            last = held.pop()
            inside = last.height - height
            yield pl.concat([*held, last.head(inside)], rechunk=True)
            held = [last.slice(inside)]
    if height:
        yield pl.concat(held, rechunk=True)
