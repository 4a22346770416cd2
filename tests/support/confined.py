"""A site to protect, and the importer's worker on systems that lack this or that protection."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fedward_client import leash
from fedward_client.home import SiteHome
from fedward_client.importer.program import running

__all__ = ["SECRET", "TASKS", "Besieged", "besieged", "without"]

SECRET = "Zebra-4711"
TASKS = "tests.support.worker_tasks"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Besieged:
    """A site whose keys and sockets exist, a source, a staging folder, and a listening TCP port of this machine."""

    home: SiteHome
    source: Path
    staging: Path
    port: int


@contextmanager
def besieged(folder: Path) -> Iterator[Besieged]:
    """Makes all of it below `folder`; the vault's sockets and the port are listened on."""
    home = SiteHome(folder / "site")
    home.make_folders()
    for path in (home.vault_key_file, home.ledger_db, home.anchor, home.gateway_key, home.reports / "exact.json"):
        path.write_text(SECRET)
        path.chmod(0o600)
    source, staging = folder / "source", folder / "staging"
    source.mkdir()
    staging.mkdir()
    (source / "cohort.csv").write_text("hello")
    (source / "leads-out").symlink_to(home.vault_key_file)
    with ExitStack() as stack:
        for path in (home.admin_sock, home.door):
            if not path.is_relative_to(home.root):  # the path is too long for a socket
                stack.callback(shutil.rmtree, path.parent, ignore_errors=True)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX))
            listener.bind(str(path))
            listener.listen()
        port = stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
        yield Besieged(home, source, staging, port)


def without(monkeypatch: pytest.MonkeyPatch, missing: Sequence[str]) -> None:
    """From here on workers find the tests' tasks, and start on a system without these protections."""
    monkeypatch.setenv("PYTHONPATH", str(_ROOT))
    if "namespaces" in missing:
        monkeypatch.setattr(running, "prefix", lambda _cover, **_: ())
    if {"landlock", "filter"} & set(missing):
        monkeypatch.setattr(running, "_WORKER", "tests.support.crippled_worker")
        command = leash.command
        monkeypatch.setattr(leash, "command", lambda module: command(module, *missing))
