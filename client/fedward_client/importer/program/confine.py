"""Confines this process before it opens anything, layer by layer; each holds where another is missing.

1. limits of the kernel on memory, processor time, file size, open files; no core file (it would hold records);
2. no new privileges and no capabilities, so that even root is held to the modes of files;
3. Landlock: paths and TCP ports;
4. a filter of system calls: no sockets, programs, processes.

The launcher added namespaces of mounts and network before; `proof` tries what all of it is worth.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import socket
import struct
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from fedward_client.importer.program import filtering, landlock
from fedward_client.importer.program.confinement import Confinement

__all__ = ["confine"]

_PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 38, 24, 47
_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION = 0x20080522
_READ_SEARCH = 2  # CAP_DAC_READ_SEARCH: root may be given files of others to import
_LAST_CAPABILITY = 63
_OPEN_FILES = 1024
_AF_NETLINK = 16  # Linux's; libc asks it for this machine's addresses when it looks up a name
_SPARE_ADDRESSES = 64 << 30  # threads and allocators reserve much that they never use

_SYSTEM = (
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/etc/timezone",
    "/dev/null",
    "/dev/zero",
    "/dev/random",
    "/dev/urandom",
    "/proc/self",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/devices/system/node",
    "/sys/fs/cgroup",
    "/sys/kernel/mm/transparent_hugepage",
)
_OF_DATABASES = (
    "/etc/ssl",
    "/etc/pki",
    "/etc/ca-certificates",
    "/usr/share/ca-certificates",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/passwd",
    "/etc/services",
)


def confine(terms: Confinement) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Confines this process, which must have one thread, for the rest of its life.

    Returns:
        What was put in place, and what this system does not have, for people.
    """
    holds, lacks = [], []
    _limit(terms)
    holds.append("limits on memory, time and size of files")
    if sys.platform == "linux":
        _give_up_privileges()
    used = landlock.restrict(_readable(terms), (terms.staging,), None if terms.sockets else terms.ports)
    if used:
        holds.append(f"Landlock {used}: only the source can be read, only the staging folder written")
    else:
        lacks.append("Landlock (Linux 5.13 or later, with landlock among the kernel's security modules)")
    if filtering.filter_calls(_families(terms)):
        holds.append("a filter of system calls: no other program, process or kind of socket")
    else:
        lacks.append("a filter of system calls (Linux on x86-64 or 64-bit ARM)")
    return tuple(holds), tuple(lacks)


def _limit(terms: Confinement) -> None:
    """The parent ends the worker at its limits; these hold where the parent would come too late."""
    limits = terms.limits
    addresses = max(4 * limits.memory_bytes, limits.memory_bytes + _SPARE_ADDRESSES)
    cpu = int(limits.seconds * (os.cpu_count() or 1)) + 1
    wanted = {
        resource.RLIMIT_AS: addresses,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: limits.output_bytes,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, limit in wanted.items():
        _, most = resource.getrlimit(kind)
        value = limit if most == resource.RLIM_INFINITY else min(limit, most)
        with contextlib.suppress(ValueError, OSError):  # macOS has no limit on addresses
            resource.setrlimit(kind, (value, value))


def _give_up_privileges() -> None:
    """No set-user-id program can raise this process again, and nothing of root's is left but reading."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0)
    for capability in range(_LAST_CAPABILITY + 1):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    kept = 1 << _READ_SEARCH if os.geteuid() == 0 else 0
    head = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    libc.capset(head, ctypes.create_string_buffer(struct.pack("=6I", kept, kept, 0, 0, 0, 0)))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")


def _readable(terms: Confinement) -> Iterator[Path]:
    yield from terms.reads
    yield from map(Path, _SYSTEM)
    if terms.networked:
        yield from map(Path, _OF_DATABASES)
        yield from terms.sockets
    python = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *sys.path}
    yield from (Path(place) for place in python if place not in {"", "/"} and Path(place).is_absolute())


def _families(terms: Confinement) -> tuple[int, ...]:
    """The kinds of sockets that a source needs: none for files."""
    internet = (socket.AF_INET, socket.AF_INET6, _AF_NETLINK) if terms.ports else ()
    return (*internet, socket.AF_UNIX) if terms.sockets else internet
