"""Starts the processes of `benchmarks.link`, and ends every one of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from benchmarks.link_peers import Baseline
from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.launcher import launcher
from fedward_server.link.service import LinkService
from fedward_shared.crypto import certificates, keys
from fedward_shared.errors import IsolationError, LinkError

__all__ = ["PATIENCE", "SITES", "Bench", "running", "wait_until"]

SITES = tuple(f"site-{number}" for number in range(1, 11))
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Bench:
    """What is running: our link, the baselines, and our sites' gateways."""

    link: LinkService
    base: Baseline
    gateways: dict[str, subprocess.Popen[bytes]]
    isolated: bool


def wait_until(condition: Callable[[], bool]) -> None:
    """Waits for what other processes do."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise LinkError("the benchmark's processes did not start, or did not end, in time")
        time.sleep(0.002)


@contextmanager
def running(folder: Path, revoked: set[str]) -> Iterator[Bench]:
    """Starts everything, and ends every process that it started."""
    now = datetime.now(UTC)
    authority = certificates.make_ca("benchmark", now)
    key = keys.new_tls_key()
    pems = keys.to_pem(key), certificates.issue_server(authority, key.public_key(), ["localhost"], now)
    spool = folder / "spool"
    spool.mkdir()
    try:
        prefix = launcher().prefix
    except IsolationError:
        prefix = ()
    children: list[subprocess.Popen[bytes]] = []

    def start(*line: str, before: Sequence[str] = ()) -> subprocess.Popen[bytes]:
        quiet = dict(os.environ, GRPC_VERBOSITY="NONE")
        child = subprocess.Popen([*before, sys.executable, "-m", *line], env=quiet, stderr=subprocess.DEVNULL)
        children.append(child)
        return child

    link = LinkService(
        "localhost:0", *pems, authority.certificate, admit=lambda site, _: site not in revoked, spool=spool
    )
    base = Baseline(grpc.ssl_server_credentials([pems], authority.certificate, require_client_auth=True))
    gateways = {}
    try:
        for site in SITES:
            home = _join(folder / site, site, link.port, authority)
            start("benchmarks.link_peers", "vault", str(home.root), before=prefix)
            gateways[site] = start("fedward_client.gateway", "--home", str(home.root))
            target, echo = f"localhost:{base.port}", str(home.door.with_name("echo.sock"))
            start("benchmarks.link_peers", "bare", target, str(home.gateway_dir), f"bare-{site}")
            start("benchmarks.link_peers", "echo", echo)
            wait_until(Path(echo).exists)
            start("benchmarks.link_peers", "relay", target, str(home.gateway_dir), f"floor-{site}", echo)
        wait_until(lambda: len(link.attached()) == len(SITES) and len(base.attached) == 2 * len(SITES))
        yield Bench(link, base, gateways, isolated=bool(prefix))
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()
        link.close()
        base.close()


def _join(root: Path, site: str, port: int, authority: certificates.Authority) -> SiteHome:
    home = SiteHome(root)
    home.make_folders()
    key = keys.new_tls_key()
    request = certificates.csr(key, site)
    home.gateway_key.write_bytes(keys.to_pem(key))
    home.gateway_certificate.write_bytes(certificates.issue_site(authority, request, site, datetime.now(UTC)))
    home.ca_certificate.write_bytes(authority.certificate)
    home.save(SiteIdentity(site, "benchmark", "localhost", port, port, "", "", int(time.time())))
    return home
