"""Who is invited, who has joined, who was cut off: the coordinator's memory of its sites."""

from fedward_server.registry.records import InviteKind, InviteRecord, Redemption, Revocation, SiteRecord
from fedward_server.registry.store import Registry

__all__ = ["InviteKind", "InviteRecord", "Redemption", "Registry", "Revocation", "SiteRecord"]
