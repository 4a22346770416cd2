"""Rows of a database: one query or one table, in a read-only transaction, streamed so that memory stays flat.

PostgreSQL (through psycopg) reads one snapshot (REPEATABLE READ) by a cursor on the server; SQLite opens its file
read-only. Others are taken where their driver is installed and the server grants a read-only transaction. What a
driver says is never shown: its messages hold values, and sometimes the URL.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from fedward_client.importer.mapping import SourceTerms
from fedward_client.importer.sources.addresses import Address, address_of, password_for
from fedward_client.importer.sources.columns import check_names, positions
from fedward_client.importer.sources.database_errors import told
from fedward_client.importer.sources.database_types import batch_of
from fedward_client.importer.sources.files import open_regular
from fedward_client.importer.sources.options import Options, number, text, texts
from fedward_client.importer.sources.source import Batch
from fedward_shared.errors import UsageError

if TYPE_CHECKING:
    from sqlalchemy import Connection, CursorResult, Engine

__all__ = ["SqlSource", "one_select"]

_TIMEOUT_SECONDS = 3600.0
_CONNECT_SECONDS = 15
_CELLS_AT_ONCE = 500_000
_MOST_ROWS_AT_ONCE = 50_000
_LONGEST_VALUE = 64 << 20
_STEPS_BETWEEN_LOOKS = 100_000
_READING_WORDS = ("select", "with", "values", "table", "(")


@dataclass(frozen=True, slots=True)
class _Wish:
    """What is read: a query as it stands, or a table's name and the columns that put its rows in order."""

    query: str
    table: str
    order: tuple[str, ...]
    seconds: float


class SqlSource:
    """A query's or table's rows; row 1 is the first. Without an order the database may give another one next time."""

    OPTIONS: ClassVar[Options] = {
        "url": str,
        "query": str,
        "table": str,
        "order": tuple,
        "timeout": float,
        "password_file": str,
    }

    def __init__(self, address: Address, engine: Engine, wish: _Wish) -> None:
        self._address = address
        self._engine = engine
        self._wish = wish
        self._names: tuple[str, ...] | None = None

    @classmethod
    def open(cls, terms: SourceTerms, folder: Path) -> Self:
        """Prepares a source; nothing is connected yet.

        Raises:
            UsageError: the URL, query or table is written wrongly, or the database's driver is not installed.
        """
        url = text(terms, "url")
        if not url:
            raise UsageError(
                "a source of type 'sql' needs a url", hint='Such as url = "postgresql://reader@db/warehouse"'
            )
        wish = _Wish(
            query=text(terms, "query"),
            table=text(terms, "table"),
            order=texts(terms, "order"),
            seconds=number(terms, "timeout", _TIMEOUT_SECONDS),
        )
        if bool(wish.query) == bool(wish.table):
            raise UsageError("a source of type 'sql' needs either a query or a table")
        if wish.query and wish.order:
            raise UsageError("order is for a table; write ORDER BY into the query")
        if wish.seconds <= 0:
            raise UsageError("the option 'timeout' is in seconds, and more than 0")
        address = address_of(url, folder)
        engine = _engine(url, address, password_for(terms, folder), wish.seconds)
        return cls(address, engine, wish if wish.table else _Wish(one_select(wish.query), "", (), wish.seconds))

    def columns(self) -> tuple[str, ...]:
        """The names of all columns, as the database gives them; no row is fetched."""
        if self._names is None:
            with self._result(None) as result:
                self._names = check_names(tuple(result.keys()), self._address.shown)
        return self._names

    def batches(self, columns: Sequence[str]) -> Iterator[Batch]:
        """The named columns of every row, all of one state of the database."""
        wanted = positions(self.columns(), columns, self._address.shown)
        with self._result(columns if self._wish.table else None) as result:
            description = result.cursor.description if result.cursor is not None else ()
            places = list(range(len(columns))) if self._wish.table and columns else wanted
            codes = [description[place][1] for place in places]
            pick = _picker(places)
            done = 0
            for rows in result.partitions(_rows_at_once(len(description))):
                yield batch_of(columns, codes, pick(rows), len(rows), done)
                done += len(rows)
            if not done:
                yield batch_of(columns, codes, pick([]), 0, 0)

    @contextmanager
    def _result(self, columns: Sequence[str] | None) -> Iterator[CursorResult[Any]]:
        """The statement's result, in a transaction of its own that is never committed."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self._engine.connect() as connection, self._read_only(connection) as reading:
                statement = self._statement(columns)
                yield reading.exec_driver_sql(statement)
        except (SQLAlchemyError, sqlite3.Error, UnicodeError, ValueError, OverflowError) as error:
            raise told(error, self._address) from None

    @contextmanager
    def _read_only(self, connection: Connection) -> Iterator[Connection]:
        rows = _rows_at_once(1)
        match self._address.dialect:
            case "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
                connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(self._wish.seconds * 1000)}")
            case "sqlite":
                pass  # the file was opened read-only
            case _:
                connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        yield connection.execution_options(stream_results=True, max_row_buffer=rows, no_parameters=True)

    def _statement(self, columns: Sequence[str] | None) -> str:
        if self._wish.query:
            return self._wish.query
        quote = self._engine.dialect.identifier_preparer.quote_identifier
        chosen = ", ".join(map(quote, columns)) if columns else "*"
        table = ".".join(map(quote, self._wish.table.split(".")))
        order = f" ORDER BY {', '.join(map(quote, self._wish.order))}" if self._wish.order else ""
        return f"SELECT {chosen} FROM {table}{order}"  # noqa: S608 - every name is quoted


def one_select(query: str) -> str:
    """A query, if it is one statement that reads; that it writes nothing is the transaction's to see to.

    Raises:
        UsageError: it is something else.
    """
    found = query.strip().removesuffix(";").rstrip()
    if ";" in found or "\0" in found:
        raise UsageError(
            "a query must be one statement: a semicolon may stand at its end only",
            hint="Where a text in the query holds a semicolon, make a view of it in the database.",
        )
    if not _without_comments(found).lower().startswith(_READING_WORDS):
        raise UsageError("a query must begin with SELECT or WITH", hint="The importer only reads.")
    return found


def _without_comments(query: str) -> str:
    """What stands after the comments at the beginning."""
    while True:
        query = query.lstrip()
        if query.startswith("--"):
            query = query.partition("\n")[2]
        elif query.startswith("/*"):
            query = query.partition("*/")[2]
        else:
            return query


def _rows_at_once(width: int) -> int:
    return max(1000, min(_MOST_ROWS_AT_ONCE, _CELLS_AT_ONCE // max(1, width)))


def _picker(places: list[int]) -> Callable[[Sequence[Sequence[Any]]], list[Sequence[Any]]]:
    """Turns rows into the chosen columns."""

    def pick(rows: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        return [list(map(itemgetter(place), rows)) for place in places]

    return pick


def _engine(url: str, address: Address, password: str, seconds: float) -> Engine:
    from sqlalchemy import NullPool, create_engine, make_url
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    if address.file is not None:
        file = address.file
        return create_engine("sqlite://", creator=lambda: _open_file(file, seconds), poolclass=NullPool)
    try:
        place = make_url(url)
        if address.dialect == "postgresql":
            place = place.set(drivername="postgresql+psycopg")
        if address.certificates:
            place = place.update_query_dict({name: str(path) for name, path in address.certificates})
        if password:
            place = place.set(password=password)
        arguments = {"connect_timeout": _CONNECT_SECONDS} if address.dialect == "postgresql" else {}
        return create_engine(place, poolclass=NullPool, hide_parameters=True, connect_args=arguments)
    except (NoSuchModuleError, ImportError) as error:
        raise UsageError(
            f"no driver for {address.dialect!r} is installed",
            hint="PostgreSQL and SQLite need none. Install SQLAlchemy's driver for yours, or export a Parquet file.",
        ) from error
    except (ArgumentError, ValueError, TypeError):
        raise UsageError("the url of a database is written wrongly") from None


def _open_file(file: Path, seconds: float) -> sqlite3.Connection:
    """A file of SQLite, which may be hostile: nothing is written, attached or called, and values are bounded."""
    with open_regular(file):
        pass
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    connection.text_factory = _text
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    limit = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > limit, _STEPS_BETWEEN_LOOKS)
    for setting in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1", "mmap_size = 0"):
        with closing(connection.execute(f"PRAGMA {setting}")):
            pass
    return connection


def _text(content: bytes) -> str | bytes:
    """Text that is not UTF-8 stays bytes, and so rejects its row."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content
