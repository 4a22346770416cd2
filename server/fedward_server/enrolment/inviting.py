"""Making an invite: a fresh token, of which only the SHA-256 stays here, and everything a site must believe."""

from __future__ import annotations

import secrets
from pathlib import Path

from fedward_server.home import CoordinatorHome
from fedward_server.registry import InviteKind, Registry
from fedward_shared.crypto.certificates import to_der
from fedward_shared.crypto.invite import TOKEN_BYTES, Invite
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited, write_atomic

__all__ = ["invite_site"]


def invite_site(
    home: CoordinatorHome, registry: Registry, site: str, *, expires: int, kind: InviteKind, out: Path | None = None
) -> tuple[Invite, Path]:
    """Makes an invite that holds until `expires` (seconds since 1970) and writes it, for its owner only (0600).

    Raises:
        UsageError: the coordinator has no ports yet, the name cannot name a site, or the registry says no.
    """
    settings, ports = home.load(), home.ports()
    if not ports.link or not ports.enrolment:
        raise UsageError(
            "the coordinator has not chosen its ports yet, so an invite cannot name them",
            hint=f"Start it first: fedward-coordinator run --home {home.root}",
        )
    invite = Invite(
        coordinator=settings.name,
        site=site,
        host=settings.hosts[0],
        enrolment_port=ports.enrolment,
        link_port=ports.link,
        expires=expires,
        token=secrets.token_bytes(TOKEN_BYTES),
        study_key=home.study_public(),
        authority=to_der(read_limited(home.ca_certificate)),
    )
    path = out or home.invites_dir / f"{site}.invite"
    if not path.parent.is_dir():
        raise UsageError(f"there is no folder {path.parent}", hint="Make it first, or leave out --out.")
    registry.add_invite(site, invite.token_digest, expires, kind)
    write_atomic(path, invite.text().encode())
    return invite, path
