"""What the registry keeps, as it is read. Times are in seconds since 1970 (UTC)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["InviteKind", "InviteRecord", "Redemption", "Revocation", "SiteRecord"]


class InviteKind(StrEnum):
    """What an invite may do."""

    NEW = "new"
    """Brings in a site that is not known yet."""
    RENEW = "renew"
    """Gives a known site another certificate; its vault, and so its ledger, stays the same."""
    NEW_VAULT = "new-vault"
    """Brings a known site back after its vault was lost, and with it the record of what was spent."""


@dataclass(frozen=True, slots=True)
class InviteRecord:
    """An invite that waits. The token itself is stored nowhere."""

    site: str
    kind: InviteKind
    expires: int


@dataclass(frozen=True, slots=True)
class Redemption:
    """What a site shows to enrol: the token (32 bytes), SHA-256 of its signing request, its vault's public key."""

    site: str
    token: bytes
    csr_digest: bytes
    vault_key: bytes


@dataclass(frozen=True, slots=True)
class SiteRecord:
    """A site that has joined. `vault_key` is 32 raw bytes, `certificate` PEM; `revoked` is None while it may attach."""

    name: str
    vault_key: bytes
    certificate: bytes
    certificate_serial: int
    certificate_expires: int
    joined: int
    revoked: int | None


@dataclass(frozen=True, slots=True)
class Revocation:
    """A certificate that no longer counts. `number` rises; polling asks for those after the last one seen."""

    number: int
    site: str
    certificate_serial: int
