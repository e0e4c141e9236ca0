"""One request when it is over, or one report of a connection that is only bytes: the facts that logs, metrics
and mixer are made from.

Our proxy fills one at the end of each exchange; the agent and mixer read the same facts out of Envoy's
access log stream (``mesh/xds/codec/access_log.py``). Not frozen: it is made once a request, on the hot path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.peer import UNKNOWN_PEER, Peer

Reporter = Literal["source", "destination"]
# Envoy's names of the moments: a request is over; a connection has its upstream, goes on, is over
AccessLogType = Literal["DownstreamEnd", "TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd"]


@dataclass(slots=True)
class AccessLogEntry:
    """Times are seconds (``start_time`` since the epoch), sizes bytes; "" means not known.

    ``bytes_received`` and ``bytes_sent`` count bodies; the ``*_header_bytes`` count heads.
    ``response_flags`` is the comma-joined short form ("UF,URX") or "-"; ``response_code`` 0: none was sent.

    A connection has no method, path, protocol and authority. All its reports have one ``stream_id``, and
    their bytes are those since its beginning.
    """

    reporter: Reporter
    start_time: float
    duration_s: float
    method: str
    path: str
    protocol: str  # "HTTP/1.1"
    authority: str
    response_code: int
    response_flags: str = "-"
    response_code_details: str = ""
    connection_termination_details: str = ""
    upstream_transport_failure_reason: str = ""
    bytes_received: int = 0
    bytes_sent: int = 0
    request_header_bytes: int = 0
    response_header_bytes: int = 0
    upstream_service_time_s: float | None = None
    scheme: str = "http"
    user_agent: str = ""
    request_id: str = ""
    forwarded_for: str = ""
    upstream_host: str = ""  # "address:port"
    upstream_cluster: str = ""
    upstream_local_address: str = ""
    downstream_local_address: str = ""
    downstream_remote_address: str = ""
    requested_server_name: str = ""
    route_name: str = ""
    tls_version: str = ""  # of the downstream connection; "" = plaintext
    source_principal: str = ""  # SPIFFE URI
    destination_principal: str = ""
    source: Peer = UNKNOWN_PEER
    destination: Peer = UNKNOWN_PEER
    grpc_status: str = ""
    request_messages: int = 0  # of a gRPC call
    response_messages: int = 0
    access_log_type: AccessLogType = "DownstreamEnd"
    stream_id: str = ""
