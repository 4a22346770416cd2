"""Landlock by itself, in processes of its own: what is allowed works, everything else does not."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fedward_client.importer.program import landlock

pytestmark = pytest.mark.skipif(landlock.version() == 0, reason="this kernel has no Landlock (Linux 5.13 or later)")

_TRIAL = """
import ctypes, json, os, socket, subprocess, sys
from pathlib import Path
from fedward_client.importer.program import landlock
folder, kernel, port, other = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
landlock.version = lambda: kernel
ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)
used = landlock.restrict([folder / "read", folder / "one", folder / "absent"], [folder / "write"],
                         json.loads(sys.argv[5]))
def tried(act):
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"
def connect(port):
    with socket.socket() as probe:
        probe.connect(("127.0.0.1", port))
print(json.dumps({"used": used} | {name: tried(act) for name, act in {
    "read": lambda: (folder / "read" / "file").read_text(),
    "list": lambda: os.listdir(folder / "read"),
    "read one": lambda: (folder / "one").read_text(),
    "read another": lambda: (folder / "other").read_text(),
    "list around": lambda: os.listdir(folder),
    "write to the source": lambda: (folder / "read" / "file").write_text("x"),
    "cut the source": lambda: os.truncate(folder / "read" / "file", 0),
    "remove the source": lambda: (folder / "read" / "file").unlink(),
    "write": lambda: (folder / "write" / "new").write_text("x"),
    "folder": lambda: (folder / "write" / "deep").mkdir(),
    "move within": lambda: (folder / "write" / "new").rename(folder / "write" / "deep" / "new"),
    "move in": lambda: (folder / "read" / "file").rename(folder / "write" / "stolen"),
    "pipe": lambda: os.mkfifo(folder / "write" / "pipe"),
    "link": lambda: (folder / "write" / "link").symlink_to("/"),
    "program": lambda: subprocess.run(["/bin/true"], check=True),
    "port": lambda: connect(port),
    "other port": lambda: connect(other),
    "listen": lambda: socket.create_server(("127.0.0.1", 0)).close(),
}.items()}))
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("read", "write"):
        (tmp_path / name).mkdir()
    for name in ("read/file", "one", "other"):
        (tmp_path / name).write_text("content")
    return tmp_path


def _tried(folder: Path, kernel: int, listening: list[int], ports: list[int] | None) -> dict[str, object]:
    arguments = [str(folder), str(kernel), *map(str, listening), json.dumps(ports)]
    done = subprocess.run([sys.executable, "-P", "-c", _TRIAL, *arguments], capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.fixture
def ports() -> Iterator[list[int]]:
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    yield [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()


@pytest.mark.parametrize("kernel", range(1, landlock.version() + 1))
def test_every_version_holds_to_the_named_paths(folder: Path, ports: list[int], kernel: int) -> None:
    found = _tried(folder, kernel, ports, [ports[0]])

    assert found.pop("used") == kernel
    allowed = {"read", "list", "read one", "write", "folder", "port"}
    allowed |= {"move within"} if kernel >= 2 else set()  # the first version could not tell one folder from another
    allowed |= {"cut the source"} if kernel < 3 else set()
    allowed |= {"other port", "listen"} if kernel < 4 else set()
    assert {name for name, how in found.items() if how == "done"} == allowed
    assert (folder / "other").read_text() == "content"


def test_no_ports_are_no_connections_and_none_at_all_leaves_them(folder: Path, ports: list[int]) -> None:
    kernel = landlock.version()
    if kernel < 4:
        pytest.skip("this kernel's Landlock does not know TCP (Linux 6.7 or later)")

    assert _tried(folder, kernel, ports, [])["port"] == "PermissionError"
    assert _tried(folder, kernel, ports, None)["other port"] == "done"


def test_without_landlock_nothing_is_claimed(folder: Path, ports: list[int]) -> None:
    found = _tried(folder, 0, ports, [])

    assert found["used"] == 0
    assert found["read another"] == "done"
