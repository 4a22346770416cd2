"""The tables of an OMOP CDM: in a database, or as CSV or Parquet files of a folder, named like them in any case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from fedward_client.importer.checking.cells import text as cell_text
from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.files import source_path
from fedward_client.importer.sources.options import text
from fedward_client.importer.sources.source import ROW, Batch, Source
from fedward_shared.errors import SourceDataError, UsageError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["CdmFiles", "CdmTables", "Database", "open_tables", "whole"]

_ENDINGS = {".csv": "csv", ".csv.gz": "csv", ".tsv": "csv", ".parquet": "parquet"}
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST_LISTED = 10_000
_NO_TABLE = "there is no such table"
"""What `database_errors` says then."""


class CdmTables(Protocol):
    """Reads tables by their names in the CDM, all in small letters, as are columns."""

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table, or none where there is no such table."""
        ...

    def read(
        self, table: str, columns: Sequence[str], where: tuple[str, frozenset[int]] | None = None
    ) -> Iterator[Batch]:
        """The named columns of every row; with `where` (one of them, numbers) at least of those with such a number."""
        ...


def open_tables(terms: SourceTerms, folder: Path) -> CdmTables:
    """The database that the option `url` names, with the tables in `schema`; else the folder that `path` names.

    Raises:
        UsageError: neither is there.
    """
    if text(terms, "url"):
        return Database(terms, folder)
    path = source_path(terms, folder)
    if not path.is_dir():
        raise UsageError(
            f"{path} is no folder with the tables of a CDM", hint="Check path in the mapping, or give url."
        )
    return CdmFiles(path)


class CdmFiles:
    """One file a table, such as ``person.csv``, ``MEASUREMENT.csv.gz``, ``cohort.parquet``."""

    def __init__(self, folder: Path) -> None:
        self._sources: dict[str, Source] = {}
        self._name = folder.name
        for path in sorted(folder.iterdir()):
            name = path.name.lower()
            ending = next((ending for ending in _ENDINGS if name.endswith(ending)), "")
            if not ending or not path.resolve().is_relative_to(folder.resolve()):
                continue
            table = name.removesuffix(ending)
            if table in self._sources:
                raise SourceDataError(f"{folder.name}: there are two files of the table {table}", hint="Remove one.")
            self._sources[table] = _file(path, _ENDINGS[ending])

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table, or none where there is no such file."""
        source = self._sources.get(table)
        return tuple(_lowered(source, self._name)) if source else ()

    def read(
        self, table: str, columns: Sequence[str], where: tuple[str, frozenset[int]] | None = None
    ) -> Iterator[Batch]:
        """The named columns of every row, or of those that `where` asks for."""
        source = self._sources.get(table)
        if source is None:
            raise SourceDataError(f"{self._name}: there is no table {table}", hint=f"Such as {table}.csv")
        there = _lowered(source, self._name)
        lacking = [name for name in columns if name not in there]
        if lacking:
            raise SourceDataError(f"{self._name}: the table {table} has no column {', '.join(lacking)}")
        for batch in source.batches([there[name] for name in columns]):
            found = batch.table.rename({there[name]: name for name in columns})
            yield replace(batch, table=found.filter(_among(found, where)) if where else found)


class Database:
    """A schema of a database (option `schema`; without it, the one that the connection has)."""

    def __init__(self, terms: SourceTerms, folder: Path) -> None:
        schema = text(terms, "schema")
        if schema and not _NAME.fullmatch(schema):
            raise UsageError("the option 'schema' is the name of a schema: letters, digits and _")
        self._prefix = f"{schema}." if schema else ""
        self._options = {key: terms.options[key] for key in ("url", "password_file", "timeout") if key in terms.options}
        self._folder = folder
        self._columns: dict[str, tuple[str, ...]] = {}

    def columns(self, table: str) -> tuple[str, ...]:
        """The columns of a table, or none where there is no such table."""
        if table not in self._columns:
            try:
                found = self._query(f"SELECT * FROM {self._prefix}{table} WHERE 1 = 0").columns()  # noqa: S608 - ours
            except UsageError as error:
                if _NO_TABLE not in error.message:
                    raise
                found = ()
            self._columns[table] = tuple(name.lower() for name in found)
        return self._columns[table]

    def read(
        self, table: str, columns: Sequence[str], where: tuple[str, frozenset[int]] | None = None
    ) -> Iterator[Batch]:
        """The named columns of every row, or of those that `where` asks for if they are not too many to list."""
        lacking = [name for name in columns if name not in self.columns(table)]
        if lacking:
            raise SourceDataError(f"the table {table} is not there, or has no column {', '.join(lacking)}")
        query = f"SELECT {', '.join(columns)} FROM {self._prefix}{table}"  # noqa: S608 - names are ours, of the CDM
        if where and len(where[1]) <= _MOST_LISTED:
            query += f" WHERE {where[0]} IN ({', '.join(map(str, sorted(where[1])))})" if where[1] else " WHERE 1 = 0"
        return self._query(query).batches(columns)

    def _query(self, query: str) -> Source:
        from fedward_client.importer.sources.sql import SqlSource

        options: Mapping[str, str | int | float | bool | tuple[str, ...]] = {**self._options, "query": query}
        return SqlSource.open(SourceTerms("sql", None, MappingProxyType(options)), self._folder)


def whole(table: pl.DataFrame, column: str) -> pl.Expr:
    """An id of the CDM as Int64, whatever holds it; null where there is none."""
    import polars as pl

    written = cell_text(pl.col(column), table.schema[column]).str.strip_suffix(".0")
    return written.cast(pl.Int64, strict=False).alias(column)


def _among(table: pl.DataFrame, where: tuple[str, frozenset[int]]) -> pl.Expr:
    return whole(table, where[0]).is_in(sorted(where[1]))


def _lowered(source: Source, name: str) -> dict[str, str]:
    """Columns by their names in small letters."""
    found = {column.lower(): column for column in source.columns() if column != ROW}
    if len(found) < len(source.columns()):
        raise SourceDataError(f"{name}: a table has two columns whose names differ by case only")
    return found


def _file(path: Path, kind: str) -> Source:
    from fedward_client.importer.sources.registry import open_source

    return open_source(SourceTerms(kind, path), path.parent)
