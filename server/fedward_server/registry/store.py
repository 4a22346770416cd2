"""The registry: invites and their one-time tokens, sites, revocations, and the heads last seen of each ledger.

Redeeming a token is one transaction together with issuing the certificate, so that a crash leaves an unused token or
a site that has joined, and nothing in between:

1. The token is that of an invite for the site that was named; every invite of that site is compared, in constant time.
2. A used invite answers only the very same request (same signing request, same vault key) and with the same
   certificate, so that a site whose connection broke can ask again. Nobody else gains by it: the certificate is of
   use only to who holds the gateway's key.
3. An unused one must not have expired.
4. What it may do fits what is known: NEW only for an unknown site; RENEW only with the vault key that is known.
5. The certificate is issued; the site's former one, if any, is revoked; the invite is used up.

Whichever of 1 to 4 fails, the answer is the same.
"""

from __future__ import annotations

import hashlib
import hmac
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from fedward_server.registry.database import Database
from fedward_server.registry.records import InviteKind, InviteRecord, Redemption, Revocation, SiteRecord
from fedward_shared.contracts.round import Heads
from fedward_shared.crypto import certificates
from fedward_shared.errors import RefusedError, UsageError

__all__ = ["Registry"]


class Registry:
    """The coordinator's memory of its sites, in one SQLite file. Safe for several threads and processes."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._database = Database(path)
        self._clock = clock

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    # Invites

    def add_invite(self, site: str, token_digest: bytes, expires: int, kind: InviteKind = InviteKind.NEW) -> None:
        """Notes an invite by the SHA-256 of its token. An earlier one for the same site that was not used is void.

        Raises:
            UsageError: the kind does not fit what is known of the site.
        """
        with self._database.change() as change:
            known = change.execute("SELECT 1 FROM sites WHERE name = ?", (site,)).fetchone() is not None
            if known and kind is InviteKind.NEW:
                raise UsageError(
                    f"{site} has joined already",
                    hint="For another certificate: --renew. After its vault was lost: --new-vault.",
                )
            if not known and kind is not InviteKind.NEW:
                raise UsageError(f"{site} has never joined", hint="Invite it without --renew and --new-vault.")
            change.execute("DELETE FROM invites WHERE site = ? AND used IS NULL", (site,))
            change.execute(
                "INSERT INTO invites (token_digest, site, kind, made, expires) VALUES (?, ?, ?, ?, ?)",
                (token_digest, site, kind.value, self._now(), expires),
            )

    def open_invites(self) -> list[InviteRecord]:
        """The invites that can still be used."""
        with self._database.look() as view:
            rows = view.execute(
                "SELECT site, kind, expires FROM invites WHERE used IS NULL AND expires >= ? ORDER BY site",
                (self._now(),),
            ).fetchall()
        return [InviteRecord(row["site"], InviteKind(row["kind"]), row["expires"]) for row in rows]

    def redeem(self, redemption: Redemption, issue: Callable[[str], bytes]) -> bytes:
        """Uses up an invite and gives the site's certificate (PEM), which `issue` makes for the site's name.

        Raises:
            RefusedError: one of the rules in this file's docstring does not hold; which one is not told.
        """
        with self._database.change() as change:
            invite = _invite_of(change, redemption)  # 1
            if invite is None:
                raise _refused()
            site = change.execute("SELECT * FROM sites WHERE name = ?", (redemption.site,)).fetchone()
            if invite["used"] is not None:  # 2
                if not _is_repeated(invite, redemption, site):
                    raise _refused()
                return bytes(site["certificate"])
            if invite["expires"] < self._now() or not _fits(invite, redemption, site):  # 3, 4
                raise _refused()
            certificate = issue(redemption.site)
            self._join(change, invite, redemption, certificate)  # 5
        return certificate

    # Sites

    def sites(self) -> list[SiteRecord]:
        """Every site that ever joined, by name."""
        with self._database.look() as view:
            return [_site_record(row) for row in view.execute("SELECT * FROM sites ORDER BY name")]

    def site(self, name: str) -> SiteRecord | None:
        """A site, or None where it never joined."""
        with self._database.look() as view:
            row = view.execute("SELECT * FROM sites WHERE name = ?", (name,)).fetchone()
        return None if row is None else _site_record(row)

    def is_admitted(self, site: str, serial: int) -> bool:
        """Whether a certificate is the site's present one, not expired and not revoked."""
        with self._database.look() as view:
            row = view.execute(
                "SELECT 1 FROM sites WHERE name = ? AND serial = ? AND revoked IS NULL AND expires > ?",
                (site, _stored(serial), self._now()),
            ).fetchone()
        return row is not None

    def revoke(self, name: str) -> None:
        """Cuts a site off: its certificate no longer counts, and an invite that waits for it is void.

        Raises:
            UsageError: nobody of that name joined.
        """
        with self._database.change() as change:
            row = change.execute("SELECT serial, revoked FROM sites WHERE name = ?", (name,)).fetchone()
            if row is None:
                raise UsageError(f"no site called {name!r} has joined", hint="See: fedward-coordinator sites")
            change.execute("DELETE FROM invites WHERE site = ? AND used IS NULL", (name,))
            if row["revoked"] is None:
                change.execute("UPDATE sites SET revoked = ? WHERE name = ?", (self._now(), name))
                self._note_revocation(change, name, row["serial"])

    def revoked_since(self, number: int = 0) -> list[Revocation]:
        """Revocations after the one with this number; cheap enough to ask several times a second."""
        with self._database.look() as view:
            rows = view.execute(
                "SELECT number, site, serial FROM revocations WHERE number > ? ORDER BY number", (number,)
            ).fetchall()
        return [Revocation(row["number"], row["site"], int(row["serial"], 16)) for row in rows]

    # Heads

    def heads(self, study: bytes, site: str) -> Heads:
        """Where the site's ledger and journal stood when it last answered in this study."""
        with self._database.look() as view:
            row = view.execute("SELECT * FROM heads WHERE study = ? AND site = ?", (study, site)).fetchone()
        if row is None:
            return Heads()
        return Heads(row["ledger_sequence"], row["ledger"], row["journal_sequence"], row["journal"])

    def remember_heads(self, study: bytes, site: str, heads: Heads) -> None:
        """Notes heads from a reply that was verified.

        They may be lower than before: the vault sees the former ones in every instruction and locks itself where they
        are not its own, so a reply with lower ones means that a person at the site has unlocked it.
        """
        with self._database.change() as change:
            change.execute(
                "INSERT OR REPLACE INTO heads VALUES (?, ?, ?, ?, ?, ?)",
                (study, site, heads.ledger_sequence, heads.ledger, heads.journal_sequence, heads.journal),
            )

    def latest_heads(self, site: str) -> Heads:
        """The furthest that the site's ledger was seen in any study, for `sites`."""
        with self._database.look() as view:
            row = view.execute(
                "SELECT * FROM heads WHERE site = ? ORDER BY journal_sequence DESC LIMIT 1", (site,)
            ).fetchone()
        if row is None:
            return Heads()
        return Heads(row["ledger_sequence"], row["ledger"], row["journal_sequence"], row["journal"])

    def _join(
        self, change: sqlite3.Connection, invite: sqlite3.Row, redemption: Redemption, certificate: bytes
    ) -> None:
        former = change.execute(
            "SELECT serial FROM sites WHERE name = ? AND revoked IS NULL", (redemption.site,)
        ).fetchone()
        if former is not None:
            self._note_revocation(change, redemption.site, former["serial"])
        if invite["kind"] == InviteKind.NEW_VAULT:
            change.execute("DELETE FROM heads WHERE site = ?", (redemption.site,))
        serial = _stored(certificates.serial(certificate))
        expires = int(certificates.expiry(certificate).timestamp())
        change.execute(
            "INSERT OR REPLACE INTO sites (name, vault_key, certificate, serial, expires, joined, revoked)"
            " VALUES (?, ?, ?, ?, ?, ?, NULL)",
            (redemption.site, redemption.vault_key, certificate, serial, expires, self._now()),
        )
        change.execute(
            "UPDATE invites SET used = ?, csr_digest = ?, vault_key = ?, serial = ? WHERE number = ?",
            (self._now(), redemption.csr_digest, redemption.vault_key, serial, invite["number"]),
        )

    def _note_revocation(self, change: sqlite3.Connection, site: str, serial: str) -> None:
        change.execute("INSERT INTO revocations (site, serial, at) VALUES (?, ?, ?)", (site, serial, self._now()))

    def _now(self) -> int:
        return int(self._clock())


def _invite_of(view: sqlite3.Connection, redemption: Redemption) -> sqlite3.Row | None:
    digest = hashlib.sha256(redemption.token).digest()
    found = None
    for row in view.execute("SELECT * FROM invites WHERE site = ?", (redemption.site,)):
        if hmac.compare_digest(digest, row["token_digest"]):
            found = row
    return found


def _is_repeated(invite: sqlite3.Row, redemption: Redemption, site: sqlite3.Row | None) -> bool:
    return (
        site is not None
        and site["revoked"] is None
        and site["serial"] == invite["serial"]
        and hmac.compare_digest(redemption.csr_digest, invite["csr_digest"])
        and hmac.compare_digest(redemption.vault_key, invite["vault_key"])
    )


def _fits(invite: sqlite3.Row, redemption: Redemption, site: sqlite3.Row | None) -> bool:
    kind = InviteKind(invite["kind"])
    if kind is InviteKind.NEW or site is None:
        return kind is InviteKind.NEW and site is None
    return kind is InviteKind.NEW_VAULT or hmac.compare_digest(redemption.vault_key, site["vault_key"])


def _site_record(row: sqlite3.Row) -> SiteRecord:
    return SiteRecord(
        name=row["name"],
        vault_key=row["vault_key"],
        certificate=row["certificate"],
        certificate_serial=int(row["serial"], 16),
        certificate_expires=row["expires"],
        joined=row["joined"],
        revoked=row["revoked"],
    )


def _stored(serial: int) -> str:
    return f"{serial:x}"


def _refused() -> RefusedError:
    return RefusedError(
        "the invite is not valid: unknown, used, expired, or for another site",
        hint="Ask the coordinator for a new invite.",
    )
