"""Invariant 5: losing every write that was not synced loses nothing that a reply, or training, relied on.

The first test asks the kernel: of all files under the vault's folder, none may be unsynced at the moment when training
begins, nor at the moment when the reply leaves. The second asks Python and SQLite in what order they sync.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fedward_client.vault.training.trainer import Order
from fedward_shared.contracts.round import Heads
from tests.support.vault_child import LEFT, TRAINING, store_study
from tests.support.vaults import Coordinator, Site, manifest

_CALLS = "trace=write,pwrite64,writev,pwritev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
_LINE = re.compile(r"(?:\[pid +\d+\] |\d+ +)?(\w+)\((.*)")
_HANDLE = re.compile(r"\d+<([^>]+)>")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def unsynced(trace: str, folder: Path) -> dict[str, set[str]]:
    """Which paths under `folder` had writes that no fsync followed, when each mark was written to standard output."""
    dirty: set[str] = set()
    marks: dict[str, set[str]] = {}
    for line in trace.splitlines():
        if not (found := _LINE.match(line)):
            continue
        call, rest = found.groups()
        for mark in (TRAINING, LEFT):
            if call == "write" and mark.decode().strip() in rest:
                marks[mark.decode().strip()] = set(dirty)
        handle = _HANDLE.match(rest)
        path = handle.group(1) if handle else ""
        if call in {"fsync", "fdatasync"}:
            dirty.discard(path)
        elif call.startswith("rename"):
            old, new = _QUOTED.findall(rest)[:2]
            dirty = {new if each == old else each for each in dirty} | {str(Path(new).parent)}
        elif path.startswith(str(folder)) and not path.endswith(("/lock", "-shm")):
            dirty.add(path)
    return marks


@pytest.mark.processes
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_nothing_is_unsynced_when_it_matters(tmp_path: Path) -> None:
    site = Site(tmp_path)
    Coordinator().admit(site)
    site.store.close()
    store_study(tmp_path, manifest())
    trace = tmp_path.parent / "trace"
    command = ["strace", "-f", "-y", "-s", "200", "-e", _CALLS, "-o", str(trace)]
    child = [sys.executable, "-m", "tests.support.vault_child", str(tmp_path), "nowhere"]
    done = subprocess.run([*command, *child], capture_output=True, check=False, timeout=120)
    if not trace.exists() or b"ptrace" in done.stderr:
        pytest.skip("strace may not look at processes here")
    assert LEFT in done.stdout
    text = trace.read_text()
    assert text.count("ledger.db-wal") > 2
    assert unsynced(text, tmp_path) == {TRAINING.decode().strip(): set(), LEFT.decode().strip(): set()}


def test_the_watcher_would_notice(tmp_path: Path) -> None:
    """The parser above, on a trace with one write that nobody synced."""
    name = f"{tmp_path}/ledger.db-wal"
    mark = TRAINING.decode().strip()
    synced = f'7 pwrite64(3<{name}>, "x", 1, 0) = 1\n7 fdatasync(3<{name}>) = 0\n'
    lost = f'7 pwrite64(3<{name}>, "y", 1, 1) = 1\n7 rename("{tmp_path}/.a", "{tmp_path}/anchor") = 0\n'
    written = f'7 write(1<pipe:[5]>, "{mark}\\n", 9) = 9\n'
    assert unsynced(synced + written, tmp_path) == {mark: set()}
    assert unsynced(synced + lost + written, tmp_path) == {mark: {name, str(tmp_path)}}


def test_the_order_of_what_becomes_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site, coordinator = Site(tmp_path), Coordinator()
    coordinator.admit(site)
    events: list[str] = []
    honest = os.fsync

    def fsync(handle: int) -> None:
        honest(handle)
        name = Path(f"/proc/self/fd/{handle}").readlink().name
        events.append(name.split(".")[1] if name.startswith(".") else name)  # mkstemp: .NAME.random

    def note(_: Order) -> None:
        events.append("TRAIN")

    monkeypatch.setattr(os, "fsync", fsync)
    site.trainer.before = note
    site.store._connection.set_trace_callback(lambda text: events.append(text) if text == "COMMIT" else None)
    site.reply(coordinator.train(seen=Heads()))
    digest = coordinator.train().digest.hex()
    replies, anchor = [digest, "replies"], ["anchor", tmp_path.name]
    assert events == ["COMMIT", "TRAIN", *replies, "COMMIT", *anchor]
    site.store.close()
