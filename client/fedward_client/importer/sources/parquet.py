"""Parquet: cells have their types; row groups are read in slices, so memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.columns import check_names, positions
from fedward_client.importer.sources.files import open_regular, source_path
from fedward_client.importer.sources.options import Options
from fedward_client.importer.sources.parquet_footer import Footer, read_footer
from fedward_client.importer.sources.source import ROW, Batch
from fedward_client.importer.sources.typed import as_cell
from fedward_shared.errors import SourceDataError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ParquetSource"]

_SLICE = 1 << 17
_MOST_UNPACKED = 1 << 31
_MOST_RATIO = 1000
_RATIO_COUNTS_FROM = 1 << 26
_MOST_ROWS_PER_BYTE = 1024


class ParquetSource:
    """One Parquet file; the first row is row 1. It has no options."""

    OPTIONS: ClassVar[Options] = {}

    def __init__(self, path: Path) -> None:
        self._path = path.absolute()  # a relative one could look like a URL to polars
        self._name = path.name

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the file that `terms` name."""
        return cls(source_path(terms, folder))

    def columns(self) -> tuple[str, ...]:
        """The names of all columns, those of nested types included."""
        return tuple(filter(None, check_names(list(self._schema()), self._name)))

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row, numbered from 1."""
        import polars as pl

        footer, schema = self._footer(), self._schema()
        positions(check_names(list(schema), self._name), columns, self._name)
        self._check_sizes(footer, columns)
        cells = [as_cell(name, schema[name], self._name) for name in columns]
        begin = 0
        for group in footer.groups:
            for start in range(begin, begin + group.rows, _SLICE):
                height = min(_SLICE, begin + group.rows - start)
                rows = pl.int_range(start + 1, start + height + 1, dtype=pl.UInt64, eager=True).alias(ROW)
                table = self._slice(start, height, cells)
                yield Batch(table.insert_column(0, rows), (), start + height, footer.rows)
            begin += group.rows

    def _slice(self, start: int, height: int, cells: Sequence[pl.Expr]) -> pl.DataFrame:
        import polars as pl

        if not cells:
            return pl.DataFrame(height=height)
        try:
            scanned = pl.scan_parquet(self._path, glob=False, hive_partitioning=False).slice(start, height)
            table = scanned.select(cells).collect()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
            table = pl.DataFrame()
        if table.height != height:
            raise SourceDataError(
                f"{self._name}: rows {start + 1} to {start + height} cannot be read",
                hint="The file is damaged, or holds what its types do not allow. Write it again.",
            )
        return table

    def _footer(self) -> Footer:
        with open_regular(self._path) as file:
            return read_footer(file, self._path.stat().st_size, self._name)

    def _schema(self) -> dict[str, pl.DataType]:
        import polars as pl

        self._footer()  # what is no Parquet file is told by name; polars need not see it
        try:
            return dict(pl.read_parquet_schema(self._path))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError):
            raise SourceDataError(f"{self._name}: its schema cannot be read", hint="Write the file again.") from None

    def _check_sizes(self, footer: Footer, columns: Sequence[str]) -> None:
        """Refuses what would take absurd memory, from what the file declares; the rest is for the worker's limits."""
        size = self._path.stat().st_size
        if footer.rows > _MOST_ROWS_PER_BYTE * size:
            raise SourceDataError(f"{self._name} declares more rows than it can hold", hint="Write the file again.")
        for group in footer.groups:
            unpacked = sum(group.unpacked.get(name, 0) for name in columns)
            packed = sum(group.packed.get(name, 0) for name in columns)
            if unpacked > _MOST_UNPACKED:
                raise SourceDataError(
                    f"{self._name} has a row group of more than {_MOST_UNPACKED >> 30} GiB",
                    hint="Write it with smaller row groups, such as 100,000 rows each.",
                )
            if packed > size or unpacked > max(_RATIO_COUNTS_FROM, _MOST_RATIO * packed):
                raise SourceDataError(
                    f"{self._name} unpacks to more than {_MOST_RATIO} times its size",
                    hint="Is it the file you mean? Then write it again without compression.",
                )
