"""The URL of a database, read without a driver: the parent process needs to know what the worker may connect to.

``postgresql://user@host:5432/database`` or ``sqlite:///file.db``, as SQLAlchemy writes them. The password is never part
of it: it is in the environment variable FEDWARD_SOURCE_PASSWORD or in the file that `password_file` names.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from fedward_client.importer.mapping import SourceTerms
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited

__all__ = ["PASSWORD_VARIABLE", "Address", "address_of", "password_for", "password_variable"]

PASSWORD_VARIABLE = "FEDWARD_SOURCE_PASSWORD"  # noqa: S105 - the variable's name

_POSTGRES_PORT = 5432
_PORTS = {"postgresql": _POSTGRES_PORT, "mysql": 3306, "mariadb": 3306, "oracle": 1521, "mssql": 1433}
_SQLITE_BESIDE = ("-wal", "-shm", "-journal")
_MOST_PASSWORD_BYTES = 4096
_ALLOWED = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "target_session_attrs"}
)
_FILES = ("sslrootcert", "sslcert", "sslkey")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is.

    `dialect` is such as "postgresql"; `host` is empty and `file` set for SQLite; `socket` is the folder of a Unix
    socket; `certificates` are files that the driver reads, by their option's name. `shown` is for people: the URL
    without user and options.
    """

    dialect: str
    host: str = ""
    port: int | None = None
    socket: Path | None = None
    file: Path | None = None
    certificates: tuple[tuple[str, Path], ...] = ()
    shown: str = ""

    @property
    def reads(self) -> tuple[Path, ...]:
        """Files of this machine that the driver opens."""
        if self.file is None:
            return tuple(path for _, path in self.certificates)
        return (self.file, *(self.file.with_name(self.file.name + ending) for ending in _SQLITE_BESIDE))


def address_of(url: str, folder: Path) -> Address:
    """Reads a URL; a relative file of SQLite starts at `folder`.

    Raises:
        UsageError: it is no URL, holds a password, or has options that are not allowed. No message repeats it whole.
    """
    hint = "Such as postgresql://reader@db.hospital.example/warehouse or sqlite:///export.db"
    try:
        parts = urlsplit(url)
        port, asked = parts.port, parse_qs(parts.query, keep_blank_values=True)
    except ValueError as error:
        raise UsageError("the url of a database is written wrongly", hint=hint) from error
    dialect = parts.scheme.partition("+")[0]
    if not dialect:
        raise UsageError("the url of a database must begin with its kind", hint=hint)
    if parts.password is not None or "password" in asked:
        raise UsageError(
            "the url of a database must not hold a password: mapping.toml is to be read by others",
            hint=f"Put it into the environment variable {PASSWORD_VARIABLE}, or name its file as password_file.",
        )
    if dialect == "sqlite":
        return _file(parts.netloc, unquote(parts.path), asked, folder)
    unknown = sorted(set(asked) - _ALLOWED)
    if unknown:
        raise UsageError(
            f"the url of a database has an option that is not allowed: {unknown[0][:40]!r}",
            hint=f"Allowed: {', '.join(sorted(_ALLOWED))}.",
        )
    address = _server(dialect, (parts.hostname or "", port), asked, folder)
    return replace(address, shown=f"the database {unquote(parts.path).strip('/')} at {address.host}:{address.port}")


def password_for(terms: SourceTerms, folder: Path, environment: Mapping[str, str] = os.environ) -> str:
    """The password for a database: what the parent handed over, the file, or the variable; "" where there is none.

    Raises:
        UsageError: the file cannot be read.
    """
    handed = environment.get(password_variable(str(terms.options.get("url", ""))))
    if handed is not None:
        return handed
    named = terms.options.get("password_file")
    if not named:
        return environment.get(PASSWORD_VARIABLE, "")
    text = read_limited(folder / str(named), _MOST_PASSWORD_BYTES)
    try:
        return text.decode().strip("\r\n")
    except UnicodeDecodeError as error:
        raise UsageError("the file named by password_file is not UTF-8") from error


def password_variable(url: str) -> str:
    """The variable in which a worker finds the password for this URL: two sources may have two."""
    return f"{PASSWORD_VARIABLE}_{hashlib.sha256(url.encode()).hexdigest()[:16].upper()}"


def _file(netloc: str, path: str, asked: Mapping[str, list[str]], folder: Path) -> Address:
    if netloc or asked or len(path) < len("/x"):
        raise UsageError(
            "the url of a SQLite file is sqlite:/// and the file's name", hint="Such as sqlite:///export.db"
        )
    file = (folder / path[1:]).resolve()
    return Address("sqlite", file=file, shown=f"the SQLite file {file.name}")


def _server(dialect: str, place: tuple[str, int | None], asked: Mapping[str, list[str]], folder: Path) -> Address:
    hosts = [place[0], *asked.get("host", [])]
    host = next(filter(None, hosts), "localhost")
    named = next(iter(asked.get("port", [])), "")
    if "," in host or "," in named:
        raise UsageError("the url of a database must name one host and one port")
    if named and not named.isdigit():
        raise UsageError("the port in the url of a database is no number")
    number = place[1] or int(named or _PORTS.get(dialect, _POSTGRES_PORT))
    certificates = tuple((name, (folder / asked[name][0]).resolve()) for name in _FILES if asked.get(name))
    local = Path(host) if host.startswith("/") else None
    return Address(dialect, host, number, local, None, certificates)
