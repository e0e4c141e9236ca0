"""How a router ends TLS: which certificate it shows, what it asks of clients.

``credentialName`` is a Secret in the router's own namespace; what clients are verified against is in a Secret
of the same name and "-cacert", or else in the same one. A server whose credential is not there is not served:
its clients could only wait.
"""

from __future__ import annotations

from mesh.galley.api.gateway import CIPHER_SUITES, ServerTls
from mesh.model import names
from mesh.model.node import Node
from mesh.model.tls import DownstreamTls, TlsVersion
from mesh.pilot.translate.gateway import BoundServer
from mesh.pilot.translate.secrets import find_secret
from mesh.pilot.world import World

_HTTP_ALPN = ("h2", "http/1.1")
# older versions are not served: galley says so
_LEAST: dict[str, TlsVersion] = {"TLSV1_3": "TLSv1_3"}
_MOST: dict[str, TlsVersion] = {"TLSV1_0": "TLSv1_2", "TLSV1_1": "TLSv1_2", "TLSV1_2": "TLSv1_2"}


def downstream_tls(world: World, node: Node, server: BoundServer) -> DownstreamTls | None:
    """None: its credential is not there."""
    tls = server.server.tls or ServerTls()
    certificate, validation = _secrets(tls)
    wanted = [name for name in (certificate, validation) if names.is_credential(name)]
    if not certificate or any(find_secret(world, node.namespace, name) is None for name in wanted):
        return None
    return DownstreamTls(
        _alpn(server, tls),
        require_client_certificate=tls.mode in ("MUTUAL", "ISTIO_MUTUAL"),
        certificate=certificate,
        validation=validation,
        min_version=_LEAST.get(tls.min_protocol_version or "", "TLSv1_2"),
        max_version=_MOST.get(tls.max_protocol_version or "", "TLSv1_3"),
        cipher_suites=tuple(dict.fromkeys(one for one in tls.cipher_suites if one in CIPHER_SUITES)),
    )


def _secrets(tls: ServerTls) -> tuple[str, str]:
    """(what it shows, what clients are verified against or "")."""
    if tls.mode == "ISTIO_MUTUAL":
        return names.WORKLOAD_SECRET, names.ROOT_SECRET
    name = tls.credential_name or ""
    if not name:
        return "", ""
    return names.credential(name), "" if tls.mode == "SIMPLE" else names.credential_roots(name)


def _alpn(server: BoundServer, tls: ServerTls) -> tuple[str, ...]:
    if server.kind == "https":
        return _HTTP_ALPN
    return names.MTLS_ALPN if tls.mode == "ISTIO_MUTUAL" else ()
