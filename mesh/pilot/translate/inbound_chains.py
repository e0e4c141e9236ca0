"""The filter chains an application's port has: by what the port speaks, and by which mTLS mode is in force.

PERMISSIVE has all chains of a kind of port, STRICT those that end mutual TLS, DISABLE those for plaintext. A
chain is the same in each mode: a change of mode adds or takes away chains, and Envoy then drains the
connections of those alone.

A port that does not say what it speaks (AUTO) tells requests from bytes by ALPN under mutual TLS (the
caller's sidecar has looked), by the first bytes in plaintext (Istio's ``getFilterChainMatchOptions``).
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from mesh.model import names
from mesh.model.node import ServicePort
from mesh.model.tls import DownstreamTls
from mesh.pilot.services import is_auto, is_http
from mesh.pilot.translate.peer_authentication import Mode

Transport = Literal["tls", "raw_buffer"]
MTLS = DownstreamTls(names.MTLS_ALPN)
_HTTP_MTLS = DownstreamTls(names.INBOUND_HTTP_ALPN)


class ChainKind(NamedTuple):
    """``name`` is unique among the chains of a port."""

    name: str
    transport: Transport
    protocols: tuple[str, ...]
    http: bool
    tls: DownstreamTls | None = None


_HTTP = (
    ChainKind("mtls", "tls", (), True, _HTTP_MTLS),
    ChainKind("plaintext", "raw_buffer", (), True),
)
# an application behind an HTTP port does not speak TLS itself, one behind any other may
_TCP = (
    ChainKind("mtls", "tls", names.MTLS_ALPN, False, MTLS),
    ChainKind("plaintext", "raw_buffer", (), False),
    ChainKind("tls", "tls", (), False),
)
_AUTO = (
    ChainKind("http_mtls", "tls", names.MTLS_HTTP_ALPN, True, _HTTP_MTLS),
    ChainKind("http_plaintext", "raw_buffer", names.PLAINTEXT_HTTP, True),
    ChainKind("mtls", "tls", names.MTLS_TCP_ALPN, False, MTLS),
    ChainKind("plaintext", "raw_buffer", (), False),
    ChainKind("tls", "tls", (), False),
)


def chain_kinds(port: ServicePort, mode: Mode) -> tuple[ChainKind, ...]:
    """Those in force. With DISABLE nothing looks for TLS, and all is plaintext."""
    kinds = _HTTP if is_http(port) else _AUTO if is_auto(port) else _TCP
    if mode == "STRICT":
        return tuple(kind for kind in kinds if kind.tls is not None)
    if mode == "DISABLE":
        return tuple(kind for kind in kinds if kind.transport == "raw_buffer")
    return kinds


def refused_transports(port: ServicePort) -> tuple[Transport, ...]:
    """What a STRICT port has to refuse by name where other ports do not."""
    return ("raw_buffer",) if is_http(port) else ("raw_buffer", "tls")
