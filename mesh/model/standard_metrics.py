"""Istio's standard metrics of HTTP traffic: names, labels, buckets, and the rule behind every label's value.

One table for the three places that count requests: the sidecar (``mesh/proxy/istio_stats.py``), the agent
beside a real Envoy, and mixer. Source: istio/proxy ``source/extensions/filters/http/istio_stats`` and Istio's
reference page "Istio Standard Metrics". Pure: (entry, node that reported it) -> values.
"""

from __future__ import annotations

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.identity import SpiffeId
from mesh.model.names import (
    BLACK_HOLE_CLUSTER,
    INBOUND_PASSTHROUGH_CLUSTER,
    PASSTHROUGH_CLUSTER,
    fqdn,
    parse_cluster,
)
from mesh.model.node import DOMAIN, Node
from mesh.model.peer import UNKNOWN, Peer

REQUESTS_TOTAL = "istio_requests_total"
REQUEST_DURATION = "istio_request_duration_milliseconds"
REQUEST_BYTES = "istio_request_bytes"
RESPONSE_BYTES = "istio_response_bytes"
REQUEST_MESSAGES = "istio_request_messages_total"
RESPONSE_MESSAGES = "istio_response_messages_total"
TCP_SENT_BYTES = "istio_tcp_sent_bytes_total"
TCP_RECEIVED_BYTES = "istio_tcp_received_bytes_total"
TCP_OPENED = "istio_tcp_connections_opened_total"
TCP_CLOSED = "istio_tcp_connections_closed_total"
BUILD = "istio_build"

HELP = {
    REQUESTS_TOTAL: "Requests handled, by who asked whom and what came of it.",
    REQUEST_DURATION: "Duration of requests, in milliseconds.",
    REQUEST_BYTES: "Size of requests on the wire, head and body, in bytes.",
    RESPONSE_BYTES: "Size of responses on the wire, head and body, in bytes.",
    REQUEST_MESSAGES: "Messages that gRPC clients sent.",
    RESPONSE_MESSAGES: "Messages that gRPC servers sent.",
    TCP_SENT_BYTES: "Bytes sent to clients over connections that are only bytes.",
    TCP_RECEIVED_BYTES: "Bytes received from clients over connections that are only bytes.",
    TCP_OPENED: "Connections that are only bytes, opened.",
    TCP_CLOSED: "Connections that are only bytes, closed.",
}

HTTP_LABELS = (
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
)
# a connection has no response
_OF_RESPONSES = ("response_code", "grpc_response_status")
TCP_LABELS = tuple(label for label in HTTP_LABELS if label not in _OF_RESPONSES)
# messages are counted by who speaks with whom
MESSAGE_LABELS = tuple(
    label for label in HTTP_LABELS if label == "reporter" or label.startswith(("source_", "destination_"))
)
_OF_MESSAGES = tuple(map(HTTP_LABELS.index, MESSAGE_LABELS))

# upper bounds of the histograms, alike for milliseconds and bytes; +Inf is implied
BUCKETS = (
    0.5, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0,
    30000.0, 60000.0, 300000.0, 600000.0, 1800000.0, 3600000.0,
)  # fmt: skip

# A peer or a client chooses some of the values; no label is longer than this many characters.
MAX_VALUE = 256
OVERFLOW = "overflow"

HEALTH_CHECKER = "Envoy/HC"  # the user agent of active health checks

_SPECIAL_CLUSTERS = {BLACK_HOLE_CLUSTER, PASSTHROUGH_CLUSTER, INBOUND_PASSTHROUGH_CLUSTER}
_SPECIAL_ROUTES = {"block_all": BLACK_HOLE_CLUSTER, "allow_any": PASSTHROUGH_CLUSTER}


def is_health_check(entry: AccessLogEntry) -> bool:
    """Not to be counted: a check of the caller's sidecar, let through to the application by the callee's."""
    return entry.user_agent == HEALTH_CHECKER and may_check_health(entry)


def may_check_health(entry: AccessLogEntry) -> bool:
    """Who says that it is a health checker is believed when it has shown a certificate of the mesh."""
    return entry.reporter == "destination" and bool(entry.source_principal)


def http_labels(entry: AccessLogEntry, node: Node) -> tuple[str, ...]:
    """The values of ``HTTP_LABELS``, in that order. The reporter's own side is always its node."""
    return _values(entry, node, "grpc" if entry.grpc_status else "http")


def message_labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The values of ``MESSAGE_LABELS`` among those of ``HTTP_LABELS``."""
    return tuple(labels[place] for place in _OF_MESSAGES)


def tcp_labels(entry: AccessLogEntry, node: Node) -> tuple[str, ...]:
    """The values of ``TCP_LABELS``, in that order."""
    values = zip(HTTP_LABELS, _values(entry, node, "tcp"), strict=True)
    return tuple(value for label, value in values if label not in _OF_RESPONSES)


def _values(entry: AccessLogEntry, node: Node, protocol: str) -> tuple[str, ...]:
    at_source = entry.reporter == "source"
    source = node.peer() if at_source else entry.source
    destination = entry.destination if at_source else node.peer()
    host, name, namespace = destination_service(entry, node, destination)
    values = (
        entry.reporter,
        source.workload,
        source.canonical_service,
        source.canonical_revision,
        _namespace(source, entry.source_principal),
        entry.source_principal,
        source.app,
        source.version,
        source.cluster,
        destination.workload,
        _namespace(destination, entry.destination_principal),
        entry.destination_principal,
        destination.app,
        destination.version,
        host,
        destination.canonical_service,
        destination.canonical_revision,
        name,
        namespace,
        destination.cluster,
        protocol,
        str(entry.response_code),
        entry.grpc_status or "",
        entry.response_flags or "-",
        connection_security_policy(entry),
    )
    may_be_empty = HTTP_LABELS.index("grpc_response_status")
    return tuple(
        value[:MAX_VALUE] or ("" if place == may_be_empty else UNKNOWN) for place, value in enumerate(values)
    )


def _namespace(peer: Peer, principal: str) -> str:
    """Who says nothing of itself may still have shown a certificate (Istio's fallback)."""
    if peer.namespace != UNKNOWN or not principal:
        return peer.namespace
    try:
        return SpiffeId.parse(principal).namespace
    except ValueError:
        return UNKNOWN


def destination_service(entry: AccessLogEntry, node: Node, destination: Peer) -> tuple[str, str, str]:
    """(destination_service, destination_service_name, destination_service_namespace).

    The cluster says it. Without one (no route, no such service) the host that was asked for stands in, at the
    source only: behind the destination's port anybody may write any host (Istio's host header fallback).
    """
    at_source = entry.reporter == "source"
    key = parse_cluster(entry.upstream_cluster)
    if key is not None and key.host:
        return (key.host, *_name_and_namespace(key.host, destination.namespace))
    special = _SPECIAL_ROUTES.get(entry.route_name, entry.upstream_cluster)
    if special in _SPECIAL_CLUSTERS:
        return entry.authority if at_source else UNKNOWN, special, destination.namespace
    if at_source:
        return entry.authority, entry.authority, destination.namespace
    if node.service:
        host = fqdn(node.service, node.namespace)
        return (host, *_name_and_namespace(host, node.namespace))
    return UNKNOWN, UNKNOWN, node.namespace


def _name_and_namespace(host: str, otherwise: str) -> tuple[str, str]:
    """A Kubernetes-style name carries both; any other host (a ServiceEntry's) is its own name."""
    if not host.endswith("." + DOMAIN):
        return host, otherwise
    name, _, rest = host.partition(".")
    return name, rest.partition(".")[0]


def connection_security_policy(entry: AccessLogEntry) -> str:
    """Only the destination sees what the connection it accepted was."""
    if entry.reporter == "source":
        return UNKNOWN
    return "mutual_tls" if entry.tls_version and entry.source_principal else "none"


def overflow_labels(entry: AccessLogEntry, labels: tuple[str, ...] = HTTP_LABELS) -> tuple[str, ...]:
    """The one series everything goes to when there are too many: only reporter and code are kept."""
    kept = {"reporter": str(entry.reporter), "response_code": str(entry.response_code)}
    return tuple(kept.get(label, OVERFLOW) for label in labels)


def duration_ms(entry: AccessLogEntry) -> float:
    return entry.duration_s * 1000.0


def request_bytes(entry: AccessLogEntry) -> int:
    """Head and body: Istio's page says body, its code counts the wire."""
    return entry.bytes_received + entry.request_header_bytes


def response_bytes(entry: AccessLogEntry) -> int:
    return entry.bytes_sent + entry.response_header_bytes
