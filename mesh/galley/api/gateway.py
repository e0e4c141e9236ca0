"""Gateway: what a mesh takes in from outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from mesh.galley.api.base import ApiModel, ApiObject, Items
from mesh.galley.api.scalars import Port

TlsProtocol = Literal["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]
# in their order; TLS_AUTO leaves it open
TLS_VERSIONS = {"TLSV1_0": 10, "TLSV1_1": 11, "TLSV1_2": 12, "TLSV1_3": 13}
ServerTlsMode = Literal[
    "PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"
]

HTTP_PROTOCOLS = ("HTTP", "HTTP2", "GRPC", "GRPC-WEB")
TLS_PROTOCOLS = ("HTTPS", "TLS")
# Those that Istio knows (pkg/config/security.ValidCipherSuites) and both engines still take
CIPHER_SUITES = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
)


class GatewayPort(ApiModel):
    number: Port
    protocol: str
    name: str = ""
    target_port: Port | None = None


class TlsCertificateFiles(ApiModel):
    server_certificate: str = ""
    private_key: str = ""
    ca_certificates: str = ""


class ServerTls(ApiModel):
    https_redirect: bool | None = None
    mode: ServerTlsMode = "PASSTHROUGH"
    server_certificate: str | None = None
    private_key: str | None = None
    ca_certificates: str | None = None
    ca_crl: str | None = None
    credential_name: str | None = None
    credential_names: Items[str] = ()
    ca_cert_credential_name: str | None = None
    tls_certificates: Items[TlsCertificateFiles] = ()
    subject_alt_names: Items[str] = ()
    verify_certificate_spki: Items[str] = ()
    verify_certificate_hash: Items[str] = ()
    min_protocol_version: TlsProtocol | None = None
    max_protocol_version: TlsProtocol | None = None
    cipher_suites: Items[str] = ()


class Server(ApiModel):
    port: GatewayPort
    hosts: Items[str]
    bind: str | None = None
    tls: ServerTls | None = None
    default_endpoint: str | None = None
    name: str = ""


class GatewaySpec(ApiModel):
    servers: Items[Server] = ()
    selector: Mapping[str, str] = Field(default_factory=dict)


class Gateway(ApiObject):
    kind: Literal["Gateway"]
    spec: GatewaySpec
