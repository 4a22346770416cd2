"""Certificates: who is named, for what, until when; and every certificate that must not be believed."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedward_shared.crypto import certificates, keys
from fedward_shared.errors import SignatureError, UsageError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
CA = certificates.make_ca("Testverbund", NOW)
OTHER_CA = certificates.make_ca("Testverbund", NOW)
KEY = keys.new_tls_key()
REQUEST = certificates.csr(KEY, "north")


def purposes(pem: bytes) -> list[x509.ObjectIdentifier]:
    return list(x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def signed(builder: x509.CertificateSigningRequestBuilder, key: ec.EllipticCurvePrivateKey) -> bytes:
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def named(*names: x509.GeneralName) -> bytes:
    """A certificate with any names, such as the authority would never issue."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(subject, subject, KEY.public_key(), 1, NOW, NOW + timedelta(days=1))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(Encoding.PEM)


def test_a_site_certificate_names_the_site_for_ninety_days_as_a_client_only() -> None:
    pem = certificates.issue_site(CA, REQUEST, "north", NOW)
    assert certificates.site_of(pem) == "north"
    assert certificates.site_of(certificates.to_der(pem)) == "north"
    assert certificates.expiry(pem) == NOW + timedelta(days=90)
    assert purposes(pem) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    constraints = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca
    certificates.check_issued(pem, CA.certificate, KEY.public_key(), "north", NOW.timestamp())


def test_a_server_certificate_names_hosts_and_addresses_as_a_server_only() -> None:
    pem = certificates.issue_server(CA, KEY.public_key(), ["hub.example.org", "192.0.2.7", "2001:db8::7"], NOW)
    names = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["hub.example.org"]
    assert [str(found) for found in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7", "2001:db8::7"]
    assert purposes(pem) == [ExtendedKeyUsageOID.SERVER_AUTH]
    with pytest.raises(SignatureError, match="names no site"):
        certificates.site_of(pem)


@pytest.mark.parametrize("hosts", [[], [""], ["two words"], ["*.example.org"], ["a/b"], ["-a"]])
def test_a_host_that_is_none_is_refused(hosts: list[str]) -> None:
    with pytest.raises(UsageError):
        certificates.issue_server(CA, KEY.public_key(), hosts, NOW)


def test_the_name_is_the_registrys_and_not_the_requesters() -> None:
    """A request that asks for another site's name, and to be an authority, gets neither."""
    greedy = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "south")]))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier("urn:fedward:site:south")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    )
    pem = certificates.issue_site(CA, signed(greedy, KEY), "north", NOW)
    assert certificates.site_of(pem) == "north"
    found = x509.load_pem_x509_certificate(pem)
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert "south" not in found.public_bytes(Encoding.DER).decode("latin-1")


def test_serials_differ() -> None:
    first, second = (certificates.serial(certificates.issue_site(CA, REQUEST, "north", NOW)) for _ in range(2))
    assert first != second


def forged_request() -> bytes:
    """Somebody else's public key under our own signature: the key's bytes are exchanged after signing."""
    other = keys.new_tls_key().public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    mine = KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    assert mine in REQUEST
    return REQUEST.replace(mine, other)


WEAK = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))


@pytest.mark.parametrize(
    "request_",
    [
        b"",
        b"\x30\x03",
        REQUEST[:-1],
        REQUEST[:-1] + bytes([REQUEST[-1] ^ 1]),
        forged_request(),
        signed(WEAK, ec.generate_private_key(ec.SECP384R1())),
        REQUEST + bytes(certificates.MAX_CSR_BYTES),
    ],
    ids=["empty", "no request", "cut", "signature changed", "another's key", "another curve", "oversized"],
)
def test_a_request_without_proof_of_possession_is_refused(request_: bytes) -> None:
    with pytest.raises(SignatureError):
        certificates.issue_site(CA, request_, "north", NOW)


@pytest.mark.parametrize("name", ["", "North", "a b", "-a", "a" * 64, "a\nb", "ä"])
def test_a_name_that_cannot_name_a_site_is_refused(name: str) -> None:
    with pytest.raises(SignatureError):
        certificates.issue_site(CA, REQUEST, name, NOW)


@pytest.mark.parametrize(
    "names",
    [
        [],
        [x509.DNSName("urn")],
        [x509.UniformResourceIdentifier("urn:fedward:site:")],
        [x509.UniformResourceIdentifier("urn:fedward:site:North")],
        [x509.UniformResourceIdentifier("urn:other:site:north")],
        [x509.UniformResourceIdentifier("urn:fedward:site:a"), x509.UniformResourceIdentifier("urn:fedward:site:b")],
        [x509.UniformResourceIdentifier("urn:fedward:site:a"), x509.DNSName("b")],
    ],
    ids=["none", "a host", "empty", "capital", "another scheme", "two sites", "a site and a host"],
)
def test_a_certificate_names_exactly_one_site_or_none(names: list[x509.GeneralName]) -> None:
    with pytest.raises(SignatureError):
        certificates.site_of(named(*names))


def test_what_an_enrolment_answers_is_checked() -> None:
    mine = certificates.issue_site(CA, REQUEST, "north", NOW)
    stranger = certificates.issue_site(OTHER_CA, REQUEST, "north", NOW)
    public, now = KEY.public_key(), NOW.timestamp()
    for certificate, key, site, at, reason in (
        (stranger, public, "north", now, "authority in the invite"),
        (mine, keys.new_tls_key().public_key(), "north", now, "another key"),
        (mine, public, "south", now, "another site"),
        (mine, public, "north", now + 91 * 86400, "not valid today"),
        (mine, public, "north", now - 86400, "not valid today"),
        (b"no certificate", public, "north", now, "does not hold a certificate"),
    ):
        with pytest.raises(SignatureError, match=reason):
            certificates.check_issued(certificate, CA.certificate, key, site, at)


def test_the_authority_cannot_make_further_authorities() -> None:
    found = x509.load_pem_x509_certificate(CA.certificate).extensions.get_extension_for_class(x509.BasicConstraints)
    assert found.critical
    assert found.value == x509.BasicConstraints(ca=True, path_length=0)
