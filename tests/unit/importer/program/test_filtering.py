"""The filter of system calls by itself, in processes of its own."""

from __future__ import annotations

import json
import platform
import socket
import struct
import subprocess
import sys

import pytest

from fedward_client.importer.program import filtering

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"},
    reason="the filter is for Linux on x86-64 and 64-bit ARM",
)

_TRIAL = """
import ctypes, json, os, signal, socket, subprocess, sys, threading
from fedward_client.importer.program.filtering import filter_calls
libc = ctypes.CDLL(None, use_errno=True)
libc.prctl(38, 1, 0, 0, 0)
held = filter_calls(tuple(json.loads(sys.argv[1])))
def tried(act):
    try:
        act()
    except OSError as error:
        return error.errno
    return "done"
def call(*words):
    if libc.syscall(*map(ctypes.c_long, words)) < 0:
        raise OSError(ctypes.get_errno(), "")
def fork():
    if os.fork() == 0:
        os._exit(0)
def thread():
    ran = []
    one = threading.Thread(target=ran.append, args=(1,)); one.start(); one.join()
    if not ran:
        raise OSError(0, "")
print(json.dumps({"held": held} | {name: tried(act) for name, act in {
    "IPv4": lambda: socket.socket(socket.AF_INET).close(),
    "IPv6": lambda: socket.socket(socket.AF_INET6).close(),
    "UDP": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close(),
    "Unix": lambda: socket.socket(socket.AF_UNIX).close(),
    "packet": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "vsock": lambda: socket.socket(socket.AF_VSOCK).close(),
    "fork": fork,
    "program": lambda: subprocess.run(["true"]),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "kill": lambda: os.kill(os.getppid(), 0),
    "kill oneself": lambda: os.kill(os.getpid(), 0),
    "tgkill another": lambda: call(TGKILL, os.getppid(), os.getppid(), 0),
    "tgkill oneself": lambda: call(TGKILL, os.getpid(), os.getpid(), 0),
    "io_uring": lambda: call(425, 1, 0),
    "new namespace": lambda: call(UNSHARE, 0x10000000),
    "clone3": lambda: call(435, 0, 0),
    "thread": thread,
    "pipe": lambda: [os.close(end) for end in os.pipe()],
    "read": lambda: open("/proc/self/stat").read(),
}.items()}))
"""
_X86 = platform.machine() == "x86_64"


def _tried(*families: int) -> dict[str, object]:
    code = _TRIAL.replace("TGKILL", "234" if _X86 else "131").replace("UNSHARE", "272" if _X86 else "97")
    line = [sys.executable, "-P", "-c", code, json.dumps(families)]
    done = subprocess.run(line, capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("families", "allowed"),
    [
        ((), set()),
        ((socket.AF_INET, socket.AF_INET6), {"IPv4", "IPv6", "UDP"}),
        ((socket.AF_UNIX,), {"Unix"}),
        ((socket.AF_INET, socket.AF_INET6, socket.AF_UNIX), {"IPv4", "IPv6", "UDP", "Unix"}),
    ],
)
def test_only_the_named_families_and_nothing_that_starts_something(
    families: tuple[int, ...], allowed: set[str]
) -> None:
    found = _tried(*families)

    assert found.pop("held") is True
    assert found.pop("clone3") == 38  # "not implemented": libc goes back to clone
    done = {name for name, how in found.items() if how == "done"}
    assert done == {"tgkill oneself", "thread", "pipe", "read"} | allowed
    assert {how for name, how in found.items() if name not in done} == {1}  # "not permitted", from the filter


def test_another_machine_claims_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    assert filtering.filter_calls() is False


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
@pytest.mark.parametrize("families", [(), (2,), (1, 2, 10, 16)])
def test_every_jump_lands_within_the_program(machine: str, families: tuple[int, ...]) -> None:
    code = filtering._assemble(filtering._MACHINES[machine], families)
    steps = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]

    assert len(code) % 8 == 0
    assert len(steps) < 4096  # BPF_MAXINSNS
    for at, (kind, if_true, if_false, _) in enumerate(steps):
        if kind & 7 == 5:  # a jump
            assert at + 1 + max(if_true, if_false) < len(steps)
    assert steps[-1] == (6, 0, 0, filtering._ALLOW)
