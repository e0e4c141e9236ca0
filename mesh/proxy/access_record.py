"""A finished exchange -> the report that logs, metrics and mixer get. Once a request: kept cheap.

The facts it has in common with others are found by one look: the key is made of values that exist already,
and of the other workload's id (what is found keeps that alive, so an id means one workload).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mesh.model.access_log_entry import AccessLogEntry, Reporter
from mesh.model.peer import UNKNOWN_PEER, Peer
from mesh.model.request_report import MAX_KNOWN, CommonFacts, RequestReport
from mesh.proxy.grpc import grpc_status
from mesh.proxy.grpc_messages import GrpcBody
from mesh.remember import remember

if TYPE_CHECKING:
    from mesh.proxy.exchange import Exchange

# as ``AccessRecords.make`` writes it down and ``_common_facts`` reads it
_Key = tuple[
    Reporter, bytes, str, bytes, bytes, int, str, str, str, str, str, str, str, str, str, str, str, str, int
]


class AccessRecords:
    """Makes the reports of one worker; the node it works for is ``own`` and shows ``own_principal``."""

    def __init__(self, own: Peer, own_principal: str) -> None:
        self._own = own
        self._own_principal = own_principal
        self._known: dict[_Key, CommonFacts] = {}

    def make(self, exchange: Exchange, duration_s: float) -> RequestReport:
        request, response, body = exchange.request, exchange.response, exchange.body
        host, cluster, route = exchange.host, exchange.cluster, exchange.route
        info, fields, reporter = exchange.downstream.info, request.fields, exchange.manager.reporter
        far = exchange.peer
        if reporter == "source":
            if far is UNKNOWN_PEER and host is not None:
                far = host.peer
            destination_principal = exchange.upstream_principal
            source_principal = self._own_principal if destination_principal else ""
        else:
            source_principal, destination_principal = info.peer_principal, info.local_principal
        key = (
            reporter,
            request.method,
            "HTTP/1.0" if request.http10 else exchange.downstream.protocol,
            request.authority,
            fields.get(b"x-forwarded-proto", b"http"),
            exchange.status,
            exchange.flags,
            exchange.details,
            exchange.transport_reason,
            host.text if host is not None else "",
            cluster.name if cluster is not None else "",
            info.local_text,
            info.server_name,
            route.name if route is not None else "",
            info.tls_version,
            source_principal,
            destination_principal,
            grpc_status(request, response or exchange.replied, exchange.status)
            if b"content-type" in fields
            else "",
            id(far),
        )
        common = self._known.get(key)
        if common is None:
            common = remember(self._known, key, _common_facts(key, far, self._own), MAX_KNOWN)
        path = fields.get(b"x-envoy-original-path", request.path)
        user_agent = fields.get(b"user-agent", b"")
        request_id = fields.get(b"x-request-id", b"")
        forwarded_for = fields.get(b"x-forwarded-for", b"")
        if not (path.isascii() and user_agent.isascii() and request_id.isascii() and forwarded_for.isascii()):
            path, user_agent, request_id, forwarded_for = map(
                _utf8, (path, user_agent, request_id, forwarded_for)
            )
        report = RequestReport(
            common,
            exchange.start_time,
            duration_s,
            path,
            user_agent,
            request_id,
            forwarded_for,
            body.received if body is not None else 0,
            exchange.bytes_sent,
            request.header_bytes,
            response.header_bytes if response is not None else exchange.header_bytes_sent,
            exchange.service_time_s,
            exchange.upstream_local,
            info.remote_text,
        )
        if isinstance(body, GrpcBody):
            report.request_messages, report.response_messages = (
                body.requests.messages,
                body.responses.messages,
            )
        return report


def _common_facts(key: _Key, far: Peer, own: Peer) -> CommonFacts:
    (
        reporter, method, protocol, authority, scheme, status, flags, details, transport_reason, host,
        cluster, local, server_name, route, tls_version, source_principal, destination_principal, grpc, _,
    ) = key  # fmt: skip
    return CommonFacts(
        AccessLogEntry(
            reporter=reporter,
            start_time=0.0,
            duration_s=0.0,
            method=method.decode(),
            path="",
            protocol=protocol,
            authority=authority.decode("latin-1"),
            response_code=status,
            response_flags=flags,
            response_code_details=details,
            upstream_transport_failure_reason=transport_reason,
            scheme=scheme.decode("latin-1"),
            upstream_host=host,
            upstream_cluster=cluster,
            downstream_local_address=local,
            requested_server_name=server_name,
            route_name=route,
            tls_version=tls_version,
            source_principal=source_principal,
            destination_principal=destination_principal,
            source=own if reporter == "source" else far,
            destination=far if reporter == "source" else own,
            grpc_status=grpc,
        )
    )


def _utf8(value: bytes) -> bytes:
    """Fields are taken for Latin-1, as everywhere."""
    return value.decode("latin-1").encode()
