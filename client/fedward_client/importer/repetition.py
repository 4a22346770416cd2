"""Drops what one patient's records repeat, on the way from checked rows to files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fedward_client.importer.duplicates import Seen, array_digests, row_digests
from fedward_client.importer.mapping import ROW_NUMBER, Mapping
from fedward_client.importer.sources.source import ROW
from fedward_shared.contracts.cohort import DataContract

if TYPE_CHECKING:
    import polars as pl

    from fedward_client.importer.array_records import Arrays
    from fedward_client.importer.tally import Tally

__all__ = ["fresh_arrays", "fresh_rows", "has_patients"]


def has_patients(contract: DataContract, mapping: Mapping) -> bool:
    """Whether two rows of a source can be of one patient."""
    return contract.patient is not None and mapping.answer(contract.patient).source != ROW_NUMBER


def fresh_rows(tables: Iterator[pl.DataFrame], contract: DataContract, tally: Tally) -> Iterator[pl.DataFrame]:
    """The rows without those whose patient has one with the same inputs and label already; these are told."""
    patient = contract.patient or ""
    columns = [*(column.name for column in contract.columns), contract.label.column]
    seen = Seen()
    for table in tables:
        fresh = seen.fresh(table[patient], row_digests(table, columns))
        yield _kept(table, fresh, tally)


def fresh_arrays(pieces: Iterator[Arrays], contract: DataContract, tally: Tally) -> Iterator[Arrays]:
    """The records without those whose patient has one with the same array and label already; these are told."""
    from fedward_client.importer.array_records import Arrays

    patient = contract.patient or ""
    seen = Seen()
    for piece in pieces:
        labels = piece.table[contract.label.column].to_numpy()
        fresh = seen.fresh(piece.table[patient], array_digests(piece.x, labels))
        x = piece.x if fresh.all() else piece.x[fresh.to_numpy()]
        yield Arrays(_kept(piece.table, fresh, tally), x)


def _kept(table: pl.DataFrame, fresh: pl.Series, tally: Tally) -> pl.DataFrame:
    if fresh.all():
        return table
    tally.repeated(table.filter(~fresh)[ROW].to_list())
    return table.filter(fresh)
