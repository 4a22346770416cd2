"""What a worker may do follows from the order; what it leaves is looked at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fedward_client.home import SiteHome
from fedward_client.importer.inbox import QUARANTINE
from fedward_client.importer.mapping import Mapping, Option, SourceTerms
from fedward_client.importer.order import ImportOrder, Limits
from fedward_client.importer.program.in_worker import check_left, confinement_of, forbidden_of, passwords_of
from fedward_client.importer.sources.addresses import PASSWORD_VARIABLE, password_for
from fedward_shared.errors import ImporterError


def _order(folder: Path, mapping: Mapping) -> ImportOrder:
    return ImportOrder(b"", mapping, folder, "heart")


def _sql(**options: Option) -> SourceTerms:
    return SourceTerms("sql", None, options)


def test_files_are_read_where_they_really_are(tmp_path: Path) -> None:
    (tmp_path / "real.csv").touch()
    (tmp_path / "link.csv").symlink_to("real.csv")
    mapping = Mapping(SourceTerms("csv", Path("link.csv")), SourceTerms("csv", tmp_path / "events.csv"), Path("images"))

    terms = confinement_of(_order(tmp_path, mapping), tmp_path / "staging")

    assert terms.reads == (tmp_path / "real.csv", tmp_path / "events.csv", tmp_path / "images")
    assert not terms.networked


def test_the_mappings_folder_is_read_only_where_columns_name_files(tmp_path: Path) -> None:
    order = _order(tmp_path, Mapping(SourceTerms("csv", Path("a.csv"))))

    assert confinement_of(order, tmp_path).reads == (tmp_path / "a.csv",)
    assert confinement_of(order, tmp_path, files=True).reads == (tmp_path / "a.csv", tmp_path)


@pytest.mark.parametrize(
    ("url", "ports", "sockets"),
    [
        ("postgresql://reader@db.example/warehouse", (5432,), ()),
        ("postgresql://reader@db.example:6000/warehouse", (6000,), ()),
        ("postgresql://reader@db.example/warehouse?port=6001", (6001,), ()),
        ("postgresql://reader@/warehouse?host=/run/postgresql", (), (Path("/run/postgresql"),)),
        ("mysql://reader@db.example/warehouse", (3306,), ()),
    ],
)
def test_a_database_opens_one_port_or_one_folder_of_sockets(
    tmp_path: Path, url: str, ports: tuple[int, ...], sockets: tuple[Path, ...]
) -> None:
    terms = confinement_of(_order(tmp_path, Mapping(_sql(url=url))), tmp_path)

    assert (terms.ports, terms.sockets, terms.reads) == (ports, sockets, ())
    assert terms.networked


def test_a_sqlite_file_is_a_file(tmp_path: Path) -> None:
    terms = confinement_of(_order(tmp_path, Mapping(_sql(url="sqlite:///a.db"))), tmp_path)

    assert {path.name for path in terms.reads} == {"a.db", "a.db-wal", "a.db-shm", "a.db-journal"}
    assert not terms.networked


def test_a_databases_certificates_are_read(tmp_path: Path) -> None:
    url = "postgresql://reader@db.example/ward?sslrootcert=root.pem&sslkey=/keys/key.pem"
    terms = confinement_of(_order(tmp_path, Mapping(_sql(url=url))), tmp_path)

    assert terms.reads == (tmp_path / "root.pem", Path("/keys/key.pem"))


def test_each_database_has_its_own_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSWORD_VARIABLE, "first")
    (tmp_path / "secret").write_text("second\n")
    one, other = _sql(url="postgresql://db/one"), _sql(url="postgresql://db/two", password_file="secret")

    handed = passwords_of(_order(tmp_path, Mapping(one, other)))

    assert [password_for(terms, Path("/nowhere"), handed) for terms in (one, other)] == ["first", "second"]
    assert PASSWORD_VARIABLE not in handed


def test_everything_private_of_a_site_is_forbidden(tmp_path: Path) -> None:
    home = SiteHome(tmp_path)
    forbidden = forbidden_of(home)

    assert {home.vault_key_file, home.ledger_db, home.anchor, home.gateway_key} <= set(forbidden.files)
    assert set(forbidden.sockets) == {home.admin_sock, home.door}
    assert {path.parent for path in (*forbidden.files, *forbidden.sockets)} <= set(forbidden.folders)
    assert home.reports in forbidden.folders
    assert home.inbox not in forbidden.folders


@pytest.fixture
def left(tmp_path: Path) -> Path:
    for name in ("table-00000.parquet", QUARANTINE):
        (tmp_path / name).write_bytes(bytes(100))
    return tmp_path


def test_plain_files_are_taken(left: Path) -> None:
    check_left(left, ("table-00000.parquet",), Limits(output_bytes=200))


@pytest.mark.parametrize("limit", [199, 0])
def test_more_than_may_be_written_is_not_taken(left: Path, limit: int) -> None:
    with pytest.raises(ImporterError, match="more than it may"):
        check_left(left, ("table-00000.parquet",), Limits(output_bytes=limit))


@pytest.mark.parametrize("name", ["table-00000.parquet", QUARANTINE])
@pytest.mark.parametrize("kind", ["link", "hard link", "folder", "pipe", "missing", "foreign"])
def test_anything_else_is_not_taken(left: Path, name: str, kind: str) -> None:
    path = left / name
    match kind:
        case "hard link":
            (left / "other").hardlink_to(path)
        case "foreign":
            if os.geteuid() != 0:
                pytest.skip("only root can give files away")
            os.chown(path, 65534, 65534)
        case "link":
            path.unlink()
            path.symlink_to("/etc/passwd")
        case "folder":
            path.unlink()
            path.mkdir()
        case "pipe":
            path.unlink()
            os.mkfifo(path)
        case _:
            path.unlink()

    with pytest.raises(ImporterError):
        check_left(left, ("table-00000.parquet",), Limits())


def test_no_data_are_no_import(left: Path) -> None:
    with pytest.raises(ImporterError, match="no data"):
        check_left(left, (), Limits())
