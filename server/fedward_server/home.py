"""The coordinator's folder: where each thing lies, and what `init` settled.

::

    coordinator.toml     name, hosts, listening address and ports
    ports.json           the ports that were got where coordinator.toml says 0; kept over restarts
    keys/                study.key, round.key, ca.key, server.key         0600 in a folder of 0700
    certs/               ca.pem, server.pem, study.pub, round-key.cert, round-key.sig
    registry.db          invites, sites, revocations, last heads
    invites/             invites written by `invite`                      0600: they hold a token
    studies/<16 hex>/    study.toml, study.sig, rounds/, model/, report.json
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_shared.crypto.certificates import Authority
from fedward_shared.crypto.keys import from_pem, public_from_pem, tls_key_from_pem
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited, write_atomic

__all__ = ["CoordinatorHome", "CoordinatorSettings", "Ports"]


@dataclass(frozen=True, slots=True)
class Ports:
    """TCP ports of the two services; 0: the operating system chooses."""

    link: int
    enrolment: int


@dataclass(frozen=True, slots=True)
class CoordinatorSettings:
    """coordinator.toml. `hosts` are the names in the certificate, the first of which goes into invites."""

    name: str
    hosts: tuple[str, ...]
    listen: str
    port: int
    enrolment_port: int


@dataclass(frozen=True, slots=True)
class CoordinatorHome:
    """The paths under one folder. Making one of these touches no disk."""

    root: Path

    @property
    def coordinator_toml(self) -> Path:
        """The settings; their presence means that `init` was completed."""
        return self.root / "coordinator.toml"

    @property
    def ports_json(self) -> Path:
        """Ports that the operating system chose."""
        return self.root / "ports.json"

    @property
    def keys_dir(self) -> Path:
        """Private keys."""
        return self.root / "keys"

    @property
    def study_key_file(self) -> Path:
        """Signs studies and certifies the round key (PEM); may be kept offline in between."""
        return self.keys_dir / "study.key"

    @property
    def round_key_file(self) -> Path:
        """Signs instructions (PEM)."""
        return self.keys_dir / "round.key"

    @property
    def ca_key_file(self) -> Path:
        """Signs certificates of sites (PEM)."""
        return self.keys_dir / "ca.key"

    @property
    def server_key_file(self) -> Path:
        """TLS key of both services (PEM)."""
        return self.keys_dir / "server.key"

    @property
    def certs_dir(self) -> Path:
        """Everything public."""
        return self.root / "certs"

    @property
    def ca_certificate(self) -> Path:
        """The authority's certificate (PEM)."""
        return self.certs_dir / "ca.pem"

    @property
    def server_certificate(self) -> Path:
        """The certificate of both services (PEM)."""
        return self.certs_dir / "server.pem"

    @property
    def study_public_file(self) -> Path:
        """The study key's public half (PEM)."""
        return self.certs_dir / "study.pub"

    @property
    def round_key_body(self) -> Path:
        """The round key's certificate: the signed bytes."""
        return self.certs_dir / "round-key.cert"

    @property
    def round_key_signature(self) -> Path:
        """The study key's signature over `round_key_body`."""
        return self.certs_dir / "round-key.sig"

    @property
    def registry_db(self) -> Path:
        """Invites, sites, revocations, last heads."""
        return self.root / "registry.db"

    @property
    def invites_dir(self) -> Path:
        """Invites that wait to be handed over."""
        return self.root / "invites"

    @property
    def studies_dir(self) -> Path:
        """One folder a published study."""
        return self.root / "studies"

    def make_folders(self) -> None:
        """Makes every folder that is missing, with its mode."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder, mode in (
            (self.keys_dir, 0o700),
            (self.certs_dir, 0o755),
            (self.invites_dir, 0o700),
            (self.studies_dir, 0o755),
        ):
            folder.mkdir(mode=mode, exist_ok=True)

    def load(self) -> CoordinatorSettings:
        """What `init` settled.

        Raises:
            UsageError: there was no `init` here yet, or coordinator.toml was damaged.
        """
        from pydantic import TypeAdapter, ValidationError

        if not self.coordinator_toml.exists():
            raise UsageError(
                f"{self.root} is not a coordinator's folder yet",
                hint=f"Begin with: fedward-coordinator init --home {self.root} --name NAME --host HOST",
            )
        try:
            values = tomllib.loads(read_limited(self.coordinator_toml).decode())
            return TypeAdapter(CoordinatorSettings).validate_json(json.dumps(values), strict=True, extra="forbid")
        except (ValueError, TypeError, ValidationError) as error:
            raise UsageError(
                f"{self.coordinator_toml} does not say what it should",
                hint="It needs name, hosts (a list), listen, port and enrolment_port, and nothing else.",
            ) from error

    def ports(self) -> Ports:
        """The ports to bind: those in coordinator.toml; where it says 0, the ones got before; else 0."""
        settings = self.load()
        remembered = self._remembered_ports()
        return Ports(settings.port or remembered.link, settings.enrolment_port or remembered.enrolment)

    def remember_ports(self, ports: Ports) -> None:
        """Keeps the ports that were bound, so that invites name them and a restart takes the same ones."""
        content = json.dumps({"link": ports.link, "enrolment": ports.enrolment}) + "\n"
        write_atomic(self.ports_json, content.encode(), mode=0o644)

    def study_key(self) -> Ed25519PrivateKey:
        """The study key.

        Raises:
            UsageError: it is kept elsewhere at the moment.
            SignatureError: the file does not hold such a key.
        """
        if not self.study_key_file.exists():
            raise UsageError(
                f"the study key is not in {self.keys_dir}",
                hint="If it is kept offline, bring study.key back for this command and take it away afterwards.",
            )
        return from_pem(read_limited(self.study_key_file))

    def study_public(self) -> bytes:
        """The study key's public half: 32 raw bytes."""
        return public_from_pem(read_limited(self.study_public_file))

    def round_key(self) -> Ed25519PrivateKey:
        """The key that signs instructions."""
        return from_pem(read_limited(self.round_key_file))

    def round_key_certificate(self) -> tuple[bytes, bytes]:
        """Body and signature of the round key's certificate."""
        return read_limited(self.round_key_body), read_limited(self.round_key_signature)

    def authority(self) -> Authority:
        """The enrolment authority."""
        key = tls_key_from_pem(read_limited(self.ca_key_file))
        return Authority(key, read_limited(self.ca_certificate))

    def _remembered_ports(self) -> Ports:
        if not self.ports_json.exists():
            return Ports(0, 0)
        try:
            values = json.loads(read_limited(self.ports_json))
            return Ports(int(values["link"]), int(values["enrolment"]))
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(
                f"{self.ports_json} is damaged", hint="Remove it and start the coordinator again."
            ) from error
