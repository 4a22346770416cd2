"""How often one address may ask: a token bucket for each, in bounded memory.

A token has 256 bits and is not guessed; this keeps somebody who tries from using up the coordinator's time.
"""

from __future__ import annotations

import ipaddress
import threading
import time
import urllib.parse
from collections import OrderedDict
from collections.abc import Callable

__all__ = ["RateLimit", "network_of"]

_ADDRESSES = 4096
_IPV6_PREFIX = 64


class RateLimit:
    """Allows `burst` requests at once and `per_minute` on average, for each network that asks."""

    def __init__(
        self, *, burst: float = 20, per_minute: float = 20, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._per_second = per_minute / 60
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def allows(self, network: str) -> bool:
        """Whether one more request is allowed now; if so, it is counted."""
        now = self._clock()
        with self._lock:
            left, since = self._buckets.pop(network, (self._burst, now))
            left = min(self._burst, left + (now - since) * self._per_second)
            allowed = left >= 1
            self._buckets[network] = (left - 1 if allowed else left, now)
            while len(self._buckets) > _ADDRESSES:
                self._buckets.popitem(last=False)
        return allowed


def network_of(peer: str) -> str:
    """What counts as one asker: an IPv4 address, or the /64 of an IPv6 one. `peer` is as gRPC spells it."""
    address = urllib.parse.unquote(peer).partition(":")[2].rpartition(":")[0].strip("[]")
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "somewhere"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is None:
        return str(ipaddress.ip_network((found, _IPV6_PREFIX), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)
