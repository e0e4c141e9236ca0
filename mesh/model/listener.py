"""Listeners: what is accepted where, and which filter chain takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.http_filter import AccessLog, HttpFilter, IstioStats
from mesh.model.rate_limit import ConnectionRateLimit
from mesh.model.route import RouteConfiguration
from mesh.model.tls import DownstreamTls

Direction = Literal["INBOUND", "OUTBOUND", "UNSPECIFIED"]
ForwardClientCert = Literal[
    "SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"
]


@dataclass(frozen=True, slots=True)
class HttpConnectionManager:
    """HTTP on a connection. Routes come by name over RDS, or inline: exactly one of the two is given.

    ``upgrades`` are the protocols that clients may go on in ("websocket"), by Upgrade or (HTTP/2) by CONNECT;
    "CONNECT" is that method for its own sake.
    """

    stat_prefix: str
    filters: tuple[HttpFilter, ...]
    route_config_name: str = ""
    route_config: RouteConfiguration | None = None
    access_logs: tuple[AccessLog, ...] = ()
    forward_client_cert: ForwardClientCert = "SANITIZE"
    forward_client_pem: bool = False  # where that writes an element: with the client's certificate itself
    server_name: str = ""  # the "server" response header; "" = pass the upstream's through
    generate_request_id: bool = True
    stream_idle_timeout_s: float = 0.0  # 0 = none, Istio's default
    idle_timeout_s: float = 3600.0
    request_headers_timeout_s: float = 0.0  # from a head's first byte to its last; 0 = none
    max_request_headers_kb: int = 60
    internal_networks: tuple[str, ...] = ()  # CIDR: whose x-envoy- fields are heeded
    use_remote_address: bool = False  # the connection says who asks, not x-forwarded-for: at the mesh's edge
    upgrades: tuple[str, ...] = ()
    enable_trailers: bool = False  # HTTP/1.1's: read and written; else dropped
    accept_http_10: bool = True  # else who speaks HTTP/1.0 is told to upgrade (426)


@dataclass(frozen=True, slots=True)
class TcpProxy:
    """Bytes to a cluster, unread: always one, or one of several by weight (then ``cluster`` is "").

    A connection is logged at its end; besides that when it has its upstream, and at intervals, if asked for.
    With ``after_handshake`` the upstream is dialled when the client's TLS handshake is done, and so known who
    asks; our sidecar never dials before. ``stats`` is Istio's filter before it, which a stock Envoy has not.
    """

    stat_prefix: str
    cluster: str
    access_logs: tuple[AccessLog, ...] = ()
    idle_timeout_s: float = 3600.0  # without a byte either way; 0 = none
    max_connection_duration_s: float = 0.0  # 0 = unlimited
    weighted_clusters: tuple[tuple[str, int], ...] = ()  # (name, share of the sum), shares above 0
    flush_access_log_on_connected: bool = False
    access_log_flush_interval_s: float = 0.0  # 0 = not at intervals
    after_handshake: bool = False  # Envoy's upstream_connect_mode ON_DOWNSTREAM_TLS_HANDSHAKE
    rate_limit: ConnectionRateLimit | None = None  # a filter before this one, as the next
    stats: IstioStats | None = None

    @property
    def clusters(self) -> tuple[str, ...]:
        """Every cluster it may choose."""
        return tuple(name for name, _ in self.weighted_clusters) or (self.cluster,)


NetworkFilter = HttpConnectionManager | TcpProxy


@dataclass(frozen=True, slots=True)
class FilterChainMatch:
    """Empty parts match anything; the more specific chain wins (Envoy's FilterChainMatch order)."""

    destination_port: int | None = None
    transport_protocol: Literal["", "tls", "raw_buffer"] = ""
    server_names: tuple[str, ...] = ()
    application_protocols: tuple[str, ...] = ()
    destination_ranges: tuple[str, ...] = ()  # CIDR: where the connection was going


@dataclass(frozen=True, slots=True)
class FilterChain:
    name: str
    network_filter: NetworkFilter
    match: FilterChainMatch = FilterChainMatch()
    tls: DownstreamTls | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """``use_original_dst`` hands a redirected connection to the listener of its original destination.

    A listener with ``bind_to_port`` False opens no socket: it only takes what is handed to it.

    The inspectors wait for the client's first bytes. One that stays silent, because its server speaks first,
    is taken after ``listener_filters_timeout_s`` as it is (bytes of no known kind), or is closed.
    """

    name: str
    address: str
    port: int
    filter_chains: tuple[FilterChain, ...]
    direction: Direction = "UNSPECIFIED"
    bind_to_port: bool = True
    use_original_dst: bool = False
    inspect_tls: bool = False  # Envoy's tls_inspector listener filter
    tls_inspector_off: tuple[int, ...] = ()  # ... not on these destination ports
    inspect_http: bool = False  # Envoy's http_inspector listener filter, after it
    http_inspector_on: tuple[int, ...] = ()  # ... on these destination ports alone; () = all
    listener_filters_timeout_s: float | None = None  # None = Envoy's 15 s, 0 = wait for ever
    continue_on_listener_filters_timeout: bool = True  # as in all of Istio's listeners
    original_dst: bool = False  # Envoy's original_dst listener filter (inbound: match on the real port)
    default_filter_chain: FilterChain | None = None
    access_logs: tuple[AccessLog, ...] = ()
