"""Envoy's bootstrap and command line, after Istio's (tools/packaging/common/envoy_bootstrap.json). Pure.

Envoy itself talks to two Unix sockets only, both the agent's:

    xds-grpc  ADS and mixer's access logs, which the agent forwards to the control plane over TLS with a
              fresh token (Envoy could only hold a fixed one)
    sds-grpc  its certificate and key, and the access logs the agent counts Istio's metrics from
"""

from __future__ import annotations

from typing import Any

from mesh.model.names import (
    ADMIN_PORT,
    AGENT_CLUSTER,
    CONTROL_PLANE_CLUSTER,
    ENVOY_METRICS_PORT,
)
from mesh.model.node import Node
from mesh.proxy.metrics_server import open_address
from mesh.proxy.overload import DEFAULT_LIMITS, REFRESH_S, REJECT_CONNECTIONS, STOP_REQUESTS, OverloadLimits

# relative to Envoy's working directory: a socket's path must fit into 107 bytes (sun_path, unix(7))
SDS_SOCKET = "sds.sock"
XDS_SOCKET = "xds.sock"

_STATS_CLUSTER = "prometheus_stats"
_HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"


def arguments(config_path: str, concurrency: int) -> tuple[str, ...]:
    """Envoy's flags, as Istio gives them: changed listeners drain at once, for at most 45 s."""
    return (
        *("--config-path", config_path),
        *("--concurrency", str(concurrency)),
        *("--drain-time-s", "45"),
        *("--drain-strategy", "immediate"),
        "--disable-hot-restart",
        *("--local-address-ip-version", "v4"),
        *("--log-level", "warning"),
        *("--file-flush-interval-msec", "1000"),
    )


def envoy_bootstrap(node: Node, overload: OverloadLimits = DEFAULT_LIMITS) -> dict[str, Any]:
    """The bootstrap as JSON's types, in the field names of envoy.config.bootstrap.v3.Bootstrap."""
    return {
        "node": {"id": node.id, "cluster": f"{node.app}.{node.namespace}", "metadata": node.to_metadata()},
        "admin": {"address": _address(node.admin_address, ADMIN_PORT)},
        "layered_runtime": {"layers": [_STATIC_RUNTIME, {"name": "admin", "admin_layer": {}}]},
        "overload_manager": _overload_manager(overload),
        "stats_config": {"use_all_default_tags": True},
        "dynamic_resources": {
            "lds_config": _over_ads(),
            "cds_config": _over_ads(),
            "ads_config": {
                "api_type": "GRPC",
                "transport_api_version": "V3",
                "set_node_on_first_message_only": True,
                "grpc_services": [{"envoy_grpc": _control_plane()}],
            },
        },
        "static_resources": {
            "clusters": [
                _agent_cluster(CONTROL_PLANE_CLUSTER, XDS_SOCKET),
                _agent_cluster(AGENT_CLUSTER, SDS_SOCKET),
                _cluster(_STATS_CLUSTER, _address(node.admin_address, ADMIN_PORT)),
            ],
            "listeners": [_stats_listener(open_address(node))],
        },
    }


# Istio's: a regular expression of any size that RE2 takes
_STATIC_RUNTIME = {"name": "global config", "static_layer": {"re2.max_program_size.error_level": 32768}}
_MONITORS = "type.googleapis.com/envoy.extensions.resource_monitors"
_UNLIMITED = 2147483647  # Envoy warns unless there is some number


def _overload_manager(limits: OverloadLimits) -> dict[str, Any]:
    """The same limits as our sidecar's, less the one that is only about our event loop."""
    connections = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": f"{_MONITORS}.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": limits.max_downstream_connections or _UNLIMITED,
        },
    }
    if not limits.max_heap_bytes:
        return {"resource_monitors": [connections]}
    heap = {
        "name": _HEAP,
        "typed_config": {
            "@type": f"{_MONITORS}.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": limits.max_heap_bytes,
        },
    }
    return {
        "refresh_interval": f"{REFRESH_S}s",
        "resource_monitors": [connections, heap],
        "actions": [
            _overload_action("stop_accepting_requests", STOP_REQUESTS),
            _overload_action("reject_incoming_connections", REJECT_CONNECTIONS),
        ],
    }


_HEAP = "envoy.resource_monitors.fixed_heap"


def _overload_action(name: str, threshold: float) -> dict[str, Any]:
    trigger = {"name": _HEAP, "threshold": {"value": threshold}}
    return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}


def _over_ads() -> dict[str, Any]:
    """``initial_fetch_timeout`` 0: not ready before the control plane has configured it."""
    return {"ads": {}, "initial_fetch_timeout": "0s", "resource_api_version": "V3"}


def _control_plane() -> dict[str, Any]:
    """Reconnect within a second; Envoy's default backoff reaches 30 s."""
    backoff = {"base_interval": "0.1s", "max_interval": "1s"}
    return {"cluster_name": CONTROL_PLANE_CLUSTER, "retry_policy": {"retry_back_off": backoff}}


def _agent_cluster(name: str, socket: str) -> dict[str, Any]:
    made = _cluster(name, {"pipe": {"path": socket}})
    http2 = {"@type": f"type.googleapis.com/{_HTTP2}", "explicit_http_config": {"http2_protocol_options": {}}}
    made["typed_extension_protocol_options"] = {_HTTP2: http2}
    return made


def _cluster(name: str, address: dict[str, Any]) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": address}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def _stats_listener(address: str) -> dict[str, Any]:
    """15090: /stats/prometheus of the admin interface and nothing else of it."""
    route = {"match": {"path": "/stats/prometheus"}, "route": {"cluster": _STATS_CLUSTER}}
    manager = {
        "@type": _HCM,
        "stat_prefix": "stats",
        "route_config": {"virtual_hosts": [{"name": "backend", "domains": ["*"], "routes": [route]}]},
        "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER}}],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": _STATS_CLUSTER,
        "address": _address(address, ENVOY_METRICS_PORT),
        "filter_chains": [chain],
    }


def _address(address: str, port: int) -> dict[str, Any]:
    return {"socket_address": {"address": address, "port_value": port}}
