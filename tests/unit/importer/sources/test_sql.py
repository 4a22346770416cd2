"""Rows of a database, by SQLite; PostgreSQL is in tests/integration/test_postgres.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedward_client.importer.checking.people import keys
from fedward_client.importer.mapping import Option, SourceTerms
from fedward_client.importer.quarantine import Reason, Rejection
from fedward_client.importer.sources import sql
from fedward_client.importer.sources.database_types import batch_of
from fedward_client.importer.sources.registry import open_source
from fedward_client.importer.sources.source import ROW, Source
from fedward_client.importer.sources.sql import one_select
from fedward_shared.errors import FedwardError, SourceDataError, UsageError

SECRET = "Zebra-4711"


def _database(path: Path, *statements: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()
    return path


def _source(folder: Path, **options: Option) -> Source:
    return open_source(SourceTerms("sql", None, {"url": "sqlite:///a.db", **options}), folder)


def _table(source: Source) -> pl.DataFrame:
    return pl.concat(batch.table for batch in source.batches(source.columns()))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    _database(
        tmp_path / "a.db",
        'CREATE TABLE "my visits" (id INTEGER, age REAL, sex TEXT, "what; ever" TEXT)',
        """INSERT INTO "my visits" VALUES (1, 50, ' F ', 'a'), (2, NULL, 'M', NULL), (3, 61.5, 'F', 'c')""",
    )
    return tmp_path


def test_a_table_and_a_query_give_typed_rows(folder: Path) -> None:
    expected = {ROW: [1, 2, 3], "id": [1, 2, 3], "age": [50.0, None, 61.5], "sex": [" F ", "M", "F"]}
    for source in (
        _source(folder, table="my visits", order=("id",)),
        _source(folder, query='SELECT * FROM "my visits" ORDER BY id;'),
    ):
        assert source.columns() == ("id", "age", "sex", "what; ever")
        [batch] = list(source.batches(["id", "age", "sex"]))
        assert batch.table.to_dict(as_series=False) == expected
        assert batch.table.schema[ROW] == pl.UInt64()
        assert (batch.done, batch.of, batch.rejections) == (3, 0, ())


def test_columns_come_in_the_order_that_was_asked_for_and_again(folder: Path) -> None:
    source = _source(folder, query='SELECT sex, id, age FROM "my visits"')

    for _ in range(2):
        [batch] = list(source.batches(["age", "sex"]))
        assert batch.table.columns == [ROW, "age", "sex"]


def test_large_tables_come_in_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "_CELLS_AT_ONCE", 1)
    _database(
        tmp_path / "a.db",
        "CREATE TABLE t AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 2500) "
        "SELECT x FROM c",
    )
    batches = list(_source(tmp_path, table="t").batches(["x"]))

    assert [batch.done for batch in batches] == [1000, 2000, 2500]
    assert pl.concat(batch.table for batch in batches)[ROW].to_list() == list(range(1, 2501))
    assert all((batch.table[ROW] == batch.table["x"]).all() for batch in batches)


def test_no_rows_are_one_empty_batch(folder: Path) -> None:
    [batch] = list(_source(folder, query='SELECT id FROM "my visits" WHERE id > 9').batches(["id"]))

    assert (batch.table.height, batch.table.columns) == (0, [ROW, "id"])


def test_what_is_no_text_rejects_its_row_where_it_is_asked_for(tmp_path: Path) -> None:
    _database(
        tmp_path / "a.db",
        "CREATE TABLE t (a, b, c)",
        "INSERT INTO t VALUES (1, x'00ff', 1), (2, CAST(x'fe' AS TEXT), 2), (3, 'fine', 3)",
    )
    [batch] = list(_source(tmp_path, table="t").batches(["a", "b"]))
    [without] = list(_source(tmp_path, table="t").batches(["a", "c"]))

    assert batch.rejections == (Rejection(1, "b", Reason.UNREADABLE), Rejection(2, "b", Reason.UNREADABLE))
    assert batch.table.to_dict(as_series=False) == {ROW: [3], "a": [3], "b": ["fine"]}
    assert without.table.height == 3


def test_values_of_several_types_in_a_column_are_text(tmp_path: Path) -> None:
    _database(
        tmp_path / "a.db", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1), (2.5), ('x'), (NULL), (4611686018427387904)"
    )

    assert _table(_source(tmp_path, table="t"))["a"].to_list() == ["1", "2.5", "x", None, str(2**62)]


def test_whole_and_other_numbers_in_a_column_stay_apart(tmp_path: Path) -> None:
    people = "INSERT INTO t VALUES (9007199254740993), (9007199254740992), (2.5), (NULL)"
    _database(tmp_path / "a.db", "CREATE TABLE t (a)", people)

    cells = _table(_source(tmp_path, table="t"))["a"]

    assert keys(cells).to_list() == ["9007199254740993", "9007199254740992", "2.5", ""]
    assert cells.cast(pl.Float64).to_list() == [2.0**53, 2.0**53, 2.5, None]


@pytest.mark.parametrize(
    "written",
    [
        ["90071992547409930001", "90071992547409930002"],
        ["5.50", "9007199254740993.25", "7.00"],
        ["1e5", "0.000", "-1.10"],
        ["1" * 38, "1e-1"],
        ["1" * 45, "0.1"],
    ],
)
def test_decimals_of_a_database_name_whom_they_say(written: list[str]) -> None:
    numbers = [Decimal(text) for text in written]

    cells = batch_of(["id"], [1700], [numbers], len(numbers), 0).table["id"]

    assert [Decimal(name) for name in keys(cells)] == numbers
    assert not any(name.endswith((".0", ".00", "50")) for name in keys(cells))


@pytest.mark.parametrize(
    ("statements", "options", "told"),
    [
        ((), {"table": "visits"}, "no such table"),
        ((), {"query": "SELECT one FROM there"}, "no such table"),
        (("CREATE TABLE t (a)",), {"query": "SELECT b FROM t"}, "no such column"),
        ((), {"query": "SELECT 1 AS a, 2 AS a"}, "more than one column"),
        ((), {"query": "SELECT FROM"}, "written wrongly"),
        ((), {"query": "WITH a AS (SELECT 1) DELETE FROM a"}, "no such table|would write"),
        (("CREATE TABLE t (a)",), {"query": "WITH a AS (SELECT 1) DELETE FROM t RETURNING *"}, "would write"),
        ((), {"query": "SELECT load_extension('/tmp/x.so')"}, "refused"),
        ((), {"query": "SELECT randomblob(100000000)"}, "larger than"),
        (
            (),
            {
                "query": "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x FROM c WHERE x > 1",
                "timeout": 0.2,
            },
            "longer than its timeout",
        ),
    ],
)
def test_what_does_not_work_is_told(
    tmp_path: Path, statements: tuple[str, ...], options: dict[str, Option], told: str
) -> None:
    _database(tmp_path / "a.db", "CREATE TABLE other (x)", *statements)

    with pytest.raises(FedwardError, match=told) as failure:
        _table(_source(tmp_path, **options))

    assert failure.value.hint


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"url": ""}, "needs a url"),
        ({}, "either a query or a table"),
        ({"query": "SELECT 1", "table": "t"}, "either a query or a table"),
        ({"query": "SELECT 1", "order": ("a",)}, "ORDER BY"),
        ({"table": "t", "timeout": 0.0}, "more than 0"),
        ({"table": "t", "tabel": "t"}, "no option 'tabel'"),
        ({"url": "sqlite:///b.db", "table": "t"}, "cannot read"),
        ({"url": f"postgresql://a:{SECRET}@db/x", "table": "t"}, "must not hold a password"),
        ({"url": f"postgresql://a@db/x?password={SECRET}", "table": "t"}, "must not hold a password"),
        ({"url": "postgresql://a@db/x?options=-c", "table": "t"}, "not allowed: 'options'"),
        ({"url": "postgresql://a@db/x?passfile=/etc/passwd", "table": "t"}, "not allowed: 'passfile'"),
        ({"url": "postgresql://a@db:port/x", "table": "t"}, "written wrongly"),
        ({"url": "postgresql://a@one,two/x", "table": "t"}, "one host"),
        ({"url": "just words", "table": "t"}, "must begin with its kind"),
        ({"url": "sqlite://", "table": "t"}, "sqlite:///"),
        ({"url": "sqlite:///a.db?mode=rwc", "table": "t"}, "sqlite:///"),
        ({"url": "nosuch://a@db/x", "table": "t"}, "no driver for 'nosuch'"),
        ({"url": "mssql://a@db/x", "table": "t"}, "no driver for 'mssql'"),
    ],
)
def test_terms_that_mean_nothing_are_told_and_no_password_is_shown(
    folder: Path, options: dict[str, Option], told: str
) -> None:
    with pytest.raises(UsageError, match=told) as failure:
        _table(_source(folder, **options))

    assert SECRET not in failure.value.diagnostics()


@pytest.mark.parametrize("content", [b"", b"no database" * 100, b"SQLite format 3\0" + bytes(84) + b"\xff" * 4000])
def test_a_file_that_is_no_database_is_told(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.db").write_bytes(content)

    with pytest.raises((UsageError, SourceDataError)):
        _table(_source(tmp_path, table="t"))


def test_a_database_with_a_wide_damage_is_told(tmp_path: Path) -> None:
    path = _database(
        tmp_path / "a.db",
        "CREATE TABLE t AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000) "
        "SELECT x, 'Zebra-4711' AS s FROM c",
    )
    content = bytearray(path.read_bytes())
    for page in range(2, len(content) // 4096):
        content[page * 4096 : page * 4096 + 12] = b"\xff" * 12
    path.write_bytes(content)

    with pytest.raises(FedwardError) as failure:
        _table(_source(tmp_path, table="t"))

    assert SECRET not in failure.value.diagnostics()


def test_a_file_is_not_changed_and_gets_no_neighbours(folder: Path) -> None:
    before = (folder / "a.db").read_bytes()

    _table(_source(folder, table="my visits"))

    assert (folder / "a.db").read_bytes() == before
    assert [path.name for path in folder.iterdir()] == ["a.db"]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        " select 1 ; ",
        "-- why\nSELECT 1",
        "/* why */ WITH a AS (SELECT 1) SELECT * FROM a",
        "(SELECT 1) UNION (SELECT 2)",
        "VALUES (1)",
    ],
)
def test_one_statement_that_reads_is_taken(query: str) -> None:
    assert one_select(query) == query.strip().removesuffix(";").rstrip()


@pytest.mark.parametrize(
    "query",
    [
        "",
        ";",
        "-- SELECT 1",
        "/* SELECT 1",
        "SELECT 1; SELECT 2",
        "SELECT ';'",
        "SELECT 1;;",
        "DELETE FROM t",
        "ATTACH 'x' AS y",
        "PRAGMA writable_schema = 1",
        "COPY t TO PROGRAM 'sh'",
        "COMMIT",
        "SELECT 1\0",
    ],
)
def test_anything_else_is_not(query: str) -> None:
    with pytest.raises(UsageError):
        one_select(query)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**63 - 1),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
        ),
        min_size=1,
    )
)
def test_every_value_that_a_file_can_hold_comes_back(values: list[int | str | None]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        with closing(sqlite3.connect(f"{name}/a.db")) as connection:
            connection.execute("CREATE TABLE t (v)")
            connection.executemany("INSERT INTO t VALUES (?)", [(value,) for value in values])
            connection.commit()
        found = _table(_source(Path(name), table="t"))["v"].to_list()

    texts = any(isinstance(value, str) for value in values)
    assert found == [None if value is None else str(value) if texts else value for value in values]


def test_certificates_are_found_from_the_mappings_folder(tmp_path: Path) -> None:
    url = "postgresql://reader@db.example/ward?sslmode=verify-full&sslrootcert=certificates/root.pem"
    source = _source(tmp_path, url=url, table="visits")

    assert isinstance(source, sql.SqlSource)
    assert source._engine.url.query["sslrootcert"] == str(tmp_path / "certificates" / "root.pem")
    assert source._engine.url.query["sslmode"] == "verify-full"
