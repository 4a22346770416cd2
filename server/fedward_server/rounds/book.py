"""What the rounds must know of each site: its vault key, whether it was revoked, its last heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from fedward_shared.contracts.round import Heads

__all__ = ["MemoryBook", "SiteBook"]


class SiteBook(Protocol):
    """The coordinator's knowledge of one study's sites. Safe to use from any thread."""

    def vault_key(self, site: str) -> bytes:
        """The raw Ed25519 public key (32 bytes) that the site enrolled with.

        Raises:
            RefusedError: the site is not enrolled, or was revoked.
        """
        ...

    def revoked(self, site: str) -> bool:
        """Whether the site was enrolled once and may not take part any more."""
        ...

    def heads(self, site: str) -> Heads:
        """Ledger and journal as last seen from this site for this study; empty ones at first."""
        ...

    def remember(self, site: str, heads: Heads) -> None:
        """Keeps the heads of a verified reply, durably."""
        ...


class MemoryBook:
    """For simulations and tests: vault keys as given, heads in memory."""

    def __init__(self, vault_keys: Mapping[str, bytes]) -> None:
        self._keys = dict(vault_keys)
        self._heads: dict[str, Heads] = {}
        self._revoked: set[str] = set()

    def vault_key(self, site: str) -> bytes:
        """The key given for this site."""
        return self._keys[site]

    def revoked(self, site: str) -> bool:
        """Whether `revoke` was called for this site."""
        return site in self._revoked

    def revoke(self, site: str) -> None:
        """Takes the site out."""
        self._revoked.add(site)

    def heads(self, site: str) -> Heads:
        """The last heads remembered."""
        return self._heads.get(site, Heads())

    def remember(self, site: str, heads: Heads) -> None:
        """Keeps the heads."""
        self._heads[site] = heads
