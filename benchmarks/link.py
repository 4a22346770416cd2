"""What the link costs: rounds through the real coordinator's end, gateways and doors, against two baselines.

    python -m benchmarks.link [--json] [--scale S]

Every site is real processes: a gateway with mutual TLS, and a vault that echoes, in a network namespace of its own
where the system allows it. The three arms take turns, round by round, in one run:

    link   each instruction is framed, relayed, hashed and verified; the reply the same way back
    bare   one gRPC mutual-TLS stream from coordinator to site; raw messages, nothing hashed
    floor  mutual TLS to a relay, Unix socket to an echo: the same two hops as ours, nothing hashed

Figures are medians. The clock runs from posting sealed instructions to holding verified replies. What comes before a
message is sent has lines of its own: `sealing` is hashing and signing it, once at each end, and `ledger` is what a
vault's durable commits add to a round on this disk.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.link_commits import seconds_per_round
from benchmarks.link_peers import KEY, PUBLIC_KEY
from benchmarks.link_stage import PATIENCE, SITES, Bench, running, wait_until
from fedward_server.link.courier import Outcome
from fedward_server.link.service import LinkService
from fedward_shared.allocator import keep_freed_memory
from fedward_shared.contracts.round import Heads, InstructionHead, Task
from fedward_shared.crypto.signing import Purpose
from fedward_shared.errors import LinkError
from fedward_shared.version import PROTOCOL
from fedward_shared.wire import codec
from fedward_shared.wire.parcel import Parcel, seal

__all__ = ["main"]

_WARM_UP = 2
_SUMMARY = "What the link costs, against a bare stream and a floor."
_AIMS = {"10 x 4 kB": "<= 2 x floor", "1 x 100 MB": "<= 1.4 x floor", "10 x 4 MB": "<= 3 x bare"}

Line = dict[str, str | int | float | bool]


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


def instruction(site: str, payload: memoryview) -> Parcel:
    """A signed TRAIN instruction."""
    head = InstructionHead(
        study=bytes(32),
        site=site,
        round=1,
        attempt=1,
        task=Task.TRAIN,
        payload_bytes=payload.nbytes,
        expires=2_000_000_000,
        seen=Heads(),
        durable_through=0,
        protocol=PROTOCOL,
    )
    return seal(KEY, Purpose.INSTRUCTION, codec.encode_instruction(head), [payload])


def link_round(link: LinkService, instructions: Mapping[str, Parcel]) -> list[Parcel]:
    """Posts each site's instruction and waits for all verified replies."""
    replies: list[Parcel] = []
    done = threading.Semaphore(0)

    def deliver(outcome: Outcome) -> None:
        if isinstance(outcome, Parcel):
            outcome.verify(PUBLIC_KEY, Purpose.REPLY)
            replies.append(outcome)
        done.release()

    for site, parcel in instructions.items():
        link.post(site, parcel, reply_limit=parcel.payload_bytes, deliver=deliver)
    for _ in instructions:
        if not done.acquire(timeout=PATIENCE):
            raise LinkError("a site did not answer")
    if len(replies) != len(instructions):
        raise LinkError("a site was lost, or refused")
    return replies


def compare(bench: Bench, case: Case, scale: float) -> Line:
    """Runs the three arms in turn and reports medians, in seconds."""
    sites = SITES[: case.sites]
    payload = memoryview(os.urandom(case.size))
    instructions = {site: instruction(site, payload) for site in sites}
    arms: dict[str, Callable[[], object]] = {
        "link": lambda: link_round(bench.link, instructions),
        "bare": lambda: bench.base.round([f"bare-{site}" for site in sites], case.size),
        "floor": lambda: bench.base.round([f"floor-{site}" for site in sites], case.size),
    }
    if any(reply.payload != payload for reply in link_round(bench.link, instructions)):
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


def memory(bench: Bench) -> Line:
    """The coordinator's peak memory while ten sites send 100 MB each and all ten replies are held."""
    payload = memoryview(os.urandom(100_000_000))
    instructions = {site: instruction(site, payload) for site in SITES}
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): resets the peak
    before = _status("VmRSS")
    began = time.perf_counter()
    replies = link_round(bench.link, instructions)
    return {
        "case": "memory: 10 x 100 MB",
        "seconds": round(time.perf_counter() - began, 3),
        "replies_held": len(replies),
        "before_bytes": before,
        "peak_bytes": _status("VmHWM"),
        "anonymous_bytes": _status("RssAnon"),
    }


def faults(bench: Bench, revoked: set[str]) -> Iterator[Line]:
    """How long until a frozen gateway is noticed, and until a revoked site's stream has ended."""
    yield _until_gone(bench, SITES[0], "frozen gateway noticed", lambda: _freeze(bench.gateways[SITES[0]]))

    def revoke() -> None:
        revoked.add(SITES[1])
        bench.link.cut_off(SITES[1])

    yield _until_gone(bench, SITES[1], "revoked site cut off", revoke)


def _freeze(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGSTOP)


def _until_gone(bench: Bench, site: str, name: str, strike: Callable[[], None]) -> Line:
    began = time.perf_counter()
    strike()
    wait_until(lambda: site not in bench.link.attached())
    return {"case": name, "seconds": round(time.perf_counter() - began, 4)}


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return 0


def preparations(scale: float) -> Iterator[Line]:
    """What must be done before a message may be sent, by itself."""
    payload = memoryview(os.urandom(100_000_000))
    began = time.perf_counter()
    instruction(SITES[0], payload)
    yield {"case": "sealing 100 MB", "seconds": round(time.perf_counter() - began, 4)}
    for name, size, rounds in (("ledger", 4096, 40), ("ledger, 100 MB", 100_000_000, 5)):
        yield {"case": name, "seconds": round(seconds_per_round(size, max(3, round(rounds * scale))), 5)}


def measure(scale: float) -> Iterator[Line]:
    """All lines of the report, each when it is known."""
    revoked: set[str] = set()
    with tempfile.TemporaryDirectory(prefix="fw-") as name, running(Path(name), revoked) as bench:
        for case in _CASES:
            yield compare(bench, case, scale)
        yield memory(bench)
        yield from faults(bench, revoked)
    yield from preparations(scale)


def show(lines: Iterator[Line]) -> None:
    """A table for people, and the other figures below it."""
    console = Console()
    table = Table("round", "link", "bare", "floor", "link / floor", "link / bare", "aim", title="One round, medians")
    others = []
    with console.status("starting 50 processes, then measuring ..."):
        for line in lines:
            name = str(line["case"])
            console.log(f"measured: {name}")
            if name in _AIMS:
                times = [f"{1000 * float(line[arm]):.1f} ms" for arm in ("seconds", "bare", "floor")]
                table.add_row(name, *times, str(line["ratio_floor"]), str(line["ratio_bare"]), _AIMS[name])
            else:
                others.append(line)
    console.print(table)
    for line in others:
        console.print(f"{line['case']}: " + ", ".join(f"{key} {value}" for key, value in line.items() if key != "case"))


def main() -> None:
    """Prints JSON lines, or a table for people."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link", description=_SUMMARY)
    parser.add_argument("--json", action="store_true", help="one JSON line for each case")
    parser.add_argument("--scale", type=float, default=1.0, help="fewer (0.2) or more (3) rounds")
    chosen = parser.parse_args()
    keep_freed_memory()
    if not chosen.json:
        show(measure(chosen.scale))
        return
    for line in measure(chosen.scale):
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
