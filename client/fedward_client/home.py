"""A site's folder: where each thing lies, who may read it, and what the site joined.

::

    site.toml       what was joined: site, coordinator, ports, fingerprints (written last by `join`)
    policy.toml     what the site allows
    gateway/        gateway.key, gateway.pem, ca.pem       the network side; nothing here is about patients
    vault/          vault.key, study.pub, ledger.db, anchor, replies/, backbones/, admin.sock      mode 0700
    door/           the Unix socket between the two         mode 0750
    inbox/          checked data, written by the importer, read by the vault
    reports/        exact results, for this hospital's eyes only
    run/            process ids
    logs/           what the two processes say; no patient's value is ever in it
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fedward_shared.crypto.keys import from_pem, public_from_pem
from fedward_shared.errors import LockedError, UsageError
from fedward_shared.files import read_limited, write_atomic

__all__ = ["LONGEST_SOCKET", "SiteHome", "SiteIdentity"]

LONGEST_SOCKET = 100
"""Linux allows 107 bytes in the path of a Unix socket, macOS 103."""


@dataclass(frozen=True, slots=True)
class SiteIdentity:
    """site.toml: what was joined. Fingerprints are those of `crypto.keys.fingerprint`; `joined` is in seconds, UTC."""

    site: str
    coordinator: str
    host: str
    enrolment_port: int
    link_port: int
    study_key: str
    authority: str
    joined: int


@dataclass(frozen=True, slots=True)
class SiteHome:
    """The paths under one folder. Making one of these touches no disk."""

    root: Path

    @property
    def site_toml(self) -> Path:
        """What was joined; its presence means that joining was completed."""
        return self.root / "site.toml"

    @property
    def policy_toml(self) -> Path:
        """What the site allows."""
        return self.root / "policy.toml"

    @property
    def gateway_dir(self) -> Path:
        """The network side's folder."""
        return self.root / "gateway"

    @property
    def gateway_key(self) -> Path:
        """The link's TLS key (PEM)."""
        return self.gateway_dir / "gateway.key"

    @property
    def gateway_certificate(self) -> Path:
        """The link's TLS certificate (PEM)."""
        return self.gateway_dir / "gateway.pem"

    @property
    def ca_certificate(self) -> Path:
        """The certificate of the coordinator's authority (PEM), from the invite."""
        return self.gateway_dir / "ca.pem"

    @property
    def vault_dir(self) -> Path:
        """The vault's folder; nobody but the vault reads it."""
        return self.root / "vault"

    @property
    def vault_key_file(self) -> Path:
        """The key that signs replies, approvals and the journal (PEM)."""
        return self.vault_dir / "vault.key"

    @property
    def study_key_file(self) -> Path:
        """The study key's public half (PEM), from the invite."""
        return self.vault_dir / "study.pub"

    @property
    def ledger_db(self) -> Path:
        """Ledger, journal, approvals and the index of replies."""
        return self.vault_dir / "ledger.db"

    @property
    def anchor(self) -> Path:
        """The second place that remembers the ledger's head."""
        return self.vault_dir / "anchor"

    @property
    def replies_dir(self) -> Path:
        """Stored replies, until the coordinator's receipt."""
        return self.vault_dir / "replies"

    @property
    def backbones(self) -> Path:
        """Weights of frozen backbones, `SHA256.safetensors` each; made when the first is added."""
        return self.vault_dir / "backbones"

    @property
    def admin_sock(self) -> Path:
        """Where a running vault serves its own operator (mode 0600)."""
        return self._socket("vault", "admin.sock")

    @property
    def door(self) -> Path:
        """The Unix socket between vault and gateway."""
        return self._socket("door", "vault.sock")

    @property
    def inbox(self) -> Path:
        """`<data set>/<version>/`, written by the importer."""
        return self.root / "inbox"

    @property
    def reports(self) -> Path:
        """Exact results of this site, which never leave it."""
        return self.root / "reports"

    @property
    def run_dir(self) -> Path:
        """Process ids."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """What vault and gateway say while they run."""
        return self.root / "logs"

    def make_folders(self) -> None:
        """Makes every folder that is missing, with its mode.

        Raises:
            LockedError: the vault's folder, or that of a socket, belongs to somebody else. (The gateway's may: the
                two processes can run under two users.)
        """
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        for folder, mode in (
            (self.gateway_dir, 0o700),
            (self.vault_dir, 0o700),
            (self.replies_dir, 0o700),
            (self.inbox, 0o700),
            (self.reports, 0o700),
            (self.run_dir, 0o755),
            (self.logs, 0o700),
            (self.admin_sock.parent, 0o700),
            (self.door.parent, 0o750),
        ):
            folder.mkdir(mode=mode, parents=True, exist_ok=True)
        for folder in (self.vault_dir, self.admin_sock.parent, self.door.parent):
            _check_owner(folder)

    def load(self) -> SiteIdentity:
        """What was joined.

        Raises:
            UsageError: nothing was joined here yet, or site.toml was damaged.
        """
        from pydantic import TypeAdapter, ValidationError

        if not self.site_toml.exists():
            raise UsageError(
                f"{self.root} has not joined a federation yet",
                hint="Ask the coordinator for an invite, then: fedward-site join INVITE --home " + str(self.root),
            )
        try:
            values = tomllib.loads(read_limited(self.site_toml).decode())
            return TypeAdapter(SiteIdentity).validate_json(json.dumps(values), strict=True, extra="forbid")
        except (ValueError, TypeError, ValidationError) as error:
            raise UsageError(
                f"{self.site_toml} is damaged", hint="Restore it, or join again with a new invite."
            ) from error

    def save(self, identity: SiteIdentity) -> None:
        """Writes site.toml, which completes joining."""
        import tomlkit

        document = tomlkit.document()
        document.add(tomlkit.comment("Written by fedward-site join. Not to be edited."))
        for name, value in asdict(identity).items():
            document.add(name, value)
        write_atomic(self.site_toml, tomlkit.dumps(document).encode(), mode=0o644)

    def vault_key(self) -> Ed25519PrivateKey:
        """The vault's private key. Only the vault, and the steps that act as the vault, may call this.

        Raises:
            UsageError: there is none yet.
            SignatureError: the file does not hold such a key.
        """
        return from_pem(read_limited(self.vault_key_file))

    def study_key(self) -> bytes:
        """The study key's public half: 32 raw bytes.

        Raises:
            UsageError: there is none yet.
            SignatureError: the file does not hold such a key.
        """
        return public_from_pem(read_limited(self.study_key_file))

    def _socket(self, folder: str, name: str) -> Path:
        natural = self.root.absolute() / folder / name
        if len(os.fsencode(natural)) <= LONGEST_SOCKET:
            return natural
        digest = hashlib.sha256(os.fsencode(self.root.absolute())).hexdigest()[:16]
        return Path("/tmp") / f"fedward-{digest}-{folder}" / name  # noqa: S108 - a short name; make_folders checks its owner


def _check_owner(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {0, os.getuid()}:
        raise LockedError(
            f"{folder} belongs to another user",
            hint="Remove it, or choose a --home with a shorter path.",
        )
