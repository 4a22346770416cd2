"""What the coordinator's end of the link reads from a handshake before it serves a stream."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, cast

import grpc
import pytest

from fedward_shared.crypto import certificates
from tests.support.echo import EchoFederation


class AbortedError(Exception):
    """What a call ends with."""


class Handshake:
    """A call's context, as far as admission looks at it."""

    def __init__(self, proven: Mapping[str, Sequence[bytes]]) -> None:
        self._proven = proven

    def auth_context(self) -> Mapping[str, Sequence[bytes]]:
        return self._proven

    def abort(self, code: grpc.StatusCode, details: str) -> NoReturn:
        assert code is grpc.StatusCode.PERMISSION_DENIED
        raise AbortedError(details)


@pytest.fixture
def federation(tmp_path: Path) -> EchoFederation:
    return EchoFederation(tmp_path)


def identify(federation: EchoFederation, proven: Mapping[str, Sequence[bytes]]) -> tuple[str, int]:
    with federation.serve() as link:
        return link._identify(cast("Any", Handshake(proven)))


def test_a_site_is_who_its_certificate_says(federation: EchoFederation) -> None:
    _, certificate = federation.credentials("north")
    found = identify(federation, {"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [certificate]})
    assert found == ("north", certificates.serial(certificate))


@pytest.mark.parametrize(
    "version",
    [[], [b"TLSv1.2"], [b"TLSv1.1"], [b""], [b"TLSv1.3", b"TLSv1.2"]],
    ids=["none", "1.2", "1.1", "empty", "two"],
)
def test_anything_older_than_tls_1_3_is_refused(federation: EchoFederation, version: list[bytes]) -> None:
    _, certificate = federation.credentials("north")
    with pytest.raises(AbortedError, match=r"TLS 1\.3"):
        identify(federation, {"ssl_tls_version": version, "x509_pem_cert": [certificate]})


@pytest.mark.parametrize("certificate", [[], [b""], [b"no certificate"]], ids=["none", "empty", "noise"])
def test_a_handshake_without_a_readable_certificate_is_refused(
    federation: EchoFederation, certificate: list[bytes]
) -> None:
    with pytest.raises(AbortedError, match="names no site"):
        identify(federation, {"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": certificate})


def test_a_servers_certificate_is_no_sites(federation: EchoFederation) -> None:
    with pytest.raises(AbortedError, match="names no site"):
        identify(federation, {"ssl_tls_version": [b"TLSv1.3"], "x509_pem_cert": [federation.server_certificate]})
