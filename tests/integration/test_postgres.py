"""An import from a real PostgreSQL server: streamed, of one state, read-only, and nothing where it was cut off."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from fedward_client.home import SiteHome
from fedward_client.importer.mapping import Answer, Mapping, Option, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.program.in_worker import Outcome, forbidden_of, import_confined
from fedward_client.importer.report import ImportReport
from fedward_client.importer.sources.addresses import PASSWORD_VARIABLE
from fedward_client.importer.sources.registry import open_source
from fedward_client.importer.sources.source import Source
from fedward_shared.errors import FedwardError, ImporterError, SourceDataError, UsageError
from tests.support.postgres import HOW_TO_INSTALL, PostgresServer, binaries, postgres_server
from tests.support.processes import children_of
from tests.support.samples import TWO_SITES

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(binaries() is None, reason=HOW_TO_INSTALL),
]

MILLION = 1_000_000
SECRET = "Zebra-4711"
A_MILLION = (
    "SELECT 'p' || g AS patient_id, 'train' AS split, 20 + g % 60 AS age, 1 + g % 4 AS chest_pain, "
    "g % 2 AS disease FROM generate_series(1, 1000000) g"
)
VISITS = "SELECT id::text AS patient_id, 'train' AS split, age, 1 AS chest_pain, id % 2 AS disease FROM visits"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        with server.connect() as owner:
            owner.execute("CREATE TABLE visits AS SELECT g AS id, 20 + g % 60 AS age FROM generate_series(1, 1000) g")
            owner.execute("CREATE SEQUENCE numbers")
            owner.execute("GRANT ALL ON SEQUENCE numbers TO reader")
            owner.execute(
                "CREATE FUNCTION sneak() RETURNS int LANGUAGE sql SECURITY DEFINER "
                "AS 'INSERT INTO visits VALUES (0, 0) RETURNING 1'"
            )
        yield server


@pytest.fixture
def home(tmp_path: Path, server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> SiteHome:
    monkeypatch.setenv(PASSWORD_VARIABLE, server.password)
    site = SiteHome(tmp_path / "north")
    site.make_folders()
    site.vault_key_file.write_text(SECRET)
    return site


def _order(tmp_path: Path, **options: Option) -> ImportOrder:
    mapping = Mapping(source=SourceTerms("sql", None, options))
    return ImportOrder(TWO_SITES.encode(), mapping, tmp_path, "warehouse", Limits(seconds=150))


def _visits(server: PostgresServer) -> int:
    with server.connect() as owner:
        found = owner.execute("SELECT count(*) FROM visits").fetchone()
    assert found is not None
    return int(found[0])


def _busy(server: PostgresServer) -> int:
    """How many sessions of the reader the server has."""
    with server.connect() as owner:
        found = owner.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'reader'").fetchone()
    assert found is not None
    return int(found[0])


def _left(home: SiteHome) -> set[str]:
    return {str(path.relative_to(home.inbox)) for path in home.inbox.rglob("*")} - {".importing", ".importing/lock"}


def _imported(report: ImportReport) -> pl.DataFrame:
    assert report.folder is not None
    return pl.concat(pl.read_parquet(path) for path in sorted(report.folder.glob("table-*.parquet")))


def test_a_million_rows_killed_in_the_middle_leave_nothing_and_then_arrive(
    tmp_path: Path, home: SiteHome, server: PostgresServer
) -> None:
    order = _order(tmp_path, url=server.url, query=A_MILLION)
    before = set(children_of(os.getpid()))
    seen: list[int] = []
    used: list[Outcome] = []

    def kill(done: int, _of: int) -> None:
        seen.append(done)
        if done >= MILLION // 10:
            for child in set(children_of(os.getpid())) - before:
                os.kill(child, signal.SIGKILL)

    with pytest.raises(ImporterError, match="SIGKILL"):
        import_confined(order, home.inbox, forbidden=forbidden_of(home), progress=kill)
    assert MILLION // 10 <= max(seen) < MILLION
    assert _left(home) == set()

    report = import_confined(order, home.inbox, forbidden=forbidden_of(home), told=used.append)

    assert (report.accepted, report.rejected) == (MILLION, 0)
    table = _imported(report)
    assert table.height == MILLION
    assert table["patient_id"].n_unique() == MILLION
    assert table["age"].sum() == sum(20 + row % 60 for row in range(1, MILLION + 1))
    assert table["disease"].sum() == MILLION // 2
    assert used[0].memory < 500_000_000


def test_all_rows_are_of_one_state_although_others_are_inserted_meanwhile(
    tmp_path: Path, home: SiteHome, server: PostgresServer
) -> None:
    """A volatile function looks anew at every row: only a transaction of one snapshot gives it the same answer."""
    query = (
        "SELECT 'p' || g AS patient_id, 'train' AS split, 20 + how_many() AS age, 1 AS chest_pain, "
        "g % 2 AS disease FROM generate_series(1, 150000) g"
    )
    with server.connect() as writer:
        writer.execute("CREATE TABLE stays AS SELECT 1 AS id")
        writer.execute(
            "CREATE FUNCTION how_many() RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER "
            "AS 'BEGIN RETURN (SELECT count(*) FROM stays); END'"
        )

        def insert(_done: int, _of: int) -> None:
            writer.execute("INSERT INTO stays VALUES (2)")

        report = import_confined(
            _order(tmp_path, url=server.url, query=query),
            home.inbox,
            forbidden=forbidden_of(home),
            progress=insert,
        )
        found = writer.execute("SELECT how_many()").fetchone()

    assert found is not None
    assert found[0] > 2
    assert _imported(report)["age"].unique().to_list() == [21.0]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT nextval('numbers') AS patient_id", "would write"),
        ("SELECT sneak() AS patient_id", "would write"),
        ("SELECT * FROM visits FOR UPDATE", "would write|may not read"),
        ("WITH more AS (INSERT INTO visits VALUES (1, 2) RETURNING *) SELECT * FROM more", "cannot|may not read"),
        ("SELECT * INTO copied FROM visits", "written wrongly|cannot|would write|does not fit"),
        ("SELECT 1 AS a; DELETE FROM visits", "one statement"),
        ("DELETE FROM visits", "must begin with SELECT"),
        ("SELECT set_config('transaction_read_only', 'off', false), nextval('numbers')", "refused|would write|cannot"),
    ],
)
def test_what_would_write_is_refused(
    tmp_path: Path, home: SiteHome, server: PostgresServer, query: str, told: str
) -> None:
    before = _visits(server)

    with pytest.raises((UsageError, SourceDataError), match=told):
        import_confined(_order(tmp_path, url=server.url, query=query), home.inbox, forbidden=forbidden_of(home))

    assert _visits(server) == before
    assert _left(home) == set()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("SELECT ('Zebra-4711' || g)::int AS patient_id FROM generate_series(1, 3) g", "cannot be computed"),
        ("SELECT 1 / (g - 2) AS patient_id, 'Zebra-4711' AS secret FROM generate_series(1, 3) g", "cannot be computed"),
        ('SELECT "Zebra-4711" FROM visits', "no such column"),
        ('SELECT * FROM "Zebra-4711"', "no such table"),
        ("SELECT Zebra-4711", "written wrongly|no such column"),
        ("SELECT pg_sleep(60)", "longer than its timeout"),
        ("SELECT 'infinity'::timestamp AS patient_id", "outside the years"),
        ("SELECT pg_read_file('/etc/passwd')", "may not read"),
    ],
)
def test_what_the_database_says_is_not_repeated(server: PostgresServer, query: str, told: str) -> None:
    terms = SourceTerms("sql", None, {"url": server.url, "query": query, "timeout": 1.0})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(PASSWORD_VARIABLE, server.password)
        with pytest.raises(FedwardError, match=told) as failure:
            _read(open_source(terms, Path("/")))

    assert SECRET not in failure.value.diagnostics()
    assert server.password not in failure.value.diagnostics()
    assert failure.value.__cause__ is None
    assert failure.value.hint


def _read(source: Source) -> int:
    return sum(batch.table.height for batch in source.batches(source.columns()))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://stranger@127.0.0.1:{port}/postgres", "let this user in"),
        ("postgresql://reader@127.0.0.1:{port}/nowhere", "no such database"),
        ("postgresql://reader@127.0.0.1:1/postgres", "nothing listens there"),
        ("postgresql://reader@nowhere.invalid/postgres", "its name is not known"),
    ],
)
def test_why_it_cannot_connect_is_told_without_the_password(
    tmp_path: Path, home: SiteHome, server: PostgresServer, url: str, told: str
) -> None:
    order = _order(tmp_path, url=url.format(port=server.port), query=VISITS)

    with pytest.raises(FedwardError, match=told) as failure:
        import_confined(order, home.inbox, forbidden=forbidden_of(home))

    assert server.password not in failure.value.diagnostics()


@pytest.mark.parametrize("password", [SECRET, ""])
def test_a_wrong_password_is_told_and_not_shown(
    tmp_path: Path, home: SiteHome, server: PostgresServer, monkeypatch: pytest.MonkeyPatch, password: str
) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, password)

    with pytest.raises(UsageError, match="let this user in") as failure:
        import_confined(_order(tmp_path, url=server.url, query=VISITS), home.inbox, forbidden=forbidden_of(home))

    assert SECRET not in failure.value.diagnostics()
    assert PASSWORD_VARIABLE in failure.value.hint


def test_a_password_file_and_the_unix_socket_do_too(
    tmp_path: Path, home: SiteHome, server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE)
    (tmp_path / "secret").write_text(f"{server.password}\n")
    order = _order(tmp_path, url=server.local_url, query=f"{VISITS} LIMIT 10", password_file="secret")

    assert import_confined(order, home.inbox, forbidden=forbidden_of(home)).accepted == 10


def test_a_table_is_read_by_its_columns_in_its_order(tmp_path: Path, home: SiteHome, server: PostgresServer) -> None:
    with server.connect() as owner:
        owner.execute(
            'CREATE TABLE IF NOT EXISTS "the Clinic" (id int, "AGE" numeric, pain text, dead bool, note bytea)'
        )
        owner.execute(
            "INSERT INTO \"the Clinic\" SELECT g, 20 + g, '1', g > 3, '\\xff' FROM generate_series(5, 1, -1) g"
        )
    order = _order(tmp_path, url=server.url, table="public.the Clinic", order=("id",))
    columns = {
        "patient_id": Answer(source="id"),
        "age": Answer(source="AGE"),
        "chest_pain": Answer(source="pain"),
        "disease": Answer(source="dead", values={"false": "0", "true": "1"}),
    }
    manifest = order.manifest.replace(b'split = "split"\n', b"")

    report = import_confined(
        replace(order, manifest=manifest, mapping=replace(order.mapping, columns=columns)),
        home.inbox,
        forbidden=forbidden_of(home),
    )

    table = _imported(report)
    assert table["patient_id"].to_list() == ["1", "2", "3", "4", "5"]
    assert table["age"].to_list() == [21.0, 22.0, 23.0, 24.0, 25.0]
    assert table["disease"].to_list() == [0, 0, 0, 1, 1]


def test_columns_have_the_types_of_the_database(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, server.password)
    query = (
        "SELECT 1::int2 AS i2, 2::int8 AS i8, 1.5::float4 AS f4, 2.5::numeric AS n, true AS b, ' x '::text AS t, "
        "date '2020-01-02' AS d, timestamp '2020-01-02 03:04:05' AS at, timestamptz '2020-01-02 03:04:05+02' AS z, "
        "null::int AS ni, null::date AS nd, null::timestamptz AS nz, null::text AS nt, 'a%b:c' AS percent"
    )
    source = open_source(SourceTerms("sql", None, {"url": server.url, "query": query}), Path("/"))
    [batch] = list(source.batches(source.columns()))

    assert dict(batch.table.schema) == {
        "fedward_row": pl.UInt64(), "i2": pl.Int64(), "i8": pl.Int64(), "f4": pl.Float64(), "n": pl.Decimal(38, 1),
        "b": pl.Boolean(), "t": pl.String(), "d": pl.Date(), "at": pl.Datetime("us"), "z": pl.Datetime("us", "UTC"),
        "ni": pl.Int64(), "nd": pl.Date(), "nz": pl.Datetime("us", "UTC"), "nt": pl.String(), "percent": pl.String(),
    }  # fmt: skip
    row = batch.table.row(0, named=True)
    assert (row["t"], row["percent"], row["z"].hour) == (" x ", "a%b:c", 1)


def test_nobody_is_left_connected(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, server.password)
    terms = SourceTerms("sql", None, {"url": server.url, "query": "SELECT g FROM generate_series(1, 1000000) g"})
    source = open_source(terms, Path("/"))
    batches = source.batches(source.columns())
    next(batches)
    assert _busy(server) == 1
    batches.close()  # type: ignore[attr-defined]  # it is a generator

    assert _busy(server) == 0
