"""Excel workbooks (.xlsx, .xlsm): one sheet as a table. Nothing in it is run or evaluated.

A formula is what the spreadsheet stored as its result; a cell with an error such as #N/A is empty. A column is of
numbers, truth values or dates where all its cells are, else of text: a number is then told as 7 or 7.25. A time of day
or a duration is text, 13:30:00 or 30:00:00; a spreadsheet keeps it as a moment of 1899.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.columns import check_names, positions
from fedward_client.importer.sources.files import open_regular, source_path
from fedward_client.importer.sources.options import Options, text, whole
from fedward_client.importer.sources.source import ROW, Batch
from fedward_client.importer.sources.typed import as_cell, clock
from fedward_client.importer.sources.workbook import check_workbook
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    import polars as pl
    from fastexcel import DType, DTypeMap, ExcelReader

__all__ = ["ExcelSource"]

_BATCH = 1 << 16
_HEADER_WITHIN = 1000
_SHOWN = 20
_MIXED = re.compile(r"dtype for column __UNNAMED__([0-9]{1,6})")
_MOMENT = r"^((?:1899|1900)-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?$"
_FIRST_DAY, _TIMED_UNTIL = dt.datetime(1900, 1, 1), dt.datetime(1900, 3, 1)  # noqa: DTZ001 - as a spreadsheet has it
_ZERO = dt.datetime(1899, 12, 31)  # noqa: DTZ001


class ExcelSource:
    """A sheet; rows are numbered as the spreadsheet shows them, blank ones are left out.

    Options: `sheet` (its name; may be left out where only one has cells), `header_row` (the number of the row with the
    names; without it: the first that is not blank).
    """

    OPTIONS: ClassVar[Options] = {"sheet": str, "header_row": int}

    def __init__(self, path: Path, *, sheet: str = "", header_row: int = 0) -> None:
        if header_row < 0:
            raise UsageError("header_row is the number of a row, from 1")
        self._path, self._sheet, self._header_row = path, sheet, header_row
        self._above: int | None = None

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Opens the file that `terms` name."""
        return cls(source_path(terms, folder), sheet=text(terms, "sheet"), header_row=whole(terms, "header_row", 0))

    def columns(self) -> tuple[str, ...]:
        """The names in the header, without blanks around them."""
        return tuple(filter(None, self._header(self._reader())[0]))

    @property
    def rows_before(self) -> int:
        """The number of the row with the names."""
        if self._above is None:
            self.columns()
        return self._above or 0

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row that is not blank."""
        import polars as pl

        reader = self._reader()
        names, header_row = self._header(reader)
        places = positions(names, columns, self._path.name)
        whole_sheet, lasting = self._cells(reader, header_row)
        raw = whole_sheet.columns
        cells = [
            self._cell(whole_sheet[raw[place]], timed=place in lasting).alias(name)
            for name, place in zip(columns, places, strict=True)
        ]
        numbers = pl.int_range(header_row + 1, header_row + 1 + pl.len(), dtype=pl.UInt64).alias(ROW)
        blank = whole_sheet.select(pl.all_horizontal(pl.col(raw).is_null())).to_series()
        table = whole_sheet.select(numbers, *cells).filter(~blank)
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
        if not self._sheet and len(names) > 1:
            self._sheet = self._only_sheet(reader, names)
        return reader

    def _only_sheet(self, reader: ExcelReader, names: Sequence[str]) -> str:
        """The sheet that has cells. Taking one of several would leave out the patients of the others in silence."""
        with self._telling():
            filled = [
                name
                for name in names
                if reader.load_sheet(name, header_row=None, n_rows=1, dtypes="string").to_polars().width
            ]
        if len(filled) > 1:
            raise SourceDataError(
                f"{self._path.name} has several sheets: {', '.join(map(repr, filled[:_SHOWN]))}",
                hint=f'Say which one under [source] in the mapping: sheet = "{filled[0]}". Import others on their own, '
                "or put them into one sheet. If names do not stand in a sheet's first row, say header_row, too.",
            )
        return filled[0] if filled else names[0]

    def _header(self, reader: ExcelReader) -> tuple[tuple[str, ...], int]:
        """The names (blank where there is none), and the number of their row."""
        import polars as pl

        top = self._load(reader, rows=max(self._header_row, _HEADER_WITHIN), dtypes="string")
        if self._header_row:
            found = [self._header_row - 1] if self._header_row <= top.height else []
        else:
            found = top.select(pl.any_horizontal(pl.all().is_not_null()).arg_true()).to_series().to_list()
        if not found:
            raise SourceDataError(f"{self._path.name}: the sheet has no row with names", hint="Is it the right sheet?")
        names = [(cell or "").strip() for cell in top.row(found[0])]
        self._above = found[0] + 1
        return check_names(names, self._path.name), self._above

    def _cells(self, reader: ExcelReader, after: int) -> tuple[pl.DataFrame, frozenset[int]]:
        """The rows after the first `after`, and which columns are text because they mix durations with other cells."""
        import fastexcel

        mixed: dict[str | int, DType] = {}
        while True:
            try:
                return self._load(reader, after=after, dtypes=mixed), frozenset(map(int, mixed))
            except fastexcel.UnsupportedColumnTypeCombinationError as error:
                found = _MIXED.search(str(error))
                if found is None or int(found[1]) in mixed:
                    raise SourceDataError(f"{self._path.name} has a column of cells that do not go together") from None
                mixed[int(found[1])] = "string"

    def _cell(self, cells: pl.Series, *, timed: bool) -> pl.Expr:
        """A column as a batch may hold it; `timed` if it is text and holds durations."""
        import polars as pl

        if cells.dtype == pl.String:
            return _spoken(cells, _TIMED_UNTIL if timed else _FIRST_DAY)
        if isinstance(cells.dtype, pl.Datetime) and cells.dt.year().eq(1899).any():
            return _spoken(cells.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S"), _FIRST_DAY)
        return as_cell(cells.name, cells.dtype, self._path.name)

    def _load(
        self,
        reader: ExcelReader,
        *,
        after: int = 0,
        rows: int | None = None,
        dtypes: DTypeMap | Literal["string"] | None = None,
    ) -> pl.DataFrame:
        """The rows after the first `after`, or only some of them."""
        with self._telling():
            return reader.load_sheet(
                self._sheet or 0,
                header_row=None,
                skip_rows=after,
                n_rows=rows,
                schema_sample_rows=None,
                dtypes=dtypes or None,
            ).to_polars()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Turns whatever a parser of hostile files may raise into a message without its words."""
        import fastexcel

        try:
            yield
        except fastexcel.UnsupportedColumnTypeCombinationError:
            raise
        except BaseException as error:
            if isinstance(error, Exception) or type(error).__name__ == "PanicException":  # of Rust, no Exception
                raise SourceDataError(
                    f"{self._path.name} cannot be read as an Excel workbook", hint="Save it again with a spreadsheet."
                ) from None
            raise


def _spoken(texts: pl.Series, until: dt.datetime) -> pl.Expr:
    """Texts; moments before `until`, which is what the parser makes of a time of day or a duration, as `HH:MM:SS`."""
    import polars as pl

    if not texts.str.contains(_MOMENT).any():
        return pl.lit(texts)
    moment = pl.lit(texts).str.extract(_MOMENT).str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
    return pl.when((moment >= _ZERO) & (moment < until)).then(clock(moment - _ZERO)).otherwise(pl.lit(texts))
