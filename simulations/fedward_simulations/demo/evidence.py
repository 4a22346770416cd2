"""What the operating system says about a process, measured from outside: no process is asked about itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedward_shared.errors import FedwardError

__all__ = ["Network", "network_of"]

_LOOPBACK = "lo"
_IPV6_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Network:
    """A process' network: whether its namespace is ours, its interfaces, and whether it has any route."""

    shared: bool
    interfaces: tuple[str, ...]
    routes: int

    @property
    def usable(self) -> bool:
        """Whether anything but itself could be reached through it."""
        return self.shared or self.routes > 0 or any(name != _LOOPBACK for name in self.interfaces)


def network_of(pid: int) -> Network:
    """The network of a running process, from /proc (Linux).

    Raises:
        FedwardError: the process has ended, or /proc does not tell.
    """
    try:
        folder = Path(f"/proc/{pid}")
        shared = (folder / "ns/net").readlink() == Path("/proc/self/ns/net").readlink()
        interfaces = _interfaces((folder / "net/dev").read_text(encoding="ascii"))
        routes = _routes(folder)
    except OSError as error:
        raise FedwardError(f"the network of process {pid} cannot be seen: {error.strerror}") from error
    return Network(shared, interfaces, routes)


def _interfaces(dev: str) -> tuple[str, ...]:
    """proc(5), /proc/net/dev: two header lines, then ``name: counters``."""
    return tuple(line.partition(":")[0].strip() for line in dev.splitlines()[2:])


def _routes(folder: Path) -> int:
    """Routes beside those of the loopback interface, IPv4 and IPv6."""
    four = (folder / "net/route").read_text(encoding="ascii").splitlines()[1:]
    six_path = folder / "net/ipv6_route"
    six = six_path.read_text(encoding="ascii").splitlines() if six_path.exists() else []
    return sum(1 for line in (*four, *six) if _interface_of(line) != _LOOPBACK)


def _interface_of(line: str) -> str:
    """The first column of an IPv4 route is its interface; of an IPv6 route, the last."""
    fields = line.split()
    return fields[-1] if len(fields[0]) == _IPV6_DIGITS else fields[0]
