"""A finished exchange -> the facts that logs, metrics and mixer are made from. Once a request: kept cheap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.peer import UNKNOWN_PEER
from mesh.proxy.grpc import grpc_status
from mesh.proxy.grpc_messages import GrpcBody

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange


def make_entry(exchange: Exchange, duration_s: float) -> AccessLogEntry:
    """All fields by place, in the order of ``AccessLogEntry``: a third cheaper than by name."""
    request, response, info = exchange.request, exchange.response, exchange.downstream.info
    host, cluster, worker, route = exchange.host, exchange.cluster, exchange.worker, exchange.route
    fields = request.fields
    reporter, body = exchange.manager.reporter, exchange.body
    peer = exchange.peer
    if reporter == "source":
        source = worker.own_peer
        destination = host.peer if peer is UNKNOWN_PEER and host is not None else peer
        destination_principal = exchange.upstream_principal
        source_principal = worker.own_principal if destination_principal else ""
    else:
        source, destination = peer, worker.own_peer
        source_principal, destination_principal = info.peer_principal, info.local_principal
    entry = AccessLogEntry(
        reporter,
        exchange.start_time,
        duration_s,
        request.method.decode(),
        fields.get(b"x-envoy-original-path", request.path).decode("latin-1"),
        "HTTP/1.0" if request.http10 else exchange.downstream.protocol,
        request.authority.decode("latin-1"),
        exchange.status,
        exchange.flags,
        exchange.details,
        "",
        exchange.transport_reason,
        body.received if body is not None else 0,
        exchange.bytes_sent,
        request.header_bytes,
        response.header_bytes if response is not None else exchange.header_bytes_sent,
        exchange.service_time_s,
        fields.get(b"x-forwarded-proto", b"http").decode("latin-1"),
        fields.get(b"user-agent", b"").decode("latin-1"),
        fields.get(b"x-request-id", b"").decode("latin-1"),
        fields.get(b"x-forwarded-for", b"").decode("latin-1"),
        host.text if host is not None else "",
        cluster.name if cluster is not None else "",
        exchange.upstream_local,
        info.local_text,
        info.remote_text,
        info.server_name,
        route.name if route is not None else "",
        info.tls_version,
        source_principal,
        destination_principal,
        source,
        destination,
        grpc_status(request, response or exchange.replied, exchange.status)
        if b"content-type" in fields
        else "",
    )
    if isinstance(body, GrpcBody):
        entry.request_messages, entry.response_messages = body.requests.messages, body.responses.messages
    return entry
