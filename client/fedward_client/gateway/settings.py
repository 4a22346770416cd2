"""Where a gateway finds its coordinator, its certificate and the door."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fedward_client.home import SiteHome

__all__ = ["PAYLOAD_LIMIT", "STATUS_FILE", "GatewaySettings", "settings_of"]

PAYLOAD_LIMIT = 1 << 32
"""Largest payload, in bytes, that a gateway passes in either direction. The vault's own limit is the study's."""
STATUS_FILE = "status.json"


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """`target` is "host:port". The PEM files are read again at each connection, so that they can be renewed."""

    target: str
    ca: Path
    key: Path
    certificate: Path
    door: Path
    status: Path
    payload_limit: int = PAYLOAD_LIMIT


def settings_of(home: SiteHome, payload_limit: int = PAYLOAD_LIMIT) -> GatewaySettings:
    """The settings of a site that has joined.

    Raises:
        UsageError: it has not.
    """
    identity = home.load()
    host = f"[{identity.host}]" if ":" in identity.host else identity.host
    return GatewaySettings(
        target=f"{host}:{identity.link_port}",
        ca=home.ca_certificate,
        key=home.gateway_key,
        certificate=home.gateway_certificate,
        door=home.door,
        status=home.gateway_dir / STATUS_FILE,
        payload_limit=payload_limit,
    )
