"""Deciding on one request to enrol. No socket here: bytes in, bytes out.

1. The request is small and can be read.
2. Every field has the form and length that it must.
3. The signing request is signed by the gateway key in it (proof of possession).
4. The vault key signed token, signing request and site name (proof of possession, and what binds the two keys).
5. The registry takes the token, once, for this site, and issues the certificate in the same transaction.

1 to 4 do not look at the registry, so their answers tell nothing about tokens; 5 has one answer for every failure.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.message import DecodeError

from fedward_server.registry import Redemption, Registry
from fedward_shared.crypto import certificates
from fedward_shared.crypto.certificates import Authority
from fedward_shared.crypto.invite import TOKEN_BYTES, enrolment_body
from fedward_shared.crypto.keys import PUBLIC_KEY_BYTES
from fedward_shared.crypto.signing import SIGNATURE_BYTES, Purpose, verify
from fedward_shared.errors import WireError
from fedward_shared.version import VERSION
from fedward_shared.wire.enrolment_pb2 import ClockReply, EnrolReply, EnrolRequest

__all__ = ["MAX_REQUEST_BYTES", "EnrolmentDesk"]

MAX_REQUEST_BYTES = 4096


class EnrolmentDesk:
    """Enrols sites in `registry` with certificates of `authority`; tells them the study key (32 raw bytes)."""

    def __init__(
        self, registry: Registry, authority: Authority, study_key: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        self._registry = registry
        self._authority = authority
        self._study_key = study_key
        self._clock = clock

    def enrol(self, body: bytes) -> tuple[str, EnrolReply]:
        """The site's name, and what it is answered.

        Raises:
            WireError: 1 or 2 of the file's docstring does not hold.
            SignatureError: 3 or 4.
            RefusedError: 5.
        """
        request = _read(body)  # 1, 2
        certificates.requested_key(request.csr)  # 3
        csr_digest = hashlib.sha256(request.csr).digest()
        token_digest = hashlib.sha256(request.token).digest()
        signed = enrolment_body(token_digest, csr_digest, request.site)
        verify(request.vault_key, Purpose.ENROLMENT, signed, request.vault_signature)  # 4

        def issue(site: str) -> bytes:
            now = datetime.fromtimestamp(self._clock(), UTC)
            return certificates.issue_site(self._authority, request.csr, site, now)

        redemption = Redemption(request.site, request.token, csr_digest, request.vault_key)
        certificate = self._registry.redeem(redemption, issue)  # 5
        return request.site, EnrolReply(certificate=certificate, version=VERSION, study_key=self._study_key)

    def clock(self) -> ClockReply:
        """The coordinator's time."""
        return ClockReply(milliseconds=int(self._clock() * 1000), version=VERSION)


def _read(body: bytes) -> EnrolRequest:
    if len(body) > MAX_REQUEST_BYTES:
        raise WireError("the request to enrol is larger than one can be")
    request = EnrolRequest()
    try:
        request.ParseFromString(body)
    except DecodeError as error:
        raise WireError("the request to enrol cannot be read") from error
    well_formed = (
        certificates.valid_site_name(request.site)
        and len(request.token) == TOKEN_BYTES
        and 0 < len(request.csr) <= certificates.MAX_CSR_BYTES
        and len(request.vault_key) == PUBLIC_KEY_BYTES
        and len(request.vault_signature) == SIGNATURE_BYTES
    )
    if not well_formed:
        raise WireError("a field of the request to enrol does not have the form that it must")
    return request
