"""Founding a federation: the coordinator's keys and certificates, all at once or not at all."""

from __future__ import annotations

import ipaddress
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from fedward_server.home import CoordinatorHome, CoordinatorSettings
from fedward_server.registry import Registry
from fedward_shared.crypto import certificates, keys, round_key
from fedward_shared.crypto.certificates import Authority
from fedward_shared.crypto.keys import tls_key_from_pem
from fedward_shared.errors import UsageError
from fedward_shared.files import read_limited, write_atomic

__all__ = ["Founded", "found", "listening_address", "renew"]

_PUBLIC = 0o644
_PORTS = range(65536)


@dataclass(frozen=True, slots=True)
class Founded:
    """What people compare and note: two fingerprints, and the day (UTC) on which the round key's certificate ends."""

    study_key: str
    authority: str
    round_key_until: datetime


def found(home: CoordinatorHome, settings: CoordinatorSettings, now: datetime) -> Founded:
    """Makes the folder with every key, certificate and the empty registry, beside its place, and moves it there.

    Raises:
        UsageError: something is there already, or a host, name or port cannot be used.
    """
    if home.root.is_symlink() or (home.root.exists() and (not home.root.is_dir() or any(home.root.iterdir()))):
        raise UsageError(
            f"{home.root} exists already and is not empty",
            hint="Nothing was changed: keys are never overwritten. Choose another --home.",
        )
    _check(settings)
    home.root.parent.mkdir(parents=True, exist_ok=True)
    making = CoordinatorHome(Path(tempfile.mkdtemp(prefix=f".{home.root.name}.", dir=home.root.parent)))
    try:
        founded = _fill(making, settings, now)
        making.root.replace(home.root)
    except BaseException:
        shutil.rmtree(making.root, ignore_errors=True)
        raise
    return founded


def renew(home: CoordinatorHome, now: datetime) -> Founded:
    """Certifies the round key for another 90 days, and issues the services' certificate anew, for the same keys.

    Raises:
        UsageError: the study key is kept elsewhere.
    """
    settings = home.load()
    server_key = tls_key_from_pem(read_limited(home.server_key_file))
    authority = home.authority()
    _certify_round_key(home, now)
    _write_server_certificate(home, authority, server_key.public_key(), settings.hosts, now)
    return _founded(home, now)


def listening_address(hosts: Sequence[str]) -> str:
    """Loopback where all hosts are this machine itself, and every interface otherwise."""
    return "127.0.0.1" if all(_is_loopback(host) for host in hosts) else "0.0.0.0"  # noqa: S104 - a server serves


def _fill(home: CoordinatorHome, settings: CoordinatorSettings, now: datetime) -> Founded:
    home.make_folders()
    study_key, server_key = keys.new_signing_key(), keys.new_tls_key()
    authority = certificates.make_ca(settings.name, now)
    for path, key in (
        (home.study_key_file, study_key),
        (home.round_key_file, keys.new_signing_key()),
        (home.ca_key_file, authority.key),
        (home.server_key_file, server_key),
    ):
        write_atomic(path, keys.to_pem(key))
    write_atomic(home.study_public_file, keys.public_to_pem(keys.public_bytes(study_key)), mode=_PUBLIC)
    write_atomic(home.ca_certificate, authority.certificate, mode=_PUBLIC)
    _certify_round_key(home, now)
    _write_server_certificate(home, authority, server_key.public_key(), settings.hosts, now)
    Registry(home.registry_db).close()
    _write_settings(home, settings)
    return _founded(home, now)


def _certify_round_key(home: CoordinatorHome, now: datetime) -> None:
    start = int(now.timestamp())
    public = keys.public_bytes(home.round_key())
    # Clocks differ: a site that is a little behind must not refuse the first instruction.
    body, signature = round_key.certify(home.study_key(), public, start - 600, start + round_key.VALIDITY_SECONDS)
    write_atomic(home.round_key_body, body, mode=_PUBLIC)
    write_atomic(home.round_key_signature, signature, mode=_PUBLIC)


def _write_server_certificate(
    home: CoordinatorHome,
    authority: Authority,
    public: certificates.TlsPublicKey,
    hosts: Sequence[str],
    now: datetime,
) -> None:
    certificate = certificates.issue_server(authority, public, hosts, now)
    write_atomic(home.server_certificate, certificate, mode=_PUBLIC)


def _founded(home: CoordinatorHome, now: datetime) -> Founded:
    return Founded(
        study_key=keys.fingerprint(home.study_public()),
        authority=certificates.fingerprint(read_limited(home.ca_certificate)),
        round_key_until=datetime.fromtimestamp(int(now.timestamp()) + round_key.VALIDITY_SECONDS, UTC),
    )


def _write_settings(home: CoordinatorHome, settings: CoordinatorSettings) -> None:
    import tomlkit

    document = tomlkit.document()
    document.add(tomlkit.comment("Written by fedward-coordinator init. Names in the certificate do not change by"))
    document.add(tomlkit.comment("editing hosts: run fedward-coordinator renew after it."))
    document.add("name", settings.name)
    document.add("hosts", tomlkit.item(list(settings.hosts)))
    document.add("listen", settings.listen)
    document.add(tomlkit.comment("0: any free port, chosen at the first run and kept in ports.json"))
    document.add("port", settings.port)
    document.add("enrolment_port", settings.enrolment_port)
    write_atomic(home.coordinator_toml, tomlkit.dumps(document).encode(), mode=_PUBLIC)


def _check(settings: CoordinatorSettings) -> None:
    name = settings.name
    if not name.isprintable() or name != name.strip() or not 0 < len(name) <= 100:  # noqa: PLR2004 - as in an invite
        raise UsageError("the coordinator's name must be 1 to 100 printable characters")
    if settings.port not in _PORTS or settings.enrolment_port not in _PORTS:
        raise UsageError("a port must be between 0 (any free one) and 65535")
    if settings.port == settings.enrolment_port != 0:
        raise UsageError("the link and enrolment need two ports", hint="Give --port and --enrolment-port.")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
