"""What the link costs: rounds through the real coordinator's end, gateways and doors, against two baselines.

    python -m benchmarks.link [--json] [--scale S]

Every site is real processes: a gateway with mutual TLS, and a vault that echoes, in a network namespace of its own
where the system allows it. The three arms take turns, round by round, in one run:

    link   each instruction is hashed and signed, sent, verified; the reply the same way back
    bare   one gRPC mutual-TLS stream from coordinator to site; raw messages, nothing hashed
    floor  mutual TLS to a relay, Unix socket to an echo: the same two hops as ours, nothing hashed

Figures are medians. `ledger` is what a vault's durable commits add to a round, measured on this disk by themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import grpc

from benchmarks.link_peers import KEY, PUBLIC_KEY, Baseline
from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.launcher import launcher
from fedward_server.link.courier import Outcome
from fedward_server.link.service import LinkService
from fedward_shared.contracts.round import Heads, InstructionHead, Task
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.signing import Purpose
from fedward_shared.errors import IsolationError, LinkError
from fedward_shared.version import PROTOCOL
from fedward_shared.wire import codec
from fedward_shared.wire.parcel import Parcel, seal

__all__ = ["main"]

_SITES = tuple(f"site-{number}" for number in range(1, 11))
_WARM_UP = 2
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Case:
    """Rounds of `sites` sites with `size` bytes each way."""

    name: str
    sites: int
    size: int
    rounds: int


_CASES = (
    Case("10 x 4 kB", 10, 4096, 150),
    Case("1 x 100 MB", 1, 100_000_000, 11),
    Case("10 x 4 MB", 10, 4_000_000, 21),
)


@dataclass(frozen=True, slots=True)
class Bench:
    """What is running: our link, the baselines, and our sites' gateways."""

    link: LinkService
    base: Baseline
    gateways: dict[str, subprocess.Popen[bytes]]
    isolated: bool


def instruction(site: str, number: int, payload: memoryview) -> Parcel:
    """A signed TRAIN instruction for round `number`."""
    head = InstructionHead(
        study=bytes(32),
        site=site,
        round=number,
        attempt=1,
        task=Task.TRAIN,
        payload_bytes=payload.nbytes,
        expires=2_000_000_000,
        seen=Heads(),
        durable_through=number - 1,
        protocol=PROTOCOL,
    )
    return seal(KEY, Purpose.INSTRUCTION, codec.encode_instruction(head), [payload])


def link_round(link: LinkService, sites: Sequence[str], number: int, payload: memoryview) -> list[Parcel]:
    """Sends one instruction to each site and waits for all verified replies."""
    replies: list[Parcel] = []
    done = threading.Semaphore(0)

    def deliver(outcome: Outcome) -> None:
        if isinstance(outcome, Parcel):
            outcome.verify(PUBLIC_KEY, Purpose.REPLY)
            replies.append(outcome)
        done.release()

    for site in sites:
        link.post(site, instruction(site, number, payload), reply_limit=payload.nbytes, deliver=deliver)
    for _ in sites:
        if not done.acquire(timeout=_PATIENCE):
            raise LinkError("a site did not answer")
    if len(replies) != len(sites):
        raise LinkError("a site was lost, or refused")
    return replies


def compare(bench: Bench, case: Case, scale: float) -> dict[str, object]:
    """Runs the three arms in turn and reports medians, in seconds."""
    sites = _SITES[: case.sites]
    payload = memoryview(os.urandom(case.size))
    counter = iter(range(1, 1 << 30))
    arms: dict[str, Callable[[], object]] = {
        "link": lambda: link_round(bench.link, sites, next(counter), payload),
        "bare": lambda: bench.base.round([f"bare-{site}" for site in sites], case.size),
        "floor": lambda: bench.base.round([f"floor-{site}" for site in sites], case.size),
    }
    if any(reply.payload != payload for reply in link_round(bench.link, sites, next(counter), payload)):
        raise LinkError("a site's echo is not what it was sent")
    times: dict[str, list[float]] = {arm: [] for arm in arms}
    rounds = max(3, round(case.rounds * scale))
    order = [*arms, *arms]
    for index in range(_WARM_UP + rounds):
        for arm in order[index % 3 : index % 3 + 3]:
            began = time.perf_counter()
            arms[arm]()
            if index >= _WARM_UP:
                times[arm].append(time.perf_counter() - began)
    ours, bare, floor = (statistics.median(times[arm]) for arm in ("link", "bare", "floor"))
    return {
        "case": case.name,
        "seconds": round(ours, 5),
        "bare": round(bare, 5),
        "floor": round(floor, 5),
        "ratio_floor": round(ours / floor, 2),
        "ratio_bare": round(ours / bare, 2),
        "rounds": rounds,
        "isolated": bench.isolated,
    }


def memory(bench: Bench) -> dict[str, object]:
    """The coordinator's peak memory while ten sites send 100 MB each and all ten replies are held."""
    payload = memoryview(os.urandom(100_000_000))
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets the peak
    before = _status("VmRSS")
    began = time.perf_counter()
    replies = link_round(bench.link, _SITES, 1, payload)
    return {
        "case": "memory: 10 x 100 MB",
        "seconds": round(time.perf_counter() - began, 3),
        "replies_held": len(replies),
        "before_bytes": before,
        "peak_bytes": _status("VmHWM"),
        "anonymous_bytes": _status("RssAnon"),
    }


def faults(bench: Bench, revoked: set[str]) -> Iterator[dict[str, object]]:
    """How long until a frozen gateway is noticed, and until a revoked site's stream has ended."""
    yield _until_gone(bench, _SITES[0], "frozen gateway noticed", lambda: _freeze(bench.gateways[_SITES[0]]))

    def revoke() -> None:
        revoked.add(_SITES[1])
        bench.link.cut_off(_SITES[1])

    yield _until_gone(bench, _SITES[1], "revoked site cut off", revoke)


def _freeze(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)


def _until_gone(bench: Bench, site: str, name: str, strike: Callable[[], None]) -> dict[str, object]:
    began = time.perf_counter()
    strike()
    _wait(lambda: site not in bench.link.attached())
    return {"case": name, "seconds": round(time.perf_counter() - began, 4)}


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def _wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
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
        for site in _SITES:
            home = _join(folder / site, site, link.port, authority)
            start("benchmarks.link_peers", "vault", str(home.root), before=prefix)
            gateways[site] = start("fedward_client.gateway", "--home", str(home.root))
            target, echo = f"localhost:{base.port}", str(home.door.with_name("echo.sock"))
            start("benchmarks.link_peers", "bare", target, str(home.gateway_dir), f"bare-{site}")
            start("benchmarks.link_peers", "echo", echo)
            _wait(Path(echo).exists)
            start("benchmarks.link_peers", "relay", target, str(home.gateway_dir), f"floor-{site}", echo)
        _wait(lambda: len(link.attached()) == len(_SITES) and len(base.attached) == 2 * len(_SITES))
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


def measure(scale: float) -> Iterator[dict[str, object]]:
    """All lines of the report, each when it is known."""
    revoked: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="fw-") as name, running(Path(name), revoked) as bench:
        for case in _CASES:
            yield compare(bench, case, scale)
        yield memory(bench)
        yield from faults(bench, revoked)


def main() -> None:
    """Prints JSON lines, or a table for people."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link", description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON line for each case")
    parser.add_argument("--scale", type=float, default=1.0, help="fewer (0.2) or more (3) rounds")
    chosen = parser.parse_args()
    for line in measure(chosen.scale):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
