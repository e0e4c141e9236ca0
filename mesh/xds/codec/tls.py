"""Transport sockets: TLS with SDS names, and the raw one.

The workload's own secrets come from the agent beside the proxy, those of the control plane over ADS, and
files are read by the proxy itself.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from envoy.config.core.v3 import base_pb2
from envoy.extensions.transport_sockets.raw_buffer.v3 import raw_buffer_pb2
from envoy.extensions.transport_sockets.tls.v3 import common_pb2, secret_pb2, tls_pb2

from mesh.model.names import (
    FILE_CERTIFICATE,
    FILE_ROOTS,
    file_certificate,
    file_roots,
    is_credential,
)
from mesh.model.tls import DownstreamTls, TlsVersion, UpstreamTls
from mesh.xds.codec.wire import ads_source, pack, sds_source, unpack
from mesh.xds.errors import Rejected

_TLS_SOCKET = "envoy.transport_sockets.tls"
_RAW_SOCKET = "envoy.transport_sockets.raw_buffer"
_San = common_pb2.SubjectAltNameMatcher
_VERSIONS: dict[TlsVersion, int] = {
    "TLSv1_2": common_pb2.TlsParameters.TLSv1_2,
    "TLSv1_3": common_pb2.TlsParameters.TLSv1_3,
}


def encode_downstream(tls: DownstreamTls) -> Any:
    common = _common(tls.alpn, tls.certificate, tls.min_version, tls.max_version, tls.cipher_suites)
    if tls.validation:
        common.validation_context_sds_secret_config.CopyFrom(_secret(tls.validation))
    context = tls_pb2.DownstreamTlsContext(common_tls_context=common)
    context.require_client_certificate.value = tls.require_client_certificate
    return _socket(_TLS_SOCKET, context)


def decode_downstream(socket: Any) -> DownstreamTls:
    context = unpack(socket.typed_config, tls_pb2.DownstreamTlsContext)
    common = context.common_tls_context
    parameters = common.tls_params
    return DownstreamTls(
        alpn=tuple(common.alpn_protocols),
        require_client_certificate=context.require_client_certificate.value,
        certificate=_certificate(common),
        validation=common.validation_context_sds_secret_config.name,
        min_version=_version(parameters.tls_minimum_protocol_version),
        max_version=_version(parameters.tls_maximum_protocol_version),
        cipher_suites=tuple(parameters.cipher_suites),
    )


def encode_upstream(tls: UpstreamTls) -> Any:
    common = _common(tls.alpn, tls.certificate)
    if tls.validation.startswith(FILE_ROOTS):
        context = common.validation_context
        context.trusted_ca.filename = tls.validation.removeprefix(FILE_ROOTS)
        _add_names(context, tls.subject_alt_names)
    elif tls.validation:
        combined = common.combined_validation_context
        combined.validation_context_sds_secret_config.CopyFrom(_secret(tls.validation))
        combined.default_validation_context.SetInParent()
        _add_names(combined.default_validation_context, tls.subject_alt_names)
    return _socket(_TLS_SOCKET, tls_pb2.UpstreamTlsContext(common_tls_context=common, sni=tls.sni))


def decode_upstream(socket: Any) -> UpstreamTls:
    context = unpack(socket.typed_config, tls_pb2.UpstreamTlsContext)
    common = context.common_tls_context
    if common.HasField("validation_context"):
        verification = common.validation_context
        validation = file_roots(verification.trusted_ca.filename)
    else:
        verification = common.combined_validation_context.default_validation_context
        validation = common.combined_validation_context.validation_context_sds_secret_config.name
    return UpstreamTls(
        sni=context.sni,
        alpn=tuple(common.alpn_protocols),
        subject_alt_names=tuple(name.matcher.exact for name in verification.match_typed_subject_alt_names),
        certificate=_certificate(common),
        validation=validation,
    )


def _add_names(context: Any, alt_names: tuple[str, ...]) -> None:
    for name in alt_names:
        context.match_typed_subject_alt_names.add(san_type=_san_type(name)).matcher.exact = name


def _san_type(name: str) -> int:
    """What an expected name is, by its looks: SPIFFE ids and other URIs, addresses, DNS names."""
    if "://" in name:
        return int(_San.URI)
    try:
        ip_address(name)
    except ValueError:
        return int(_San.DNS)
    return int(_San.IP_ADDRESS)


def raw_socket() -> Any:
    return _socket(_RAW_SOCKET, raw_buffer_pb2.RawBuffer())


def _common(
    alpn: tuple[str, ...],
    certificate: str,
    least: TlsVersion = "TLSv1_2",
    most: TlsVersion = "TLSv1_3",
    cipher_suites: tuple[str, ...] = (),
) -> Any:
    """TLS 1.2 to 1.3, as Istio sets it between sidecars (Envoy's own upstream default ends at 1.2)."""
    parameters = common_pb2.TlsParameters(
        tls_minimum_protocol_version=_VERSIONS[least],
        tls_maximum_protocol_version=_VERSIONS[most],
        cipher_suites=cipher_suites,
    )
    common = tls_pb2.CommonTlsContext(tls_params=parameters, alpn_protocols=alpn)
    if certificate.startswith(FILE_CERTIFICATE):
        chain, _, key = certificate.removeprefix(FILE_CERTIFICATE).partition("~")
        files = common.tls_certificates.add()
        files.certificate_chain.filename = chain
        files.private_key.filename = key
    elif certificate:
        common.tls_certificate_sds_secret_configs.append(_secret(certificate))
    return common


def _certificate(common: Any) -> str:
    for files in common.tls_certificates:
        return file_certificate(files.certificate_chain.filename, files.private_key.filename)
    configs = common.tls_certificate_sds_secret_configs
    return str(configs[0].name) if configs else ""


def _version(number: int) -> TlsVersion:
    for version, its_number in _VERSIONS.items():
        if its_number == number:
            return version
    name = common_pb2.TlsParameters.TlsProtocol.Name(number)
    raise Rejected(f"tls_params: {name}: not supported, expected {' or '.join(_VERSIONS)}")


def _secret(name: str) -> Any:
    source = ads_source() if is_credential(name) else sds_source()
    return secret_pb2.SdsSecretConfig(name=name, sds_config=source)


def _socket(name: str, config: Any) -> Any:
    return base_pb2.TransportSocket(name=name, typed_config=pack(config))
