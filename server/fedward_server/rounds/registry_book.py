"""One study's view of the registry."""

from __future__ import annotations

from fedward_server.registry import Registry
from fedward_shared.contracts.round import Heads
from fedward_shared.errors import SignatureError

__all__ = ["RegistryBook"]


class RegistryBook:
    """A `SiteBook` over the registry: what a study's rounds know of each site outlives a restart."""

    def __init__(self, registry: Registry, study: bytes) -> None:
        self._registry = registry
        self._study = study

    def vault_key(self, site: str) -> bytes:
        """The key that the site enrolled with.

        Raises:
            SignatureError: the site has not enrolled, or was revoked.
        """
        record = self._registry.site(site)
        if record is None or record.revoked is not None:
            raise SignatureError(f"{site} is not a site of this coordinator, or was revoked")
        return record.vault_key

    def revoked(self, site: str) -> bool:
        """Whether the site was cut off."""
        record = self._registry.site(site)
        return record is not None and record.revoked is not None

    def heads(self, site: str) -> Heads:
        """Ledger and journal as last seen."""
        return self._registry.heads(self._study, site)

    def remember(self, site: str, heads: Heads) -> None:
        """Keeps the heads of a verified reply."""
        self._registry.remember_heads(self._study, site, heads)
