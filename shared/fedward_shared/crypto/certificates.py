"""X.509 certificates (RFC 5280) of the federation's own small authority: the server's and the sites'.

A site's name is the URI ``urn:fedward:site:NAME`` in its certificate's subjectAltName and nowhere else; nothing that
a requester wrote into a signing request is taken over except the public key.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fedward_shared.crypto import keys
from fedward_shared.errors import SignatureError, UsageError

__all__ = [
    "MAX_CSR_BYTES",
    "SITE_VALIDITY",
    "Authority",
    "TlsPublicKey",
    "check_issued",
    "csr",
    "expiry",
    "fingerprint",
    "issue_server",
    "issue_site",
    "make_ca",
    "public_key",
    "requested_key",
    "serial",
    "site_of",
    "to_der",
    "to_pem",
    "valid_site_name",
]

SITE_VALIDITY = timedelta(days=90)
_SERVER_VALIDITY = timedelta(days=397)
_CA_VALIDITY = timedelta(days=3650)
_BACKDATED = timedelta(minutes=10)
"""Clocks differ: a certificate issued now must hold on a machine that is a little behind."""

TlsPublicKey = ec.EllipticCurvePublicKey
MAX_CSR_BYTES = 2048
_SITE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SITE_URI = "urn:fedward:site:"
_PEM_START = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Authority:
    """The enrolment authority: its private key and its certificate (PEM)."""

    key: ec.EllipticCurvePrivateKey
    certificate: bytes


def valid_site_name(name: str) -> bool:
    """Whether a name can name a site: 1 to 63 of a–z, 0–9 and -, not starting with -."""
    return _SITE_NAME.fullmatch(name) is not None


def make_ca(name: str, now: datetime) -> Authority:
    """A new authority for the coordinator called `name`; it can sign end certificates only (path length 0)."""
    key = keys.new_tls_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Fedward enrolment, {name}"[:64])])
    builder = _builder(subject, subject, key.public_key(), now, _CA_VALIDITY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=True), critical=True)
    return Authority(key, builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))


def issue_server(authority: Authority, public: TlsPublicKey, hosts: Sequence[str], now: datetime) -> bytes:
    """The coordinator's certificate (PEM) for the names and IP addresses in `hosts`.

    Raises:
        UsageError: there is no host, or one is neither a DNS name nor an IP address.
    """
    if not hosts:
        raise UsageError("the coordinator's certificate needs at least one host name or address")
    names = x509.SubjectAlternativeName([_host_name(host) for host in hosts])
    return _issue(authority, public, names, ExtendedKeyUsageOID.SERVER_AUTH, now=now, validity=_SERVER_VALIDITY)


def csr(key: ec.EllipticCurvePrivateKey, site: str) -> bytes:
    """A signing request (PKCS #10, RFC 2986, DER): proves that who asks holds the key."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, site)])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.DER)


def issue_site(
    authority: Authority, request: bytes, site: str, now: datetime, validity: timedelta = SITE_VALIDITY
) -> bytes:
    """A site's certificate (PEM) for the key in a signing request (DER). Its name is the registry's, not the request's.

    Raises:
        SignatureError: the request is malformed or too large, is not signed by its own key, or its key is not on P-256.
    """
    if not valid_site_name(site):
        raise SignatureError("the site's name is not one that a certificate can carry")
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(_SITE_URI + site)])
    return _issue(authority, requested_key(request), names, ExtendedKeyUsageOID.CLIENT_AUTH, now=now, validity=validity)


def requested_key(request: bytes) -> TlsPublicKey:
    """The key in a signing request (DER), once the request is shown to be signed by that key."""
    if len(request) > MAX_CSR_BYTES:
        raise SignatureError("the signing request is larger than one can be")
    try:
        parsed = x509.load_der_x509_csr(request)
        valid, public = parsed.is_signature_valid, parsed.public_key()
    except (ValueError, TypeError, InvalidSignature, x509.UnsupportedGeneralNameType) as error:
        raise SignatureError("the signing request cannot be read") from error
    if not valid:
        raise SignatureError("the signing request is not signed by the key in it")
    return _on_p256(public)


def check_issued(certificate: bytes, authority: bytes, public: TlsPublicKey, site: str, now: float) -> None:
    """Checks what an enrolment answered: made by this authority, for this key and site, valid at `now` (seconds).

    Raises:
        SignatureError: one of these does not hold.
    """
    issued, issuer = _load(certificate), _load(authority)
    try:
        issued.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature) as error:
        raise SignatureError("the certificate was not made by the authority in the invite") from error
    if _on_p256(issued.public_key()) != public:
        raise SignatureError("the certificate is for another key")
    if site_of(certificate) != site:
        raise SignatureError("the certificate is for another site")
    today = datetime.fromtimestamp(now, UTC)
    if not issued.not_valid_before_utc <= today <= issued.not_valid_after_utc:
        raise SignatureError("the certificate is not valid today", hint="Compare this machine's clock with the time.")


def site_of(certificate: bytes) -> str:
    """The site that a certificate (PEM or DER) names.

    Raises:
        SignatureError: it names none, or more than one.
    """
    try:
        names = _load(certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension) as error:
        raise SignatureError("the certificate names no site") from error
    uris = [name.value for name in names if isinstance(name, x509.UniformResourceIdentifier)]
    if len(uris) != 1 or len(list(names)) != 1 or not uris[0].startswith(_SITE_URI):
        raise SignatureError("the certificate names no site")
    site = uris[0].removeprefix(_SITE_URI)
    if not valid_site_name(site):
        raise SignatureError("the certificate names no site")
    return site


def serial(certificate: bytes) -> int:
    """The serial number of a certificate (PEM or DER): up to 160 bits."""
    return _load(certificate).serial_number


def expiry(certificate: bytes) -> datetime:
    """The last moment (UTC) at which a certificate (PEM or DER) is valid."""
    return _load(certificate).not_valid_after_utc


def public_key(certificate: bytes) -> TlsPublicKey:
    """The P-256 key in a certificate (PEM or DER)."""
    return _on_p256(_load(certificate).public_key())


def fingerprint(certificate: bytes) -> str:
    """`keys.fingerprint` of a certificate (PEM or DER)."""
    return keys.fingerprint(to_der(certificate))


def to_der(certificate: bytes) -> bytes:
    """A certificate (PEM or DER) as DER."""
    return _load(certificate).public_bytes(Encoding.DER)


def to_pem(certificate: bytes) -> bytes:
    """A certificate (PEM or DER) as PEM."""
    return _load(certificate).public_bytes(Encoding.PEM)


def _issue(
    authority: Authority,
    public: TlsPublicKey,
    names: x509.SubjectAlternativeName,
    purpose: x509.ObjectIdentifier,
    *,
    now: datetime,
    validity: timedelta,
) -> bytes:
    issuer = _load(authority.certificate)
    builder = _builder(x509.Name([]), issuer.subject, public, now, validity)
    builder = builder.add_extension(names, critical=True)  # RFC 5280, 4.1.2.6: critical where the subject is empty
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_key_usage(signs_certificates=False), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: TlsPublicKey, now: datetime, validity: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", host):
        raise UsageError(f"{host!r} is neither a host name nor an IP address")
    return x509.DNSName(host)


def _on_p256(public: object) -> TlsPublicKey:
    if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
        raise SignatureError("the key is not an ECDSA key on P-256")
    return public


def _load(certificate: bytes) -> x509.Certificate:
    try:
        if certificate.lstrip().startswith(_PEM_START):
            return x509.load_pem_x509_certificate(certificate)
        return x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise SignatureError("the file does not hold a certificate") from error
