"""Is this site in order? Each check looks at one thing and says what to do where it is not."""

from __future__ import annotations

import shutil
import socket
import ssl
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from fedward_client.home import SiteHome, SiteIdentity
from fedward_shared.crypto import certificates
from fedward_shared.errors import FedwardError, IsolationError, LockedError
from fedward_shared.files import FolderLock, read_limited

__all__ = ["Finding", "State", "examine_site"]

_DAY = 86400
_CERTIFICATE_WARN = 14 * _DAY
_CLOCK_WARN = 5.0
_CLOCK_FAIL = 60.0
_DISK_WARN = 2 * 1024**3
_DISK_FAIL = 200 * 1024**2
_HANDSHAKE_SECONDS = 10.0
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    FAIL = "FAIL"


@dataclass(frozen=True, slots=True)
class Finding:
    """One row for people: what was looked at, how it is, what was found, what to do."""

    subject: str
    state: State
    found: str
    advice: str = ""


def examine_site(home: SiteHome, clock: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Every check, one after the other; only the check of the link and that of the clock use the network.

    Raises:
        UsageError: the folder has not joined yet.
    """
    identity = home.load()
    yield _certificate(home, identity, clock())
    yield _link(home, identity)
    yield _clock(home, identity, clock)
    yield _modes(home)
    yield _isolation()
    yield _importer(home)
    yield _disk(home)
    yield from _vault(home)


def _certificate(home: SiteHome, identity: SiteIdentity, now: float) -> Finding:
    subject = "certificate"
    renew = "Ask the coordinator for an invite made with --renew, then: fedward-site join INVITE --again"
    try:
        certificate = read_limited(home.gateway_certificate)
        site, until = certificates.site_of(certificate), certificates.expiry(certificate).timestamp()
    except FedwardError as error:
        return Finding(subject, State.FAIL, error.message, renew)
    day = f"{datetime.fromtimestamp(until, UTC):%Y-%m-%d}"
    if site != identity.site:
        return Finding(subject, State.FAIL, f"it is for {site}, and this is {identity.site}", renew)
    if until <= now:
        return Finding(subject, State.FAIL, f"expired on {day}", renew)
    if until - now < _CERTIFICATE_WARN:
        return Finding(subject, State.WARN, f"ends on {day}", renew)
    return Finding(subject, State.OK, f"valid until {day}")


def _link(home: SiteHome, identity: SiteIdentity) -> Finding:
    subject = f"coordinator at {identity.host}:{identity.link_port}"
    try:
        _shake_hands(home, identity)
    except ssl.SSLCertVerificationError as error:
        return Finding(
            subject, State.FAIL, f"it is not the coordinator of the invite: {error.verify_message}", "Check the host."
        )
    except ssl.SSLError:
        return Finding(
            subject, State.FAIL, "it does not accept this site's certificate", "Ask it whether the site was revoked."
        )
    except OSError as error:
        return Finding(
            subject,
            State.FAIL,
            f"cannot be reached: {error.strerror or error}",
            "Is it running, and does this machine's firewall let connections out to that port?",
        )
    return _admission(home, identity, subject)


def _admission(home: SiteHome, identity: SiteIdentity, subject: str) -> Finding:
    """Whether the coordinator still admits the certificate; a running gateway keeps its own stream."""
    from fedward_client.enrolment.coordinator import is_admitted

    pem = [read_limited(path) for path in (home.ca_certificate, home.gateway_key, home.gateway_certificate)]
    try:
        admitted = is_admitted(identity.host, identity.link_port, *pem)
    except FedwardError as error:
        return Finding(subject, State.FAIL, error.message, error.hint)
    if not admitted:
        return Finding(
            subject,
            State.FAIL,
            "reached; it does not admit this certificate (revoked, or replaced by a newer one)",
            "Ask the coordinator; to come back, an invite made with --renew, then: fedward-site join INVITE --again",
        )
    return Finding(subject, State.OK, "reached; TLS 1.3, both sides certified, this site admitted")


def _shake_hands(home: SiteHome, identity: SiteIdentity) -> None:
    """Completes a TLS handshake and waits for the first byte: under TLS 1.3 a server refuses a client only then."""
    context = ssl.create_default_context(cafile=home.ca_certificate)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(home.gateway_certificate, home.gateway_key)
    context.set_alpn_protocols(["h2"])
    place = (identity.host, identity.link_port)
    with (
        socket.create_connection(place, timeout=_HANDSHAKE_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=identity.host) as link,
    ):
        if not link.recv(1):
            raise ssl.SSLError("closed")


def _clock(home: SiteHome, identity: SiteIdentity, clock: Callable[[], float]) -> Finding:
    from fedward_client.enrolment.coordinator import Coordinator

    subject = "clock"
    try:
        authority = read_limited(home.ca_certificate)
        theirs, unknown = Coordinator(identity.host, identity.enrolment_port, authority).clock()
    except FedwardError as error:
        return Finding(subject, State.WARN, f"not compared: {error.message}", error.hint)
    off = abs(clock() - theirs)
    found = f"{off:.1f} s from the coordinator's (± {unknown:.1f} s)"
    advice = "Let this machine set its clock by NTP: instructions and certificates expire by it."
    if off - unknown > _CLOCK_FAIL:
        return Finding(subject, State.FAIL, found, advice)
    return (
        Finding(subject, State.WARN, found, advice)
        if off - unknown > _CLOCK_WARN
        else Finding(subject, State.OK, found)
    )


def _modes(home: SiteHome) -> Finding:
    subject = "who can read the keys"
    private = (home.vault_key_file, home.gateway_key, home.vault_dir, home.gateway_dir)
    missing = [path for path in (*private, home.study_key_file, home.ca_certificate) if not path.exists()]
    if missing:
        return Finding(
            subject, State.FAIL, f"missing: {_names(home, missing)}", "Restore from a backup, or join again."
        )
    opened = [path for path in private if path.stat().st_mode & _OTHERS]
    if opened:
        return Finding(subject, State.FAIL, f"open to others: {_names(home, opened)}", "chmod go-rwx them")
    return Finding(subject, State.OK, "their owner alone")


def _isolation() -> Finding:
    from fedward_client.vault.launcher import launcher

    subject = "isolation of the vault"
    try:
        return Finding(subject, State.OK, launcher().gives)
    except IsolationError as error:
        return Finding(subject, State.FAIL, error.message, error.hint)


def _importer(home: SiteHome) -> Finding:
    from fedward_client.importer.program.in_worker import examine_confinement

    subject = "isolation of the importer"
    try:
        found = examine_confinement(home)
    except FedwardError as error:
        return Finding(subject, State.FAIL, error.message, error.hint)
    if found.reached:
        return Finding(
            subject,
            State.FAIL,
            f"the program that reads source files could open {', '.join(found.reached)}",
            "Import as another user than the vault's, or on Linux 5.13 or later with Landlock or user namespaces on.",
        )
    if found.lacks:
        return Finding(subject, State.WARN, f"the vault is out of its reach, without {'; '.join(found.lacks)}")
    return Finding(subject, State.OK, "; ".join(found.holds))


def _disk(home: SiteHome) -> Finding:
    subject = "disk space"
    free = shutil.disk_usage(home.root).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free < _DISK_FAIL:
        return Finding(subject, State.FAIL, found, "Make room: a ledger that cannot be written stops the site.")
    if free < _DISK_WARN:
        return Finding(subject, State.WARN, found, "Make room: stored replies may need as much as a model a round.")
    return Finding(subject, State.OK, found)


def _vault(home: SiteHome) -> Iterator[Finding]:
    try:
        with FolderLock(home.vault_dir):
            yield Finding("vault", State.OK, "stopped; its folder is free")
            yield _ledger(lambda: _locked_on_disk(home))
    except LockedError:
        yield Finding("vault", State.OK, "running")
        yield _ledger(lambda: _locked_in_memory(home))


def _ledger(look: Callable[[], str | None]) -> Finding:
    subject = "ledger"
    try:
        reason = look()
    except FedwardError as error:
        return Finding(subject, State.FAIL, error.message, error.hint)
    if reason:
        return Finding(
            subject,
            State.FAIL,
            f"locked: {reason}",
            "Its record of what was spent may be incomplete. Restore the newest backup of vault/, and start again. "
            "Only where there is none: fedward-site unsafe-unlock",
        )
    return Finding(subject, State.OK, "not locked")


def _locked_on_disk(home: SiteHome) -> str | None:
    from fedward_client.vault.books.ledger import Ledger
    from fedward_client.vault.books.store import Store

    if not home.ledger_db.exists():
        return None
    store = Store.open(home.vault_dir)
    try:
        return Ledger(store).locked()
    finally:
        store.close()


def _locked_in_memory(home: SiteHome) -> str | None:
    from fedward_client.vault.office.admin_socket import ask

    status = ask(home.admin_sock, "status", {})
    reason = status.get("locked") if isinstance(status, dict) else None
    return str(reason) if reason else None


def _names(home: SiteHome, paths: list[Path]) -> str:
    return ", ".join(str(path.relative_to(home.root)) for path in paths)
