"""The certificates citadel makes, as SPIFFE's X509-SVID specification wants them. Pure: time is an argument.

A leaf carries its identity as the only URI in a critical SAN (the subject is empty, RFC 5280 4.2.1.6), may
sign (key usage digitalSignature, critical), serves and calls (EKU server and client), and is no CA.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mesh.model.identity import SpiffeId

ROOT_LIFE = timedelta(days=3650)
BACKDATE = timedelta(
    minutes=2
)  # Istio's ClockSkewGracePeriod: a peer whose clock is behind accepts it at once


def root_certificate(key: ec.EllipticCurvePrivateKey, trust_domain: str, now: datetime) -> x509.Certificate:
    """A self-signed root, valid for ten years; the organization is the trust domain, as in Istio."""
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain)])
    return (
        _builder(key.public_key(), now, now + ROOT_LIFE)
        .subject_name(name)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def leaf_certificate(
    root: x509.Certificate,
    root_key: ec.EllipticCurvePrivateKey,
    public_key: CertificatePublicKeyTypes,
    identity: SpiffeId,
    now: datetime,
    ttl: timedelta,
    hosts: Iterable[str] = (),
) -> x509.Certificate:
    """A workload's certificate; it never outlives the root. ``hosts`` are more names: DNS or IP."""
    names = [x509.UniformResourceIdentifier(str(identity)), *(_host_name(host) for host in hosts)]
    return (
        _builder(public_key, now, min(now + ttl, root.not_valid_after_utc))
        .subject_name(x509.Name([]))
        .issuer_name(root.subject)
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(ca=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
            critical=False,
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
        )
        .sign(root_key, hashes.SHA256())
    )


def _builder(
    public_key: CertificatePublicKeyTypes, now: datetime, expires: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATE)
        .not_valid_after(expires)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _host_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
