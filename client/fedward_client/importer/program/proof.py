"""The worker tries what it must not be able to do, before it opens anything that somebody else wrote."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from fedward_client.importer.program.confinement import Confinement, Forbidden

__all__ = ["reachable_network", "reached"]

_REFUSED = frozenset(
    {
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EPERM,
        errno.EACCES,
    }
)
_HIDDEN = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.ELOOP})
_NOBODYS = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # RFC 5737, RFC 3849
_PORT = 443
_SECONDS = 0.2


def reached(forbidden: Forbidden) -> tuple[str, ...]:
    """Every forbidden file that can be opened, and every socket that can be, or could be once somebody listens."""
    files = (str(path) for path in forbidden.files if _opens(path))
    return (*files, *(str(path) for path in forbidden.sockets if _connects(path)))


def reachable_network(terms: Confinement) -> tuple[str, ...]:
    """Ways to a network, of a worker whose source is no database; nothing is sent."""
    return () if terms.networked else tuple(_ways())


def _opens(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in _HIDDEN
    return True


def _connects(path: Path) -> bool:
    """Also true for a socket that is not there yet, in a folder that this process could find it in."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_SECONDS)
            probe.connect(str(path))
    except OSError as error:
        if error.errno != errno.ENOENT:
            return error.errno not in _HIDDEN
        folder = path.parent
        return folder.is_dir() and not os.path.ismount(folder) and os.access(folder, os.X_OK)
    return True


def _ways() -> Iterator[str]:
    for family, address in _NOBODYS.items():
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            if _travels(family, kind, address):
                yield f"{'IPv4' if family == socket.AF_INET else 'IPv6'} ({kind.name.removeprefix('SOCK_').lower()})"


def _travels(family: socket.AddressFamily, kind: socket.SocketKind, address: str) -> bool:
    """False where the kernel says that there is no way; a time-out or a refusal means that packets travel."""
    try:
        with socket.socket(family, kind) as probe:
            probe.settimeout(_SECONDS)
            probe.connect((address, _PORT))
    except OSError as error:
        return error.errno not in _REFUSED
    return True
