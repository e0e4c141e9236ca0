"""Active health checks: which HealthCheck is in force for a cluster, as its clients are to check it.

As with DestinationRules, the caller's namespace goes before the service's and that before the root namespace;
in the first that has one for the host, the most specific host counts, then a check that names the cluster's
subset, then one that names its port, then the first by name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from mesh.galley.api.health_check import HealthCheck as Check
from mesh.galley.api.health_check import HealthCheckSpec, HttpCheck
from mesh.model.cluster import Cluster
from mesh.model.health_check import GrpcHealthCheck, HealthCheck, HttpHealthCheck, TcpHealthCheck
from mesh.model.names import REQUEST_ALPN
from mesh.model.node import ServicePort
from mesh.pilot.services import Service, is_auto
from mesh.pilot.translate.client import Client
from mesh.pilot.translate.destination_rule import lookup_order
from mesh.pilot.translate.hosts import in_full, most_specific

# HealthCheckSpec's field -> the model's
_TIMES = {
    "timeout": "timeout_s",
    "interval": "interval_s",
    "no_traffic_interval": "no_traffic_interval_s",
    "no_traffic_healthy_interval": "no_traffic_healthy_interval_s",
    "unhealthy_interval": "unhealthy_interval_s",
    "unhealthy_edge_interval": "unhealthy_edge_interval_s",
    "healthy_edge_interval": "healthy_edge_interval_s",
    "initial_jitter": "initial_jitter_s",
    "interval_jitter": "interval_jitter_s",
}


def checks_for(checks: Iterable[Check], service: Service, client: Client) -> tuple[Check, ...]:
    """Those for the service that such callers obey."""
    for namespace in lookup_order(client, service):
        here = (check for check in checks if check.metadata.namespace == namespace)
        found = most_specific(service.host, ((in_full(check.spec.host, namespace), check) for check in here))
        if found:
            return tuple(found)
    return ()


def health_check(
    cluster: Cluster, checks: tuple[Check, ...], port: ServicePort, subset: str
) -> dict[str, Any]:
    """What the check in force makes of a cluster with that port and subset ("": the whole service)."""
    fitting = [
        check.spec
        for check in checks
        if check.spec.subset in (None, subset) and (not check.spec.ports or port.number in check.spec.ports)
    ]
    fitting.sort(key=lambda spec: (spec.subset is None, not spec.ports))
    if not fitting:
        return {}
    spec = fitting[0]
    if spec.grpc is not None and not cluster.http2:
        return {}  # gRPC is HTTP/2: Envoy takes such a check of no other cluster
    # who does not know what a port speaks is told that this is a request
    alpn = REQUEST_ALPN if is_auto(port) and spec.http is not None and cluster.tls is not None else ()
    return {
        "health_check": replace(_rules(spec, cluster), alpn=alpn),
        "ignore_health_on_host_removal": spec.ignore_health_on_host_removal,
    }


def _rules(spec: HealthCheckSpec, cluster: Cluster) -> HealthCheck:
    times = {name: getattr(spec, field) for field, name in _TIMES.items()}
    return HealthCheck(
        _check(spec, cluster),
        unhealthy_threshold=spec.unhealthy_threshold,
        healthy_threshold=spec.healthy_threshold,
        interval_jitter_percent=spec.interval_jitter_percent,
        reuse_connection=spec.reuse_connection,
        **times,
    )


def _check(spec: HealthCheckSpec, cluster: Cluster) -> HttpHealthCheck | TcpHealthCheck | GrpcHealthCheck:
    if spec.http is not None:
        return _http(spec.http, cluster)
    if spec.grpc is not None:
        return GrpcHealthCheck(spec.grpc.service_name, spec.grpc.authority or cluster.host)
    assert spec.tcp is not None
    return TcpHealthCheck(spec.tcp.send.encode(), tuple(part.encode() for part in spec.tcp.receive))


def _http(http: HttpCheck, cluster: Cluster) -> HttpHealthCheck:
    return HttpHealthCheck(
        http.path,
        http.host or cluster.host.removeprefix("*."),
        http.method,
        tuple((name.lower(), value) for name, value in http.headers.items()),
        tuple((first, last + 1) for first, last in http.expected_statuses),
        tuple((first, last + 1) for first, last in http.retriable_statuses),
        tuple(part.encode() for part in http.receive),
        http2=cluster.http2,
    )
