"""A filter of system calls (seccomp): no new process or program, no socket, nobody else's memory, mounts or signals.

It needs no privilege and works in most containers, where namespaces do not. It is a list of what is refused, behind
Landlock's list of what is allowed; the reader may compare it with Docker's default profile, which refuses less.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from dataclasses import dataclass

__all__ = ["filter_calls"]

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_CLONE_THREAD = 0x10000
_X32 = 0x40000000

# The same on both architectures: io_uring (goes around this filter), pidfd_send_signal, pidfd_getfd, the mount family.
_COMMON = (424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 442)
_CLONE3 = 435


@dataclass(frozen=True, slots=True)
class _Numbers:
    """One architecture's numbers of calls; `refused` in the order of the comment at the table."""

    audit: int
    socket: int
    clone: int
    tgkill: int
    refused: tuple[int, ...]


# refused: fork, vfork; execve, execveat; ptrace, process_vm_readv, process_vm_writev, kcmp; mount, umount2, pivot_root,
# chroot, unshare, setns; kexec_load, kexec_file_load, init_module, finit_module, delete_module; bpf, userfaultfd,
# perf_event_open; add_key, request_key, keyctl; open_by_handle_at; kill, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo
_MACHINES = {
    "x86_64": _Numbers(
        0xC000003E,
        41,
        56,
        234,
        (
            *(
                57,
                58,
                59,
                322,
                101,
                310,
                311,
                312,
                165,
                166,
                155,
                161,
                272,
                308,
                246,
                320,
                175,
                313,
                176,
                321,
                323,
                298,
            ),
            *(248, 249, 250, 304, 62, 200, 129, 297),
        ),
    ),
    "aarch64": _Numbers(
        0xC00000B7,
        198,
        220,
        131,
        (
            *(221, 281, 117, 270, 271, 272, 40, 39, 41, 51, 97, 268, 104, 294, 105, 273, 106, 280, 282, 241),
            *(217, 218, 219, 265, 129, 130, 138, 240),
        ),
    ),
}


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_calls(families: tuple[int, ...] = ()) -> bool:
    """Refuses the calls above from here on, and sockets but of these families. `PR_SET_NO_NEW_PRIVS` must be set.

    Returns:
        Whether this system can do so (Linux on x86-64 or 64-bit ARM, with seccomp).
    """
    numbers = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or numbers is None or sys.byteorder != "little":
        return False
    code = _assemble(numbers, families)
    program = _Program(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) == 0)


def _assemble(numbers: _Numbers, families: tuple[int, ...]) -> bytes:
    refuse = _step(_RETURN, _REFUSE | _EPERM)
    number = _step(_LOAD, _NUMBER)
    first = _step(_LOAD, _FIRST_ARGUMENT)
    parts = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, numbers.audit, 1, 0),
        _step(_RETURN, _KILL),
        number,
        _step(_AT_LEAST, _X32, 0, 1),
        refuse,
        _step(_EQUAL, _CLONE3, 0, 1),
        _step(_RETURN, _REFUSE | _ENOSYS),  # libc then calls clone
    ]
    for call in (*numbers.refused, *_COMMON):
        parts += [_step(_EQUAL, call, 0, 1), refuse]
    parts += _checked(numbers.clone, [first, _step(_ANY_BIT, _CLONE_THREAD, 1, 0), refuse])
    parts += _checked(numbers.tgkill, [first, _step(_EQUAL, os.getpid(), 1, 0), refuse])
    parts += _checked(
        numbers.socket,
        [first, *(_step(_EQUAL, family, left + 1, 0) for left, family in _countdown(families)), refuse],
    )
    return b"".join([*parts, _step(_RETURN, _ALLOW)])


def _checked(call: int, steps: list[bytes]) -> list[bytes]:
    """Steps for one call; they load something else than its number, which is loaded again after them."""
    steps = [*steps, _step(_LOAD, _NUMBER)]
    return [_step(_EQUAL, call, 0, len(steps)), *steps]


def _countdown(families: tuple[int, ...]) -> list[tuple[int, int]]:
    """Each family with how many come after it."""
    return [(len(families) - at - 1, family) for at, family in enumerate(families)]


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """`struct sock_filter`: the jumps count the steps to pass over."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
