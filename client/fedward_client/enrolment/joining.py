"""Joining a federation, in two halves that never exchange a private key.

1. The invite is for this folder: nothing was joined yet, or (`again`) the same site of the same federation.
2. The gateway's key and its signing request are made, and kept until joining is completed: repeated after a crash,
   the same request is sent again, which the coordinator answers again.
3. The vault's half runs in a process without a network (`vault_step`) and gives a public key and a signature.
4. Both go to the coordinator with the token; the certificate comes back.
5. The certificate must be made by the invite's authority, for our key and name; the coordinator's study key must be
   the invite's.
6. Everything is put into place; site.toml comes last, and says that joining is completed.

A crash before 6 leaves nothing that counts; a crash within 6 is mended by joining again with the same invite.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from fedward_client.enrolment.vault_step import VaultHalf, VaultOrder, make_vault
from fedward_client.home import SiteHome, SiteIdentity
from fedward_client.vault.policy import DEFAULT_POLICY
from fedward_shared.crypto import certificates, keys
from fedward_shared.crypto.invite import Invite
from fedward_shared.errors import FedwardError, IsolationError, RefusedError, SignatureError, UsageError
from fedward_shared.files import FolderLock, read_limited, write_atomic

__all__ = ["Joined", "join"]

_PUBLIC = 0o644
_SECONDS = 120


@dataclass(frozen=True, slots=True)
class Joined:
    """What was joined, when the certificate ends (UTC), and how the vault's half was isolated (for people)."""

    identity: SiteIdentity
    certificate_expires: datetime
    isolation: str


def join(home: SiteHome, invite: Invite, *, again: bool = False, clock: Callable[[], float] = time.time) -> Joined:
    """Joins, or (`again`) renews the certificate of a site that has joined.

    Raises:
        UsageError: the folder has joined already, or something else.
        LinkError: the coordinator cannot be reached; nothing is lost, and the same invite works again.
        RefusedError: the invite is no longer valid, or a signature does not hold.
    """
    _check_place(home, invite, again)  # 1
    home.make_folders()
    with FolderLock(home.root):
        pending = _pending(home, invite)
        isolation = "done before"
        if not pending.certificate.exists():
            if invite.expires < clock():
                raise RefusedError(
                    "the invite has expired",
                    hint="Ask the coordinator for a new one, and check this machine's clock.",
                )
            csr = _gateway_half(pending, invite.site)  # 2
            half, isolation = _vault_half(home, invite, csr)  # 3
            certificate = _enrol(invite, csr, half)  # 4
            _check(pending, certificate, invite, clock())  # 5
            write_atomic(pending.certificate, certificate)
        identity = _complete(home, pending, invite, int(clock()))  # 6
    return Joined(identity, certificates.expiry(read_limited(home.gateway_certificate)), isolation)


@dataclass(frozen=True, slots=True)
class _Pending:
    """The gateway's half before joining is completed."""

    folder: Path

    @property
    def key(self) -> Path:
        return self.folder / "gateway.key"

    @property
    def csr(self) -> Path:
        return self.folder / "request.csr"

    @property
    def certificate(self) -> Path:
        return self.folder / "gateway.pem"


def _check_place(home: SiteHome, invite: Invite, again: bool) -> None:
    if not home.site_toml.exists():
        if again:
            raise UsageError(f"{home.root} has not joined yet", hint="Leave out --again.")
        return
    identity = home.load()
    if not again:
        raise UsageError(
            f"{home.root} has joined already, as {identity.site}",
            hint="For a new certificate: join INVITE --again. For another federation: another --home.",
        )
    if (identity.site, identity.study_key) != (invite.site, invite.study_key_fingerprint):
        raise UsageError(
            f"the invite is not for {identity.site} in the federation that this folder joined",
            hint="Ask the coordinator for an invite made with --renew.",
        )


def _pending(home: SiteHome, invite: Invite) -> _Pending:
    """The folder of this invite's attempt; those of other invites are removed."""
    mine = home.gateway_dir / f"joining-{invite.token_digest.hex()[:16]}"
    for folder in home.gateway_dir.glob("joining-*"):
        if folder != mine:
            shutil.rmtree(folder)
    mine.mkdir(mode=0o700, exist_ok=True)
    return _Pending(mine)


def _gateway_half(pending: _Pending, site: str) -> bytes:
    if not pending.key.exists():
        pending.csr.unlink(missing_ok=True)
        write_atomic(pending.key, keys.to_pem(keys.new_tls_key()))
    if not pending.csr.exists():
        key = keys.tls_key_from_pem(read_limited(pending.key))
        write_atomic(pending.csr, certificates.csr(key, site))
    return read_limited(pending.csr, certificates.MAX_CSR_BYTES)


def _vault_half(home: SiteHome, invite: Invite, csr: bytes) -> tuple[VaultHalf, str]:
    from fedward_client.vault.launcher import launcher

    order = VaultOrder(
        home=str(home.root.absolute()),
        site=invite.site,
        study_key=invite.study_key.hex(),
        token_digest=invite.token_digest.hex(),
        csr_digest=sha256(csr).hexdigest(),
    )
    try:
        way = launcher()
    except IsolationError:
        return make_vault(order), "NOT isolated: this system gives it no namespace of its own"
    return _in_isolation(way.prefix, order), way.gives


def _in_isolation(prefix: tuple[str, ...], order: VaultOrder) -> VaultHalf:
    done = subprocess.run(
        [*prefix, sys.executable, "-P", "-m", "fedward_client.enrolment.vault_step"],
        input=json.dumps(asdict(order)) + "\n",
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        message = done.stderr.strip().removeprefix("error: ") or "the vault's half of joining failed"
        kinds: dict[int, type[FedwardError]] = {UsageError.exit_code: UsageError, RefusedError.exit_code: RefusedError}
        raise kinds.get(done.returncode, FedwardError)(message)
    return VaultHalf(**json.loads(done.stdout))


def _enrol(invite: Invite, csr: bytes, half: VaultHalf) -> bytes:
    from fedward_client.enrolment.coordinator import Coordinator
    from fedward_shared.wire.enrolment_pb2 import EnrolRequest

    request = EnrolRequest(
        site=invite.site,
        token=invite.token,
        csr=csr,
        vault_key=bytes.fromhex(half.vault_key),
        vault_signature=bytes.fromhex(half.signature),
    )
    reply = Coordinator(invite.host, invite.enrolment_port, invite.authority).enrol(request)
    if reply.study_key != invite.study_key:
        raise SignatureError(
            "the coordinator has another study key than the invite says",
            hint="The invite may have been tampered with. Compare the fingerprints by telephone.",
        )
    return bytes(reply.certificate)


def _check(pending: _Pending, certificate: bytes, invite: Invite, now: float) -> None:
    key = keys.tls_key_from_pem(read_limited(pending.key))
    certificates.check_issued(certificate, invite.authority, key.public_key(), invite.site, now)


def _complete(home: SiteHome, pending: _Pending, invite: Invite, now: int) -> SiteIdentity:
    write_atomic(home.ca_certificate, certificates.to_pem(invite.authority), mode=_PUBLIC)
    write_atomic(home.gateway_key, read_limited(pending.key))
    write_atomic(home.gateway_certificate, read_limited(pending.certificate))
    if not home.policy_toml.exists():
        write_atomic(home.policy_toml, DEFAULT_POLICY.encode(), mode=_PUBLIC)
    identity = SiteIdentity(
        site=invite.site,
        coordinator=invite.coordinator,
        host=invite.host,
        enrolment_port=invite.enrolment_port,
        link_port=invite.link_port,
        study_key=invite.study_key_fingerprint,
        authority=invite.authority_fingerprint,
        joined=now,
    )
    home.save(identity)
    shutil.rmtree(pending.folder)
    return identity
