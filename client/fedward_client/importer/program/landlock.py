"""Landlock: this process gives up every path and TCP port but the named ones, for good, and needs no privilege for it.

Linux 5.13 and later; what an older version of it cannot restrict is left out (see https://docs.kernel.org/
userspace-api/landlock.html, from which the numbers below are). Unix sockets with a path are not covered by it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["restrict", "version"]

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every architecture
_ASK_VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_REMOVE_DIR, _REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 4, 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE = 1 << 13, 1 << 14
_FIRST_RIGHTS = (1 << 13) - 1
_RIGHTS_SINCE = {2: _REFER, 3: _TRUNCATE, 5: 1 << 15}  # 5: ioctl on devices
_BIND, _CONNECT = 1, 2
_NET_SINCE, _SCOPES_SINCE = 4, 6
_SCOPES = 3  # abstract Unix sockets and signals stay within

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_OF_FILES = 1 | _WRITE_FILE | _READ_FILE | _TRUNCATE

_LIBC = ctypes.CDLL(None, use_errno=True)


def version() -> int:
    """The kernel's version of Landlock; 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(_LIBC.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint32(_ASK_VERSION))))


def restrict(reads: Iterable[Path], writes: Iterable[Path], ports: Iterable[int] | None = ()) -> int:
    """Leaves this thread, and all that it starts, `reads` to read and `writes` to write below; nothing is executed.

    TCP connections go to `ports` alone and nothing listens; None leaves the network as it is. Paths that do not exist
    are passed over. `PR_SET_NO_NEW_PRIVS` must be set before.

    Returns:
        The version that was used; 0 where there is none, and then nothing is restricted.

    Raises:
        OSError: the kernel has Landlock but refuses.
    """
    found = version()
    if not found:
        return 0
    rights = _FIRST_RIGHTS
    for since, more in _RIGHTS_SINCE.items():
        rights |= more if found >= since else 0
    net = _BIND | _CONNECT if found >= _NET_SINCE and ports is not None else 0
    with _ruleset(found, rights, net) as rules:
        for path in reads:
            _allow(rules, path, _READ & rights)
        for path in writes:
            _allow(rules, path, _WRITE & rights)
        for port in (ports or ()) if net else ():
            _call(_ADD, rules, _NET_PORT, struct.pack("=QQ", _CONNECT, port), 0)
        _call(_RESTRICT, rules, 0)
    return found


@contextmanager
def _ruleset(found: int, rights: int, net: int) -> Iterator[int]:
    words = [rights]
    if found >= _NET_SINCE:
        words.append(net)
    if found >= _SCOPES_SINCE:
        words.append(_SCOPES)
    attributes = struct.pack(f"={len(words)}Q", *words)
    handle = _call(_CREATE, attributes, len(attributes), 0)
    try:
        yield handle
    finally:
        os.close(handle)


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _OF_FILES
        _call(_ADD, rules, _PATH_BENEATH, struct.pack("=Qi", rights, handle), 0)
    except OSError as error:
        if error.errno != errno.EBADFD:  # not a place on a disk, such as a pipe
            raise
    finally:
        os.close(handle)


def _call(number: int, *arguments: int | bytes) -> int:
    words = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    result = int(_LIBC.syscall(ctypes.c_long(number), *words))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
