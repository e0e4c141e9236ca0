"""An HTTP connection manager at run time: what its connections share, compiled from the model.

``table`` changes when routes do and is read at each request, so a new rule is in force at once. The steps
are the configured filters in their order: see ``filters/chain.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from mesh.model.http_filter import AccessLog, Alpn, GrpcStats, IstioStats
from mesh.model.listener import Direction, HttpConnectionManager
from mesh.model.request_report import RequestReport
from mesh.proxy.filters.chain import compile_filters
from mesh.proxy.grpc_messages import counted_body_of
from mesh.proxy.internal import networks
from mesh.proxy.request_body import body_of
from mesh.proxy.route import RouteTable
from mesh.proxy.stats import Counter, Stats
from mesh.proxy.worker import Worker

_CONNECT = b"connect"

Sink = Callable[[RequestReport], None]
# what an access log or the stats filter becomes; None for one that this proxy does not write
MakeSink = Callable[[AccessLog | IstioStats], Sink | None]


class HttpStats:
    """Envoy's ``http.<stat_prefix>.`` counters that the hot path adds to."""

    __slots__ = (
        "cx_active", "cx_total", "protocol_error", "rq_active", "rq_classes", "rq_idle_timeout",
        "rq_overload_close", "rq_total",
    )  # fmt: skip

    def __init__(self, stats: Stats, prefix: str) -> None:
        prefix = f"http.{prefix}.downstream_"
        self.cx_total: Counter = stats.counter(prefix + "cx_total")
        self.cx_active: Counter = stats.gauge(prefix + "cx_active")
        self.protocol_error: Counter = stats.counter(prefix + "cx_protocol_error")
        self.rq_total: Counter = stats.counter(prefix + "rq_total")
        self.rq_active: Counter = stats.gauge(prefix + "rq_active")
        self.rq_overload_close: Counter = stats.counter(prefix + "rq_overload_close")
        self.rq_idle_timeout: Counter = stats.counter(prefix + "rq_idle_timeout")
        self.rq_classes = [stats.counter(f"{prefix}rq_{hundreds}xx") for hundreds in range(10)]


class HttpManager:
    """``sinks`` get each finished exchange's report; ``reporter`` is the side this listener stands on."""

    __slots__ = (
        "enable_trailers",
        "forward_client_cert",
        "generate_request_id",
        "idle_timeout_s",
        "internal_networks",
        "make_body",
        "makes_tunnels",
        "max_header_bytes",
        "model",
        "names_protocol",
        "protocols",
        "reporter",
        "request_steps",
        "response_steps",
        "server_name",
        "sinks",
        "stats",
        "stream_idle_timeout_s",
        "table",
        "upstream_steps",
        "use_remote_address",
        "worker",
    )

    def __init__(
        self,
        model: HttpConnectionManager,
        direction: Direction,
        worker: Worker,
        sinks: tuple[Sink, ...],
    ) -> None:
        """``table`` of a model without inline routes is set from outside. Raises Rejected."""
        self.model = model
        self.worker = worker
        self.sinks = sinks
        self.table = RouteTable(model.route_config) if model.route_config is not None else None
        self.stats = HttpStats(worker.stats, model.stat_prefix)
        self.reporter = _reporter(model, direction)
        self.names_protocol = Alpn() in model.filters
        self.make_body = counted_body_of if GrpcStats() in model.filters else body_of
        self.server_name = model.server_name.encode()
        self.generate_request_id = model.generate_request_id
        self.forward_client_cert = model.forward_client_cert
        self.max_header_bytes = model.max_request_headers_kb * 1024
        self.idle_timeout_s = model.idle_timeout_s
        self.stream_idle_timeout_s = model.stream_idle_timeout_s
        self.internal_networks = networks(model.internal_networks)
        self.use_remote_address = model.use_remote_address
        self.enable_trailers = model.enable_trailers
        upgrades = frozenset(protocol.lower().encode() for protocol in model.upgrades)
        self.protocols = upgrades - {_CONNECT}
        self.makes_tunnels = _CONNECT in upgrades
        filters = compile_filters(model.filters)
        self.request_steps = filters.request
        self.upstream_steps = filters.upstream
        self.response_steps = filters.response


def _reporter(model: HttpConnectionManager, direction: Direction) -> Literal["source", "destination"]:
    for entry in model.filters:
        if isinstance(entry, IstioStats):
            return entry.reporter
    return "destination" if direction == "INBOUND" else "source"
