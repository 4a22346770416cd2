"""Excel workbooks (.xlsx, .xlsm): one sheet as a table. Nothing in it is run or evaluated.

A formula is what the spreadsheet stored as its result; a cell with an error such as #N/A is empty. A column is of
numbers, truth values or dates where all its cells are, else of text: a number is then told as 7 or 7.25.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.columns import check_names, positions
from fedward_client.importer.sources.files import open_regular, source_path
from fedward_client.importer.sources.options import Options, text, whole
from fedward_client.importer.sources.source import ROW, Batch
from fedward_client.importer.sources.typed import as_cell
from fedward_client.importer.sources.workbook import check_workbook
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    import polars as pl
    from fastexcel import ExcelReader

__all__ = ["ExcelSource"]

_BATCH = 1 << 16
_HEADER_WITHIN = 1000
_SHOWN = 20


class ExcelSource:
    """A sheet; rows are numbered as the spreadsheet shows them, blank ones are left out.

    Options: `sheet` (its name; without it: the first), `header_row` (the number of the row with the names; without it:
    the first that is not blank).
    """

    OPTIONS: ClassVar[Options] = {"sheet": str, "header_row": int}

    def __init__(self, path: Path, *, sheet: str = "", header_row: int = 0) -> None:
        if header_row < 0:
            raise UsageError("header_row is the number of a row, from 1")
        self._path, self._sheet, self._header_row = path, sheet, header_row

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the file that `terms` name."""
        return cls(source_path(terms, folder), sheet=text(terms, "sheet"), header_row=whole(terms, "header_row", 0))

    def columns(self) -> tuple[str, ...]:
        """The names in the header, without blanks around them."""
        return tuple(filter(None, self._header(self._reader())[0]))

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row that is not blank."""
        import polars as pl

        reader = self._reader()
        names, header_row = self._header(reader)
        places = positions(names, columns, self._path.name)
        whole_sheet = self._load(reader, after=header_row)
        raw = whole_sheet.columns
        cells = [
            as_cell(raw[place], whole_sheet.dtypes[place], self._path.name).alias(name)
            for name, place in zip(columns, places, strict=True)
        ]
        table = (
            whole_sheet.lazy()
            .with_row_index(ROW, header_row + 1)
            .filter(~pl.all_horizontal(pl.col(raw).is_null()))
            .select(pl.col(ROW).cast(pl.UInt64), *cells)
            .collect()
        )
        del whole_sheet
        for start in range(0, table.height, _BATCH):
            part = table.slice(start, _BATCH)
            yield Batch(part, (), start + part.height, table.height)

    def _reader(self) -> ExcelReader:
        import fastexcel

        logging.getLogger("fastexcel").setLevel(logging.ERROR)  # it warns of each empty column
        with open_regular(self._path) as file:
            check_workbook(file, self._path.name)
        with self._telling():
            reader = fastexcel.read_excel(self._path)
            names = reader.sheet_names
        if not names or (self._sheet and self._sheet not in names):
            raise SourceDataError(
                f"{self._path.name} has no sheet {self._sheet!r}",
                hint=f"Its sheets: {', '.join(map(repr, names[:_SHOWN]))}. Say which one as sheet in the mapping.",
            )
        return reader

    def _header(self, reader: ExcelReader) -> tuple[tuple[str, ...], int]:
        """The names (blank where there is none), and the number of their row."""
        import polars as pl

        top = self._load(reader, rows=max(self._header_row, _HEADER_WITHIN))
        if self._header_row:
            found = [self._header_row - 1] if self._header_row <= top.height else []
        else:
            found = top.select(pl.any_horizontal(pl.all().is_not_null()).arg_true()).to_series().to_list()
        if not found:
            raise SourceDataError(f"{self._path.name}: the sheet has no row with names", hint="Is it the right sheet?")
        names = [(cell or "").strip() for cell in top.row(found[0])]
        return check_names(names, self._path.name), found[0] + 1

    def _load(self, reader: ExcelReader, *, after: int = 0, rows: int | None = None) -> pl.DataFrame:
        """The rows after the first `after`: typed if all, as text if only some are asked for."""
        with self._telling():
            return reader.load_sheet(
                self._sheet or 0,
                header_row=None,
                skip_rows=after,
                n_rows=rows,
                schema_sample_rows=None,
                dtypes="string" if rows else None,
            ).to_polars()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turns whatever a parser of hostile files may raise into a message without its words."""
        try:
            yield
        except BaseException as error:
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # of Rust, no Exception
                raise SourceDataError(
                    f"{self._path.name} cannot be read as an Excel workbook", hint="Save it again with a spreadsheet."
                ) from None
            raise
