"""An area for HTTP/2: one origin, which the authority says how to speak to."""

from __future__ import annotations

from differ.http2_case import HTTP2
from differ.resources import Area, Ports, any_host, cluster, to
from mesh.model.cluster import Cluster
from mesh.model.route import Route, RouteMatch, VirtualHost

ORIGIN_HTTP2 = "outbound|9090||origin.default.svc.cluster.local"


def area(name: str, *hosts: VirtualHost, **options: object) -> Area:
    """``hosts`` come before the two that every such area has."""
    http2 = VirtualHost("http2", (HTTP2,), (Route(RouteMatch(), to(ORIGIN_HTTP2)),))
    others = any_host(Route(RouteMatch(), to()))
    return Area(name, (*hosts, http2, *others), clusters=_clusters, lingers_s=0.2, **options)  # type: ignore[arg-type]


def _clusters(ports: Ports) -> tuple[Cluster, ...]:
    return (cluster(ORIGIN_HTTP2, ports.origin, http2=True),)
