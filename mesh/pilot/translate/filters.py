"""What differs between the two engines, and it alone: our sidecar has Istio's own filters, a stock Envoy not.

* python: metadata exchange and the standard metrics are filters, as in Istio's proxy;
* envoy: the peer is told by a header which the route configuration sets, is read into dynamic metadata, and
  leaves with the access log entry; that log goes to the agent beside Envoy, which counts the metrics out of
  it and passes it on to mixer.
"""

from __future__ import annotations

from dataclasses import replace

from mesh.model import names
from mesh.model.access_log_entry import Reporter
from mesh.model.http_filter import (
    DESTINATION_PEER_TAG,
    REPORTER_TAG,
    SOURCE_PEER_TAG,
    AccessLog,
    Alpn,
    CorsFilter,
    FaultFilter,
    FileAccessLog,
    GrpcAccessLog,
    GrpcStats,
    HeaderToMetadata,
    HttpFilter,
    IstioStats,
    LocalRateLimitFilter,
    MetadataTag,
    PeerMetadata,
    Router,
)
from mesh.model.listener import TcpProxy
from mesh.model.node import Engine, Node
from mesh.model.route import NO_MUTATION, HeaderMutation
from mesh.xds.codec.peer import encode_peer

# the key under which the envoy engine keeps the caller's peer header, in the namespace ISTIO_METADATA
SOURCE_PEER_KEY = "peer"

_INBOUND: dict[Engine, tuple[HttpFilter, ...]] = {
    "python": (PeerMetadata("downstream"), GrpcStats(), FaultFilter(), IstioStats("destination"), Router()),
    "envoy": (
        HeaderToMetadata(names.PEER_METADATA_HEADER, names.ISTIO_METADATA, SOURCE_PEER_KEY),
        GrpcStats(),
        FaultFilter(),
        Router(),
    ),
}
_OUTBOUND: dict[Engine, tuple[HttpFilter, ...]] = {
    "python": (
        PeerMetadata("upstream"),
        GrpcStats(),
        FaultFilter(),
        CorsFilter(),
        IstioStats("source"),
        Router(),
    ),
    "envoy": (GrpcStats(), FaultFilter(), CorsFilter(), Router()),
}
_INBOUND_TAGS = (
    MetadataTag(REPORTER_TAG, "literal", "destination"),
    MetadataTag(SOURCE_PEER_TAG, "request", names.ISTIO_METADATA, SOURCE_PEER_KEY),
)
_OUTBOUND_TAGS = (
    MetadataTag(REPORTER_TAG, "literal", "source"),
    MetadataTag(DESTINATION_PEER_TAG, "host", names.ISTIO_METADATA, names.WORKLOAD_METADATA_KEY),
)


# No client needs longer for its head; whoever does holds a connection for nothing.
HEAD_TIMEOUT_S = 60.0

# Whose x-envoy- fields are heeded: loopback and the private networks, as Envoy had it before it asked.
INTERNAL_NETWORKS = ("10.0.0.0/8", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7")

# What a client may go on in by Upgrade, as in Istio.
UPGRADES = ("websocket",)

# How often a connection that is only bytes is reported while it lasts (Istio's tcp_reporting_duration).
TCP_REPORTING_S = 5.0


def inbound_filters(node: Node, limited: bool = False) -> tuple[HttpFilter, ...]:
    """With a rate limit, once it is known who calls."""
    first, *rest = _INBOUND[node.engine]
    return (first, LocalRateLimitFilter(), *rest) if limited else (first, *rest)


def outbound_filters(node: Node, *, names_protocol: bool = False) -> tuple[HttpFilter, ...]:
    """``names_protocol``: TLS says of requests that they are requests, by ALPN."""
    filters = _OUTBOUND[node.engine]
    if names_protocol:
        at = filters.index(FaultFilter())
        return (*filters[:at], Alpn(), *filters[at:])
    return filters


def inbound_access_logs(node: Node) -> tuple[AccessLog, ...]:
    return _access_logs(node, _INBOUND_TAGS)


def outbound_access_logs(node: Node) -> tuple[AccessLog, ...]:
    return _access_logs(node, _OUTBOUND_TAGS)


def inbound_tcp(node: Node, cluster: str) -> TcpProxy:
    """Nothing in bytes says who sends them: the source is known by its certificate alone."""
    return replace(_tcp(node, cluster, "destination", _INBOUND_TAGS[:1]), after_handshake=True)


def outbound_tcp(node: Node, cluster: str) -> TcpProxy:
    return _tcp(node, cluster, "source", _OUTBOUND_TAGS)


def _tcp(node: Node, cluster: str, reporter: Reporter, tags: tuple[MetadataTag, ...]) -> TcpProxy:
    """Bytes to the cluster; a line a connection when it ends, and its reports for metrics and mixer."""
    line = FileAccessLog(types=("TcpConnectionEnd",))
    return TcpProxy(
        cluster,
        cluster,
        (line, _service_log(node, tags)),
        flush_access_log_on_connected=True,
        access_log_flush_interval_s=TCP_REPORTING_S,
        stats=IstioStats(reporter) if node.engine == "python" else None,
    )


def inbound_request_headers(node: Node) -> HeaderMutation:
    """What the application must not see of the metadata exchange."""
    if node.engine == "python":
        return NO_MUTATION
    return HeaderMutation(remove=(names.PEER_METADATA_ID_HEADER,))


def outbound_request_headers(node: Node) -> HeaderMutation:
    """What tells the next sidecar who is calling; without an id, so it does not answer in kind."""
    if node.engine == "python":
        return NO_MUTATION
    return HeaderMutation(set=((names.PEER_METADATA_HEADER, encode_peer(node.peer())),))


def _access_logs(node: Node, tags: tuple[MetadataTag, ...]) -> tuple[AccessLog, ...]:
    return FileAccessLog(), _service_log(node, tags)


def _service_log(node: Node, tags: tuple[MetadataTag, ...]) -> GrpcAccessLog:
    cluster = names.CONTROL_PLANE_CLUSTER if node.engine == "python" else names.AGENT_CLUSTER
    return GrpcAccessLog("mixer", cluster, tags)
