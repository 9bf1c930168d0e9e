"""X.509 as the gateway needs it: an authority for a few names, and a server's certificate.

Importing this module imports cryptography; nothing does so before it has to.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from falkit_mock.core.network import CERTIFIED
from falkit_mock.gateway import AUTHORITY

AUTHORITY_LASTS = timedelta(days=730)
# Apple's systems refuse server certificates that last longer than 825 days, others 398.
LEAF_LASTS = timedelta(days=397)
# A clock that is a little behind must not find a certificate from the future.
_SLACK = timedelta(days=1)


def make_authority(lasts: timedelta = AUTHORITY_LASTS) -> bytes:
    """Return a new authority as PEM: its private key, then its certificate.

    It may sign for CERTIFIED names and nothing else, so that whoever got hold of the key could
    not pass for another site.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(AUTHORITY)
    now = datetime.now(UTC)
    everywhere = (x509.IPAddress(ip_network("0.0.0.0/0")), x509.IPAddress(ip_network("::/0")))
    certificate = (
        _builder(name, name, key.public_key(), now, now + lasts)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(authority=True), critical=True)
        .add_extension(
            x509.NameConstraints([x509.DNSName(name) for name in CERTIFIED], everywhere),
            critical=True,
        )
        .sign(key, hashes.SHA256())
    )
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def issue(authority: bytes, names: Iterable[str]) -> bytes:
    """Return a server's key, its certificate for `names` and the authority's, as PEM.

    Raise ValueError if `authority` isn't what make_authority returns.
    """
    signer = serialization.load_pem_private_key(authority, None)
    issuer = x509.load_pem_x509_certificate(authority)
    if not isinstance(signer, ec.EllipticCurvePrivateKey):
        raise ValueError("not an elliptic curve's key")
    if signer.public_key() != issuer.public_key():
        raise ValueError("the certificate is another key's")
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    ends = min(now + LEAF_LASTS, issuer.not_valid_after_utc)
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    certificate = (
        _builder(_name("falkit"), issuer.subject, key.public_key(), now, ends)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False
        )
        .add_extension(identifier, critical=False)
        .sign(signer, hashes.SHA256())
    )
    own, above = (one.public_bytes(serialization.Encoding.PEM) for one in (certificate, issuer))
    return _pem(key) + own + above


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    ends: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(ends)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
