"""A small consortium for tests of enrolment: a coordinator's folder, its registry, a clock to move, and invites."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_server.enrolment import EnrolmentDesk, EnrolmentService, RateLimit
from fedward_server.enrolment.founding import Founded, found
from fedward_server.enrolment.inviting import invite_site
from fedward_server.home import CoordinatorHome, CoordinatorSettings, Ports
from fedward_server.link.service import LinkService
from fedward_server.registry import InviteKind, Registry
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.invite import Invite, enrolment_body
from fedward_shared.crypto.signing import Purpose, sign
from fedward_shared.wire.enrolment_pb2 import EnrolRequest

__all__ = ["Clock", "Consortium", "Newcomer", "found_consortium"]

DAY = 86400


class Clock:
    """Seconds since 1970; starts now and stands still until it is moved."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


@dataclass(frozen=True)
class Newcomer:
    """The keys of a hospital that asks to enrol."""

    gateway: EllipticCurvePrivateKey = field(default_factory=keys.new_tls_key)
    vault: Ed25519PrivateKey = field(default_factory=keys.new_signing_key)

    def request(self, invite: Invite, *, site: str = "", csr: bytes = b"") -> EnrolRequest:
        """A well-signed request; `site` and `csr` replace what an honest newcomer would send."""
        name = site or invite.site
        wanted = csr or certificates.csr(self.gateway, name)
        body = enrolment_body(invite.token_digest, hashlib.sha256(wanted).digest(), name)
        return EnrolRequest(
            site=name,
            token=invite.token,
            csr=wanted,
            vault_key=keys.public_bytes(self.vault),
            vault_signature=sign(self.vault, Purpose.ENROLMENT, body),
        )


@dataclass(frozen=True)
class Consortium:
    """A coordinator on disk. Its ports are only remembered; `serve` starts the service for real."""

    home: CoordinatorHome
    founded: Founded
    registry: Registry
    clock: Clock

    @property
    def desk(self) -> EnrolmentDesk:
        """What decides on requests."""
        return EnrolmentDesk(self.registry, self.home.authority(), self.home.study_public(), self.clock)

    def invite(self, site: str = "north", *, hours: float = 72, kind: InviteKind = InviteKind.NEW) -> Invite:
        """An invite by the consortium's clock."""
        expires = int(self.clock() + hours * 3600)
        return invite_site(self.home, self.registry, site, expires=expires, kind=kind)[0]

    def enrol(self, request: EnrolRequest) -> bytes:
        """The certificate (PEM) that a request gets."""
        return self.desk.enrol(request.SerializeToString())[1].certificate

    def serve(self, *, limit: RateLimit | None = None) -> EnrolmentService:
        """Enrolment on a free port, which invites then name."""
        service = EnrolmentService(
            "127.0.0.1:0",
            desk=self.desk,
            key_pem=self.home.server_key_file.read_bytes(),
            cert_pem=self.home.server_certificate.read_bytes(),
            limit=limit,
        )
        self.home.remember_ports(Ports(link=self.home.ports().link, enrolment=service.port))
        return service

    def serve_link(self) -> LinkService:
        """The link on a free port, which invites then name."""
        home = self.home
        service = LinkService(
            "127.0.0.1:0",
            home.server_key_file.read_bytes(),
            home.server_certificate.read_bytes(),
            home.ca_certificate.read_bytes(),
            admit=self.registry.is_admitted,
            spool=None,
            on_change=lambda: None,
        )
        home.remember_ports(Ports(link=service.port, enrolment=home.ports().enrolment))
        return service


def found_consortium(folder: Path) -> Consortium:
    """A consortium in `folder` that listens at loopback only."""
    clock = Clock()
    home = CoordinatorHome(folder / "coordinator")
    settings = CoordinatorSettings("Testverbund", ("127.0.0.1", "localhost"), "127.0.0.1", 0, 0)
    founded = found(home, settings, datetime.fromtimestamp(clock(), UTC))
    home.remember_ports(Ports(link=7443, enrolment=7444))
    return Consortium(home, founded, Registry(home.registry_db, clock), clock)
