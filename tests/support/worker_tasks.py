"""Tasks for the importer's worker that a hostile file might have made of it: each says what it could do."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from fedward_shared.errors import SourceDataError, StudyFileError

Progress = Callable[[int, int], None]

__all__ = [
    "attempts",
    "bomb",
    "burrow",
    "crash",
    "fail",
    "flood",
    "greet",
    "hang",
    "huge",
    "leave",
    "plant",
    "shout",
    "talk",
    "write_slowly",
]


def greet(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Does what a task should."""
    (staging / "greeting").write_text(order["text"])
    progress(1, 2)
    return {"read": [Path(path).read_text() for path in order.get("read", [])], "scratch": os.environ["TMPDIR"]}


def attempts(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Tries everything; for each attempt, the kind of error, or "done"."""
    tries: dict[str, Callable[[], object]] = {}
    for path in order["read"]:
        tries[f"read {path}"] = Path(path).read_bytes
    for path in order["list"]:
        tries[f"list {path}"] = partial(_list, path)
    for path in order["write"]:
        tries[f"write {path}"] = partial(Path(path).write_bytes, b"x")
    for path in order["connect"]:
        tries[f"connect {path}"] = partial(_connect, socket.AF_UNIX, path)
    for name, family, place in (
        ("IPv4", socket.AF_INET, ("127.0.0.1", order["port"])),
        ("IPv6", socket.AF_INET6, ("::1", order["port"])),
        ("abroad", socket.AF_INET, ("192.0.2.1", 443)),
    ):
        tries[f"connect {name}"] = partial(_connect, family, place)
    tries["listen"] = lambda: socket.create_server(("127.0.0.1", 0))
    tries["run a program"] = lambda: subprocess.run(["true"], check=True)
    tries["fork"] = _fork
    tries["signal the parent"] = lambda: os.kill(os.getppid(), 0)
    tries["read the parent's memory"] = lambda: os.open(f"/proc/{os.getppid()}/mem", os.O_RDONLY)
    tries["read the parent's environment"] = lambda: Path(f"/proc/{os.getppid()}/environ").read_bytes()
    tries["unmount"] = lambda: _umount(order["list"][0])
    tries["new namespace"] = _unshare
    tries["link"] = lambda: (staging / "link").symlink_to("/etc/passwd")
    tries["hard link"] = lambda: os.link(order["read"][0], staging / "hard")
    tries["io_uring"] = lambda: _system_call(425, 1, 0)
    tries["core file"] = _raise_core
    return {name: _outcome(act) for name, act in tries.items()}


def hang(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Begins to write, and then never ends, deaf to what can be ignored."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (staging / "half").write_text("half")
    progress(1, 2)
    while True:
        time.sleep(60)


def bomb(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Takes more and more memory, in pages that are used."""
    held = []
    while True:
        piece = mmap.mmap(-1, 32 << 20)
        piece.write(b"x" * len(piece))
        held.append(piece)


def huge(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Asks for more memory at once than any machine has."""
    return {"length": len(bytearray(1 << 46))}


def flood(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Fills the disk with many files, each of which is small."""
    number = 0
    while True:
        number += 1
        (staging / f"{number}").write_bytes(bytes(1 << 20))


def burrow(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Hides what it writes: too deep to be named, in a closed folder, or in more files than anybody counts."""
    place = staging / "burrow"
    place.mkdir()
    os.chdir(place)
    match order["data_set"]:
        case "deep":
            for _ in range(2200):
                os.mkdir("d")  # noqa: PTH102 - relative to where it is
                os.chdir("d")
        case "closed":
            place.chmod(0)
        case _:
            for number in range(110_000):
                os.close(os.open(f"{number}", os.O_CREAT | os.O_WRONLY))
    return hang(order, staging, progress)


def write_slowly(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """One file larger than what may be written."""
    with (staging / "large").open("wb") as file:
        for _ in range(order["megabytes"]):
            file.write(bytes(1 << 20))
    return {}


def fail(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Raises one of our own errors."""
    if order.get("study"):
        raise StudyFileError("two mistakes", problems=("one", "two"), hint="Mend them.")
    raise SourceDataError("row 3: \x1b[31mred", hint="Look there.")


def crash(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Ends in one of the ways that a library ends in."""
    match order["how"]:
        case "exception":
            raise ValueError("Jane Roe")
        case "signal":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "endless line":
            return {"much": "x" * (64 << 20)}
    raise KeyError("Jane Roe")


def shout(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Prints a patient's name in every way that a library has."""
    print("Jane Roe")  # noqa: T201 - that is the point
    warnings.warn("Jane Roe", stacklevel=1)
    sys.stderr.write("Jane Roe")
    os.write(1, b"Jane Roe")
    os.write(2, b"Jane Roe")
    raise ValueError("Jane Roe")


def talk(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Writes by itself to whatever is open."""
    for handle in range(3, 64):
        try:
            os.write(handle, order["text"].encode())
        except OSError:
            continue
    return {}


def plant(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """Leaves something else than an import's files, of the kind that the data set's name says; claims all is well."""
    name = staging / "table-00000.parquet"
    (staging / "quarantine.csv").write_text("row,column,reason\n")
    source = order["mapping"]["source"]["path"]
    files = [name.name]
    match order["data_set"].removeprefix("plant-"):
        case "link":
            name.symlink_to(source)
        case "hard-link":
            (staging / "other").write_text("x")
            name.hardlink_to(staging / "other")
        case "folder":
            name.mkdir()
        case "pipe":
            os.mkfifo(name)
        case "foreign-name":
            files = ["../../../vault/vault.key"]
        case "twice":
            name.write_text("x")
            files *= 2
        case "nothing":
            files = []
    return {
        "files": files,
        "source_name": "x",
        "numbers": [1, 0, 0, 0, 0],
        "reasons": [],
        "counts": {},
        "lost_events": [],
    }


def leave(order: dict[str, Any], staging: Path, progress: Progress) -> dict[str, Any]:
    """What it knows of its surroundings."""
    return {
        "environment": dict(os.environ),
        "first environment": Path("/proc/self/environ").read_text(),
        "arguments": Path("/proc/self/cmdline").read_text(),
        "status": dict(row.split(":\t", 1) for row in Path("/proc/self/status").read_text().splitlines()),
        "limits": {
            name: resource.getrlimit(getattr(resource, f"RLIMIT_{name}")) for name in ("CORE", "FSIZE", "NOFILE")
        },
        "handles": [str(Path(f"/proc/self/fd/{each}").readlink()) for each in _open_handles()],
    }


def _connect(family: int, place: object) -> None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        probe.connect(place)  # type: ignore[arg-type]  # one test for every family


def _open_handles() -> list[int]:
    return [each for each in range(64) if os.path.lexists(f"/proc/self/fd/{each}")]


def _list(path: str) -> None:
    """A folder that is covered is empty, and tells nothing."""
    if not list(Path(path).iterdir()):
        raise FileNotFoundError


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _umount(path: str) -> None:
    _checked(ctypes.CDLL(None, use_errno=True).umount2(path.encode(), 2))


def _unshare() -> None:
    _checked(ctypes.CDLL(None, use_errno=True).unshare(0x10000000))


def _system_call(*words: int) -> None:
    _checked(ctypes.CDLL(None, use_errno=True).syscall(*words))


def _checked(result: int) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _raise_core() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))


def _outcome(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return type(error).__name__
    except ValueError:
        return "ValueError"
    return "done"
