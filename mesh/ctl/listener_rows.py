"""``proxy-config listeners``: istioctl's MATCH and DESTINATION of each filter chain. Pure."""

from __future__ import annotations

from typing import Any

from mesh.ctl.config_dump import Json, Row, listeners, match_text

LISTENER_HEADINGS = ("ADDRESSES", "PORT", "MATCH", "DESTINATION")


def listener_rows(dump: Json) -> list[Row]:
    rows = []
    for listener in listeners(dump):
        socket = listener.get("address", {}).get("socket_address", {})
        where = str(socket.get("address", "")), str(socket.get("port_value", 0))
        chains = list(listener.get("filter_chains", ()))
        if "default_filter_chain" in listener:
            chains.append(listener["default_filter_chain"] | {"filter_chain_match": {}})
        rows += [(*where, chain_match(chain), destination(chain)) for chain in chains]
    return sorted(dict.fromkeys(rows), key=lambda row: (int(row[1]), row[0]))


def chain_match(chain: Json) -> str:
    """``Trans: tls; App: istio; Addr: *:9080``, or ``ALL``."""
    match = chain.get("filter_chain_match", {})
    parts = []
    if match.get("server_names"):
        parts.append("SNI: " + ",".join(match["server_names"]))
    if match.get("transport_protocol"):
        parts.append(f"Trans: {match['transport_protocol']}")
    if match.get("application_protocols"):
        parts.append("App: " + ",".join(match["application_protocols"]))
    ranges = [f"{one['address_prefix']}/{one['prefix_len']}" for one in match.get("prefix_ranges", ())]
    port = f":{match['destination_port']}" if match.get("destination_port") else ""
    if ranges or port:
        parts.append(f"Addr: {','.join(ranges) or '*'}{port}")
    return "; ".join(parts) or "ALL"


def destination(chain: Json) -> str:
    """Where the chain leads: a route configuration by name, an inline one, or a cluster."""
    for one in chain.get("filters", ()):
        config: dict[str, Any] = one.get("typed_config", {})
        kind = str(config.get("@type", "")).rpartition(".")[2]
        if kind == "HttpConnectionManager":
            return _http_destination(config)
        if kind == "TcpProxy":
            weighted = config.get("weighted_clusters", {}).get("clusters", ())
            names = [str(cluster["name"]) for cluster in weighted] or [str(config.get("cluster", ""))]
            return "Cluster: " + ", ".join(names)
    return "Non-HTTP/Non-TCP"


def _http_destination(manager: Json) -> str:
    if "rds" in manager:
        return f"Route: {manager['rds'].get('route_config_name', '')}"
    hosts = manager.get("route_config", {}).get("virtual_hosts", ())
    if len(hosts) == 1 and len(hosts[0].get("routes", ())) == 1:
        route = hosts[0]["routes"][0]
        cluster = route.get("route", {}).get("cluster", "")
        if cluster and match_text(route.get("match", {})) == "/*":
            return f"Cluster: {cluster}"
    matches = dict.fromkeys(
        match_text(route.get("match", {})) for host in hosts for route in host.get("routes", ())
    )
    return "Inline Route: " + ", ".join(matches)
