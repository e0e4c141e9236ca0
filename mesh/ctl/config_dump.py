"""Envoy's config dump, taken apart: the resources of each type, and istioctl's tables of them. Pure.

Both engines answer /config_dump in the same JSON; an Envoy's has more fields, which are passed over.
Listeners and secrets, which take more words, are in ``listener_rows.py`` and ``secret_rows.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mesh.model.names import parse_cluster

Json = dict[str, Any]
Row = tuple[str, ...]

CLUSTER_HEADINGS = ("SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE", "DESTINATION RULE")
ROUTE_HEADINGS = ("NAME", "VHOST NAME", "DOMAINS", "MATCH", "VIRTUAL SERVICE")
ENDPOINT_HEADINGS = ("NAME", "STATUS", "LOCALITY", "CLUSTER")


def part(dump: Json, name: str) -> Json:
    """The part of a type, e.g. ``ClustersConfigDump``; empty when there is none."""
    for one in dump.get("configs", ()):
        if str(one.get("@type", "")).endswith("." + name):
            return dict(one)
    return {}


def clusters(dump: Json) -> list[Json]:
    found = part(dump, "ClustersConfigDump")
    listed = (*found.get("static_clusters", ()), *found.get("dynamic_active_clusters", ()))
    return [one["cluster"] for one in listed]


def listeners(dump: Json) -> list[Json]:
    found = part(dump, "ListenersConfigDump")
    static = [one["listener"] for one in found.get("static_listeners", ())]
    dynamic = [
        one["active_state"]["listener"] for one in found.get("dynamic_listeners", ()) if "active_state" in one
    ]
    return static + dynamic


def routes(dump: Json) -> list[Json]:
    found = part(dump, "RoutesConfigDump")
    listed = (*found.get("dynamic_route_configs", ()), *found.get("static_route_configs", ()))
    return [one["route_config"] for one in listed]


def cluster_rows(dump: Json) -> list[Row]:
    return sorted(_cluster_row(cluster) for cluster in clusters(dump))


def _cluster_row(cluster: Json) -> Row:
    kind = cluster.get("cluster_type", {}).get("name") or cluster.get("type", "STATIC")
    rule = origin(cluster)
    key = parse_cluster(cluster["name"])
    if key is None:
        return cluster["name"], "-", "-", "-", kind, rule
    return key.host or "", str(key.port), key.subset or "-", key.direction, kind, rule


def origin(resource: Json) -> str:
    """The object a resource was made from, as ``name.namespace``; "" when it was made from none.

    Istio writes it as a path that ends ``.../<kind>/<name>``, this mesh as ``<kind>/<namespace>/<name>``.
    """
    config = str(resource.get("metadata", {}).get("filter_metadata", {}).get("istio", {}).get("config", ""))
    parts = config.split("/")
    if len(parts) == 3:
        return f"{parts[2]}.{parts[1]}"
    if "namespaces" in parts:
        return f"{parts[-1]}.{parts[parts.index('namespaces') + 1]}"
    return config


def route_rows(dump: Json) -> list[Row]:
    """Two chains of a listener may carry the same inline routes: they are one."""
    return list(dict.fromkeys(row for config in routes(dump) for row in _route_rows(config)))


def _route_rows(config: Json) -> Iterator[Row]:
    """One line for each distinct (match, virtual service) of a virtual host, in the order of the rules."""
    for host in config.get("virtual_hosts", ()):
        seen = dict.fromkeys(
            (match_text(route.get("match", {})), origin(route)) for route in host.get("routes", ())
        )
        for match, service in seen:
            yield config.get("name", ""), host["name"], domains_text(host["domains"]), match, service


def domains_text(domains: list[str]) -> str:
    """The names without ports, two of them, and how many there are more."""
    names = list(dict.fromkeys(name if name.startswith("[") else name.partition(":")[0] for name in domains))
    rest = f" + {len(names) - 2} more..." if len(names) > 2 else ""
    return ", ".join(names[:2]) + rest


def match_text(match: Mapping[str, Any]) -> str:
    """``/productpage``, ``/static*``, ``regex ^/x$``; headers and parameters named after it."""
    if "path" in match:
        text = str(match["path"])
    elif "prefix" in match:
        text = str(match["prefix"]) + "*"
    elif "path_separated_prefix" in match:
        text = str(match["path_separated_prefix"]) + "/*"
    elif "safe_regex" in match:
        text = "regex " + str(match["safe_regex"].get("regex", ""))
    else:
        text = "/*"
    conditions = [
        str(one.get("name", "")) for one in (*match.get("headers", ()), *match.get("query_parameters", ()))
    ]
    return text + (f" if {', '.join(conditions)}" if conditions else "")


def endpoint_rows(statuses: Json) -> list[Row]:
    """From /clusters?format=json: every endpoint the sidecar holds."""
    rows = []
    for cluster in statuses.get("cluster_statuses", ()):
        for host in cluster.get("host_statuses", ()):
            rows.append((address_text(host["address"]), _health(host), _locality(host), str(cluster["name"])))
    return sorted(rows, key=lambda row: (row[3], row[0]))


def address_text(address: Json) -> str:
    if "pipe" in address:
        return "unix://" + str(address["pipe"].get("path", ""))
    socket = address.get("socket_address", {})
    host, port = str(socket.get("address", "")), socket.get("port_value", 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _health(host: Json) -> str:
    """HEALTHY unless EDS or a check says otherwise; Envoy leaves UNKNOWN out."""
    health = host.get("health_status", {})
    if health.get("failed_active_health_check") or health.get("failed_outlier_check"):
        return "UNHEALTHY"
    told = str(health.get("eds_health_status", "HEALTHY"))
    return "HEALTHY" if told == "UNKNOWN" else told


def _locality(host: Json) -> str:
    locality = host.get("locality", {})
    return "/".join(str(locality[key]) for key in ("region", "zone", "sub_zone") if locality.get(key))


def statuses_of(dump: Json) -> Json:
    """Endpoints as /clusters has them, from a dump alone: who they are, without what they did."""
    found = part(dump, "EndpointsConfigDump")
    listed = (*found.get("dynamic_endpoint_configs", ()), *found.get("static_endpoint_configs", ()))
    return {"cluster_statuses": [_assignment_status(one["endpoint_config"]) for one in listed]}


def _assignment_status(assignment: Json) -> Json:
    hosts = [
        {
            "address": endpoint["endpoint"]["address"],
            "health_status": {"eds_health_status": endpoint.get("health_status", "HEALTHY")},
            "locality": group.get("locality", {}),
        }
        for group in assignment.get("endpoints", ())
        for endpoint in group.get("lb_endpoints", ())
    ]
    return {"name": assignment["cluster_name"], "host_statuses": hosts}
