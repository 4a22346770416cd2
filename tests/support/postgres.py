"""A real PostgreSQL server for tests, from the system's packages; never as root, which it refuses."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import psycopg
import pytest

from tests.support.processes import wait_for

__all__ = ["HOW_TO_INSTALL", "PostgresServer", "binaries", "postgres_server"]

HOW_TO_INSTALL = "no PostgreSQL server is installed here: make postgres (Debian: apt-get install postgresql)"

_READER = "reader"
_OWNER = "owner"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server. `reader` may only SELECT, and logs in with `password`."""

    port: int
    folder: Path
    password: str

    @property
    def url(self) -> str:
        """As a mapping names it: without the password."""
        return f"postgresql://{_READER}@127.0.0.1:{self.port}/postgres"

    @property
    def local_url(self) -> str:
        """The same through the server's Unix socket."""
        return f"postgresql://{_READER}@/postgres?host={self.folder}&port={self.port}"

    def connect(self) -> psycopg.Connection:
        """As the owner of the data."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=_OWNER, password=self.password, dbname="postgres", autocommit=True
        )


def binaries() -> Path | None:
    """Where the server's programs are: the newest of Debian's, or those in PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    program = which("initdb")
    return Path(program).resolve().parent if program else None


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server of its own with nothing in it, on a port that the system chose; all of it is gone afterwards."""
    programs = binaries()
    if programs is None:
        pytest.skip(HOW_TO_INSTALL)
    folder = Path(tempfile.mkdtemp(prefix="fedward-pg-", dir="/tmp"))
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
    password = secrets.token_urlsafe(16)
    try:
        (folder / "password").write_text(password)
        if user:
            for path in (folder, folder / "password"):
                os.chown(path, 65534, 65534)
        folder.chmod(0o755)  # the socket is in it; PostgreSQL closes its data to others by itself
        yield from _served(folder, [*user], programs, password)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _served(folder: Path, user: list[str], programs: Path, password: str) -> Iterator[PostgresServer]:
    data, log = folder / "data", folder / "log"
    initdb = [*user, str(programs / "initdb"), "-D", str(data), "-U", _OWNER, "--auth=scram-sha-256", "--no-sync"]
    subprocess.run(
        [*initdb, "--pwfile", str(folder / "password"), "-E", "UTF8", "--locale=C"], check=True, capture_output=True
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
    words = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    with log.open("wb") as said:
        process = subprocess.Popen(
            [*user, str(programs / "postgres"), "-D", str(data), *words], stdout=said, stderr=said, cwd="/"
        )
    server = PostgresServer(port, folder, password)
    try:
        wait_for(lambda: _answers(server, process), "PostgreSQL", patience=60, explain=log.read_text)
        with server.connect() as owner:
            owner.execute(f"CREATE ROLE {_READER} LOGIN PASSWORD '{re.sub(r'[^A-Za-z0-9_-]', '', password)}'")
            owner.execute(f"ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO {_READER}")
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(30)


def _answers(server: PostgresServer, process: subprocess.Popen[bytes]) -> bool:
    assert process.poll() is None, "PostgreSQL has ended"
    try:
        server.connect().close()
    except psycopg.OperationalError:
        return False
    return True
