"""What the gateway last knew about itself, in a small file for `fedward-site status`."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited, write_atomic

__all__ = ["GatewayStatus", "State", "StatusFile", "read_status"]

_MAX_BYTES = 16 * 1024
_MAX_ERROR_CHARACTERS = 500


class State:
    """What a gateway can be doing."""

    WAITING_FOR_VAULT = "waiting for the vault"
    CONNECTING = "connecting"
    ATTACHED = "attached"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class GatewayStatus:
    """`since` and `last_error_at` are seconds since 1970 (UTC); `last_error` is empty where there was none."""

    state: str
    since: int
    coordinator: str
    site: str = ""
    last_error: str = ""
    last_error_at: int = 0


def read_status(path: Path) -> GatewayStatus | None:
    """What the gateway last wrote; None where it never did or the file is damaged. It may have died since."""
    try:
        return GatewayStatus(**json.loads(read_limited(path, _MAX_BYTES)))
    except (UsageError, ValueError, TypeError):
        return None


class StatusFile:
    """Keeps the file up to date."""

    def __init__(self, path: Path, coordinator: str, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._status = GatewayStatus(State.STOPPED, int(clock()), coordinator)

    def now(self, state: str, site: str = "") -> None:
        """The gateway does something else from now on."""
        if state != self._status.state:
            self._write(replace(self._status, state=state, since=int(self._clock()), site=site))

    def failed(self, error: str) -> None:
        """A connection ended, or none could be made."""
        self._write(replace(self._status, last_error=error[:_MAX_ERROR_CHARACTERS], last_error_at=int(self._clock())))

    def _write(self, status: GatewayStatus) -> None:
        self._status = status
        write_atomic(self._path, json.dumps(asdict(status), indent=1).encode(), mode=0o644)
