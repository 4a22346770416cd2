"""An invite: what a coordinator hands to one hospital, once, over a channel that people trust.

It carries the whole of what a site must believe beforehand (where the coordinator is, its authority's certificate, the
study key's public half) and one secret, a token that is good for one enrolment. Whoever swaps the keys in an invite is
caught by people: both sides read the two fingerprints to each other by telephone.

The text form looks like PEM and is read strictly: every field once, in one order, in one spelling, with a check value
over all lines before it. That finds damage and slips; only the fingerprints find an impostor.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from fedward_shared.crypto import certificates, keys
from fedward_shared.errors import SignatureError, UsageError

__all__ = ["MAX_INVITE_BYTES", "TOKEN_BYTES", "Invite", "enrolment_body", "parse_invite"]

TOKEN_BYTES = 32
MAX_INVITE_BYTES = 8 * 1024
_VERSION = 1
_BEGIN = "-----BEGIN FEDWARD INVITE-----"
_END = "-----END FEDWARD INVITE-----"
_FIELDS = (
    "Version", "Coordinator", "Site", "Host", "Enrolment-Port", "Link-Port", "Expires", "Token", "Study-Key",
    "Authority", "Check",
)  # fmt: skip
_LINE = 76
_CHECK_BYTES = 9
_LONGEST_NAME = 100
_PORTS = range(1, 65536)
_HOST = re.compile(r"[A-Za-z0-9:.-]{1,253}")
_TIME = "%Y-%m-%dT%H:%M:%SZ"
_ASK = "Ask the coordinator to send the invite again, as a file."


@dataclass(frozen=True, slots=True)
class Invite:
    """What it says. `token` and `study_key` are 32 raw bytes, `authority` is DER, `expires` in seconds since 1970."""

    coordinator: str
    site: str
    host: str
    enrolment_port: int
    link_port: int
    expires: int
    token: bytes
    study_key: bytes
    authority: bytes

    def __post_init__(self) -> None:
        """Checks each field.

        Raises:
            UsageError: a field does not hold what it must.
        """
        name_fits = self.coordinator.isprintable() and 0 < len(self.coordinator) <= _LONGEST_NAME
        if not name_fits or self.coordinator != self.coordinator.strip():
            raise UsageError("the coordinator's name must be 1 to 100 printable characters")
        if not certificates.valid_site_name(self.site):
            raise UsageError(
                f"{self.site!r} cannot name a site",
                hint="Use 1 to 63 of a-z, 0-9 and -, not starting with -.",
            )
        if not _HOST.fullmatch(self.host):
            raise UsageError("the coordinator's host is neither a name nor an address")
        if self.enrolment_port not in _PORTS or self.link_port not in _PORTS:
            raise UsageError("a port in an invite must be between 1 and 65535")
        if len(self.token) != TOKEN_BYTES or len(self.study_key) != keys.PUBLIC_KEY_BYTES or self.expires <= 0:
            raise UsageError("the token or the study key in the invite has the wrong length")

    @property
    def token_digest(self) -> bytes:
        """SHA-256 of the token: all of it that a coordinator stores and a vault sees."""
        return hashlib.sha256(self.token).digest()

    @property
    def study_key_fingerprint(self) -> str:
        """For people."""
        return keys.fingerprint(self.study_key)

    @property
    def authority_fingerprint(self) -> str:
        """For people."""
        return keys.fingerprint(self.authority)

    def text(self) -> str:
        """The form that travels."""
        lines = [_BEGIN, *self._lines()]
        check = _base64(_digest(lines))
        return "\n".join([*lines, f"Check: {check}", _END, ""])

    def _lines(self) -> Iterator[str]:
        expires = datetime.fromtimestamp(self.expires, UTC).strftime(_TIME)
        values = (
            str(_VERSION), self.coordinator, self.site, self.host, str(self.enrolment_port), str(self.link_port),
            expires, _base64(self.token), _base64(self.study_key),
        )  # fmt: skip
        yield from (f"{field}: {value}" for field, value in zip(_FIELDS, values, strict=False))
        yield "Authority:"
        encoded = _base64(self.authority)
        yield from (encoded[start : start + _LINE] for start in range(0, len(encoded), _LINE))


def parse_invite(text: str) -> Invite:
    """Reads an invite, from a file or as pasted; space around lines and text around the invite do not matter.

    1. It is small, and has one beginning and one end.
    2. Every field is there once, in order.
    3. The check value is that of the lines before it.
    4. Every field holds what it must, and the authority's certificate is one.
    5. Writing it again gives the same lines, so there is one spelling only.

    Raises:
        UsageError: one of the five does not hold.
    """
    lines = _between(text)  # 1
    fields = _fields(lines)  # 2
    if _decoded(fields["Check"]) != _digest([_BEGIN, *lines[:-1]]):  # 3
        raise UsageError("the invite was changed or damaged on its way", hint=_ASK)
    if fields["Version"] != str(_VERSION):
        raise UsageError("the invite is of another version", hint="Install the version that the coordinator runs.")
    try:
        expires = datetime.strptime(fields["Expires"], _TIME).replace(tzinfo=UTC)
        invite = Invite(
            coordinator=fields["Coordinator"],
            site=fields["Site"],
            host=fields["Host"],
            enrolment_port=int(fields["Enrolment-Port"]),
            link_port=int(fields["Link-Port"]),
            expires=int(expires.timestamp()),
            token=_decoded(fields["Token"]),
            study_key=_decoded(fields["Study-Key"]),
            authority=_decoded(fields["Authority"]),
        )
        certificates.expiry(invite.authority)  # 4
    except (ValueError, SignatureError) as error:
        raise UsageError("a field of the invite does not hold what it must", hint=_ASK) from error
    if list(invite._lines()) != lines[:-1]:  # noqa: SLF001 - 5; the same file's own class
        raise UsageError("the invite is spelled in another way than invites are", hint=_ASK)
    return invite


def enrolment_body(token_digest: bytes, csr_digest: bytes, site: str) -> bytes:
    """What a vault signs to enrol (enrolment.proto): binds its key to the token, the gateway's request and the name.

    Both digests are SHA-256 (32 bytes), so no two sets of fields give the same bytes.
    """
    return token_digest + csr_digest + site.encode()


def _between(text: str) -> list[str]:
    if len(text) > MAX_INVITE_BYTES:
        raise UsageError("this is too long to be an invite")
    lines = [line.strip() for line in text.splitlines()]
    if lines.count(_BEGIN) != 1 or lines.count(_END) != 1 or lines.index(_BEGIN) > lines.index(_END):
        raise UsageError(
            "this is not an invite",
            hint=f"An invite begins with {_BEGIN} and ends with {_END}; paste all of it, or give the file's name.",
        )
    return [line for line in lines[lines.index(_BEGIN) + 1 : lines.index(_END)] if line]


def _fields(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    order: list[str] = []
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            order.append(name)
            found[name] = value.strip()
        elif order and order[-1] == "Authority":
            found["Authority"] += line
        else:
            order.append(line)
    if tuple(order) != _FIELDS:
        raise UsageError("the invite has a field too few, too many, or out of order", hint=_ASK)
    return found


def _digest(lines: list[str]) -> bytes:
    return hashlib.sha256("\n".join(lines).encode()).digest()[:_CHECK_BYTES]


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeError) as error:
        raise UsageError("a field of the invite is not Base64", hint=_ASK) from error
