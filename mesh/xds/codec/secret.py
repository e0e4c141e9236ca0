"""Secrets, as SDS carries them: a certificate with its key, or a bundle of roots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2

from mesh.model.names import ROOT_SECRET, WORKLOAD_SECRET
from mesh.model.tls import Secret, Secrets, TlsCertificate
from mesh.xds.errors import Rejected


def encode_named(secret: Secret) -> Any:
    return encode_secret(secret.name, secret.content)


def decode_named(message: Any) -> Secret:
    return Secret(message.name, decode_secret(message))


def encode_secrets(secrets: Secrets) -> dict[str, Any]:
    """SDS name -> ``Secret``: ``default`` and ``ROOTCA``."""
    return {
        WORKLOAD_SECRET: encode_secret(WORKLOAD_SECRET, secrets.certificate),
        ROOT_SECRET: encode_secret(ROOT_SECRET, secrets.roots_pem),
    }


def decode_secrets(messages: Mapping[str, Any]) -> Secrets:
    """The inverse of ``encode_secrets``. Raises Rejected when one is missing or of the wrong kind."""
    certificate = decode_secret(messages[WORKLOAD_SECRET]) if WORKLOAD_SECRET in messages else None
    roots = decode_secret(messages[ROOT_SECRET]) if ROOT_SECRET in messages else None
    if not isinstance(certificate, TlsCertificate):
        raise Rejected(f"secret {WORKLOAD_SECRET}: tls_certificate: is missing")
    if not isinstance(roots, bytes):
        raise Rejected(f"secret {ROOT_SECRET}: validation_context: is missing")
    return Secrets(certificate, roots)


def encode_secret(name: str, value: TlsCertificate | bytes) -> Any:
    """A certificate, or (bytes) the PEM roots that peers are verified against."""
    if isinstance(value, bytes):
        context = common_pb2.CertificateValidationContext(trusted_ca={"inline_bytes": value})
        return secret_pb2.Secret(name=name, validation_context=context)
    certificate = common_pb2.TlsCertificate(
        certificate_chain={"inline_bytes": value.chain_pem}, private_key={"inline_bytes": value.key_pem}
    )
    return secret_pb2.Secret(name=name, tls_certificate=certificate)


def decode_secret(message: Any) -> TlsCertificate | bytes:
    """Raises Rejected for another kind of secret, or one that does not stand in the message itself."""
    match message.WhichOneof("type"):
        case "tls_certificate":
            held = message.tls_certificate
            chain = _inline(held.certificate_chain, "certificate_chain")
            return TlsCertificate(chain, _inline(held.private_key, "private_key"))
        case "validation_context":
            return _inline(message.validation_context.trusted_ca, "trusted_ca")
        case other:
            raise Rejected(f"secret {message.name}: {other or 'type'}: not supported")


def _inline(source: Any, field: str) -> bytes:
    """An error must never show what the field holds: it may be a key."""
    kind = source.WhichOneof("specifier")
    if kind != "inline_bytes":
        raise Rejected(f"{field}: expected inline_bytes, got {kind or 'nothing'}")
    return bytes(source.inline_bytes)
