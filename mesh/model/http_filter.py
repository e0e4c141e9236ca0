"""The HTTP filters and access logs of a connection manager, in the order the pilot lists them.

``PeerMetadata`` and ``IstioStats`` are Istio's own filters; our sidecar has them, a stock Envoy has not.
For Envoy, pilot lists ``HeaderToMetadata`` instead, and the agent beside it counts what it reads in
Envoy's access log stream: see ``mesh/proxy/agent``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mesh.model.access_log_entry import AccessLogType


@dataclass(frozen=True, slots=True)
class PeerMetadata:
    """Istio's metadata exchange: learn the peer from its header, tell it who we are.

    Inbound ("downstream"): read and remove the request's peer headers, put ours on the response.
    Outbound ("upstream"): put ours on the request, read and remove the response's.
    """

    discover: Literal["downstream", "upstream"]


@dataclass(frozen=True, slots=True)
class IstioStats:
    """Istio's standard metrics, as seen by this reporter."""

    reporter: Literal["source", "destination"]


@dataclass(frozen=True, slots=True)
class HeaderToMetadata:
    """Move a request header into the request's dynamic metadata (and off the request)."""

    header: str
    namespace: str
    key: str


@dataclass(frozen=True, slots=True)
class Alpn:
    """What Istio's istio.alpn does: over TLS a request's connection offers ``REQUEST_ALPN``, or its form for
    HTTP/2, so that the other side knows it for requests without looking."""


@dataclass(frozen=True, slots=True)
class GrpcStats:
    """Envoy's grpc_stats: the messages of gRPC calls are counted, and told with the access log entry."""


@dataclass(frozen=True, slots=True)
class FaultFilter:
    """Envoy's fault filter; what it does is written on the routes."""


@dataclass(frozen=True, slots=True)
class LocalRateLimitFilter:
    """Envoy's local_ratelimit filter; what it does is written on the routes."""


@dataclass(frozen=True, slots=True)
class CorsFilter:
    """Envoy's cors filter; what it does is written on the routes."""


@dataclass(frozen=True, slots=True)
class Router:
    """The terminal filter: forwards."""


HttpFilter = (
    PeerMetadata
    | IstioStats
    | HeaderToMetadata
    | Alpn
    | GrpcStats
    | LocalRateLimitFilter
    | FaultFilter
    | CorsFilter
    | Router
)


@dataclass(frozen=True, slots=True)
class FileAccessLog:
    """A text line a request, in Istio's default format. ``types``: only of these moments; () = of all."""

    path: str = "/dev/stdout"
    types: tuple[AccessLogType, ...] = ()


@dataclass(frozen=True, slots=True)
class MetadataTag:
    """A custom tag of an access log entry, read from dynamic metadata or from the upstream host's.

    With kind "literal", ``key`` is unused and ``namespace`` is the value.
    """

    tag: str
    kind: Literal["request", "host", "literal"]
    namespace: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class GrpcAccessLog:
    """Envoy's access log service: entries are streamed in batches to ``cluster``."""

    log_name: str
    cluster: str
    tags: tuple[MetadataTag, ...] = ()
    flush_interval_s: float = 0.5
    buffer_bytes: int = 16384
    types: tuple[AccessLogType, ...] = ()


AccessLog = FileAccessLog | GrpcAccessLog

# the tags this mesh puts on its access log entries; mixer and the agent read them by these names
REPORTER_TAG = "reporter"  # "source" or "destination"
SOURCE_PEER_TAG = "source_peer"  # inbound: the x-envoy-peer-metadata the caller sent
DESTINATION_PEER_TAG = "destination_peer"  # outbound: the endpoint's istio.workload text
