"""The vault proves that it has no network, by trying, before it opens data (design invariant 11).

What is refused, and why:

1. a route: connecting a UDP socket sends nothing and fails where no route exists. Only where IPv4 or IPv6 has no
   route for UDP is TCP tried, towards documentation addresses (RFC 5737, RFC 3849), which belong to nobody;
2. an interface that is up and is not loopback (the kernel's down fall-back tunnels are no way out);
3. somebody else's IP sockets in this namespace: a neighbour in the same container could pass data on;
4. an inherited socket, a namespace handle or a tunnel device: it keeps the network that it was opened in;
5. an abstract Unix socket of somebody else: such names belong to the network namespace, so theirs is ours;
6. a socket through which this user could have the host start a program, or a container, that has a network;
7. a name look-up that is answered. It is tried last and only where all else was refused, because where it works it
   sends a query; on some systems a local resolver answers over a Unix socket, in spite of an empty namespace.

What is only reported: standard output joined to a Unix socket (the service manager's log), AF_VSOCK (reaches the
machine that runs this virtual machine, not a network), being root of the host (could go back to the host's network).
A firewall is not isolation: a route with a firewall behind it is refused.
"""

from __future__ import annotations

import errno
import fcntl
import glob
import os
import socket
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fedward_shared.errors import IsolationError

__all__ = ["HOST_SOCKETS", "NAME_SOCKETS", "UNSAFE_SWITCH", "Proof", "examine", "prove_isolation"]

UNSAFE_SWITCH = "--unsafe-networked-vault"

HOST_SOCKETS = (
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/libvirt/libvirt-sock",
    "/var/lib/lxd/unix.socket",
    "/var/snap/lxd/common/lxd/unix.socket",
    "/run/systemd/private",
    "/run/dbus/system_bus_socket",
    "/run/user/*/docker.sock",
    "/run/user/*/podman/podman.sock",
    "/run/user/*/systemd/private",
    "/run/user/*/bus",
)
"""Sockets (patterns) of programs that start other programs on request. The launcher covers them; see `launcher`."""

NAME_SOCKETS = (
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/nscd/socket",
    "/var/run/nscd/socket",
    "/run/avahi-daemon/socket",
)
"""Sockets (patterns) of resolvers that answer from outside an empty namespace. The launcher covers them too."""

_SYSTEM_BUS = "/run/dbus/system_bus_socket"
_UNREACHABLE = frozenset(
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
_NOBODYS = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
_NAMES = {socket.AF_INET: "IPv4", socket.AF_INET6: "IPv6"}
_KNOWN_NAME = "example.org"  # reserved by RFC 2606, and answered by every resolver that works
_PORT = 443
_PROBE_SECONDS = 0.2
_LOOKUP_SECONDS = 5.0
_SIOCGIFFLAGS = 0x8913
_IFF_UP = 0x1
_IFF_LOOPBACK = 0x8
_STANDARD_STREAMS = 3


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found: each way out (refused), and what is worth knowing (reported)."""

    ways_out: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def isolated(self) -> bool:
        """Whether no way out was found."""
        return not self.ways_out


def prove_isolation(unsafe: bool = False) -> Proof:
    """Examines this process; call it before any data, key or socket is opened.

    Args:
        unsafe: go on although there is a network; the ways out are then in the returned proof, to be shown.

    Raises:
        IsolationError: a way out was found, and `unsafe` is false.
    """
    proof = examine()
    if proof.isolated or unsafe:
        return proof
    found = "\n".join(f"  - {way}" for way in proof.ways_out)
    raise IsolationError(
        f"the vault has a way to a network, so it does not open any data:\n{found}",
        hint=(
            "Start it with `fedward-site run`, which gives it an empty network namespace, or in a container with "
            f"`--network none`; `fedward-site doctor` tells what works here. To go on without this protection, "
            f"and only with data that are not real: {UNSAFE_SWITCH}"
        ),
    )


def examine() -> Proof:
    """Looks for every way out of this process; sends nothing where a route exists (see the list above)."""
    ways = [
        *_inherited(),
        *_routes(),
        *_interfaces(),
        *_neighbours(),
        *_abstract_names(),
        *_host_sockets(),
    ]
    if not ways:
        ways = list(_name_lookup())
    return Proof(tuple(ways), tuple(_remarks()))


def _routes() -> Iterator[str]:
    for family, address in _NOBODYS.items():
        if _connects(family, socket.SOCK_DGRAM, address):
            yield f"there is an {_NAMES[family]} route to other machines"
        elif _connects(family, socket.SOCK_STREAM, address):
            yield f"an {_NAMES[family]} connection to another machine is attempted rather than refused"


def _connects(family: socket.AddressFamily, kind: socket.SocketKind, address: str) -> bool:
    """False where the kernel says that there is no way; a time-out or a refusal means that packets travel."""
    try:
        with socket.socket(family, kind) as probe:
            probe.settimeout(_PROBE_SECONDS)
            probe.connect((address, _PORT))
    except OSError as error:
        return error.errno not in _UNREACHABLE
    return True


def _interfaces() -> Iterator[str]:
    try:
        lines = Path("/proc/net/dev").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        yield "this system does not list its network interfaces (/proc/net/dev), so isolation cannot be proved here"
        return
    for line in lines:
        name = line.split(":", 1)[0].strip()
        flags = _flags(name)
        if flags & _IFF_UP and not flags & _IFF_LOOPBACK:
            yield f"the network interface {name} is up"


def _flags(name: str) -> int:
    """An interface's flags; all set where they cannot be read."""
    request = struct.pack("16sH22x", name.encode(), 0)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as any_socket:
            answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, request)
    except OSError:
        return _IFF_UP
    return int(struct.unpack("16sH22x", answer)[1])


def _neighbours() -> Iterator[str]:
    for protocol in ("tcp", "tcp6", "udp", "udp6", "udplite", "udplite6", "raw", "raw6", "packet", "sctp/eps"):
        try:
            lines = Path("/proc/net", protocol).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        if lines:
            yield f"{len(lines)} {protocol} socket(s) of other processes share this network namespace"


def _inherited() -> Iterator[str]:
    for descriptor, target in _open_files():
        if target.startswith("socket:") and not _is_log(descriptor):
            yield f"file descriptor {descriptor} is a socket that was opened before the vault started"
        elif target.startswith("net:") or target.endswith("/ns/net"):
            yield f"file descriptor {descriptor} is a handle to a network namespace"
        elif target == "/dev/net/tun":
            yield f"file descriptor {descriptor} is a tunnel device"


def _open_files() -> Iterator[tuple[int, str]]:
    try:
        names = os.listdir("/proc/self/fd")  # noqa: PTH208 - names only: the folder itself is one of the descriptors
    except OSError:
        return
    for name in names:
        try:
            yield int(name), os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115 - the target is no path
        except OSError:
            continue


def _is_log(descriptor: int) -> bool:
    """A standard stream joined to a Unix socket: how service managers collect logs."""
    if descriptor >= _STANDARD_STREAMS:
        return False
    with socket.socket(fileno=os.dup(descriptor)) as stream:
        return stream.family == socket.AF_UNIX


def _abstract_names() -> Iterator[str]:
    try:
        lines = Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()[1:]
    except OSError:
        return
    for line in lines:
        name = line.split(maxsplit=7)[7:]
        if name and name[0].startswith("@"):
            yield f"the abstract Unix socket {name[0]} of another process is visible"


def _host_sockets() -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    for pattern in HOST_SOCKETS:
        for path in glob.glob(pattern):  # noqa: PTH207 - absolute patterns
            if path == _SYSTEM_BUS and not _is_host_root():
                continue  # there, polkit asks a person before anything is started
            status = _reachable(path)
            if status and status not in seen:
                seen.add(status)
                yield f"{path} can be reached: through it the host starts programs that have a network"


def _reachable(path: str) -> tuple[int, int] | None:
    """The device and inode of a Unix socket that takes a connection."""
    try:
        status = os.stat(path)  # noqa: PTH116 - as in the loop above
        if not stat.S_ISSOCK(status.st_mode):
            return None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(_PROBE_SECONDS)
            probe.connect(path)
    except TimeoutError:
        return status.st_dev, status.st_ino
    except OSError as error:
        return (status.st_dev, status.st_ino) if error.errno == errno.EAGAIN else None
    return status.st_dev, status.st_ino


def _name_lookup() -> Iterator[str]:
    outcome: list[bool] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo(_KNOWN_NAME, _PORT)
        except OSError:
            outcome.append(False)
        else:
            outcome.append(True)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(_LOOKUP_SECONDS)
    if not outcome:
        yield f"looking up {_KNOWN_NAME} neither failed nor ended within {_LOOKUP_SECONDS:.0f} s: a resolver answers"
    elif outcome[0]:
        yield f"the name {_KNOWN_NAME} is looked up: a resolver outside the vault answers"


def _remarks() -> Iterator[str]:
    if any(target.startswith("socket:") and _is_log(descriptor) for descriptor, target in _open_files()):
        yield "standard streams go to a Unix socket (the service manager's log)"
    try:
        with socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM):
            yield "AF_VSOCK exists: the machine that runs this virtual machine could be reached, no network"
    except (OSError, AttributeError):
        pass
    if _is_host_root() and not _in_user_namespace():
        yield "the vault is root of this machine and could return to its network; run it as a user of its own"


def _is_host_root() -> bool:
    """Whether user 0 of this process is user 0 of the machine, or of the container around it."""
    return os.geteuid() == 0 and _uid_map()[:2] == ["0", "0"]


def _in_user_namespace() -> bool:
    """The first user namespace maps all users to themselves; `unshare -r` maps one."""
    return _uid_map()[2:] != ["4294967295"]


def _uid_map() -> list[str]:
    try:
        return Path("/proc/self/uid_map").read_text(encoding="ascii").split()[:3]
    except OSError:
        return ["0", "0", "4294967295"]
