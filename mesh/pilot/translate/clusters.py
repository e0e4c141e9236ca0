"""Clusters: one for each port and subset of each service, the proxy's inbound ones, the special ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mesh.galley.api.destination_rule import Subset
from mesh.galley.api.traffic_policy import ConnectionPool
from mesh.model import names
from mesh.model.cluster import UNLIMITED, CircuitBreaker, Cluster, Discovery, LbPolicy
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.node import Node, ServicePort
from mesh.model.tls import UpstreamTls
from mesh.pilot.services import Service
from mesh.pilot.translate.destination_rule import MergedRule, Policy, policy_for, rule_for
from mesh.pilot.translate.inbound import InboundPort, inbound_ports
from mesh.pilot.world import World

_LB_POLICIES: dict[str, LbPolicy] = {
    "ROUND_ROBIN": "ROUND_ROBIN",
    "RANDOM": "RANDOM",
    "PASSTHROUGH": "CLUSTER_PROVIDED",
}

# TLS with certificates of the user's own: galley says that it is not served; auto mTLS stays in force
_NOT_SERVED = ("SIMPLE", "MUTUAL")


@dataclass(frozen=True, slots=True)
class OutboundCluster:
    """A cluster together with what its endpoints are chosen by; ``subset`` None is the whole service."""

    cluster: Cluster
    service: Service
    port: ServicePort
    subset: Subset | None


def clusters(world: World, node: Node) -> tuple[Cluster, ...]:
    """Every cluster of one proxy, sorted by name."""
    found = [outbound.cluster for outbound in outbound_clusters(world, node.namespace)]
    found += [_inbound(node, port) for port in inbound_ports(world, node)]
    found += _special(node)
    return tuple(sorted(found, key=lambda cluster: cluster.name))


def outbound_clusters(world: World, client_namespace: str) -> tuple[OutboundCluster, ...]:
    """What callers of one namespace may reach, sorted by cluster name; the same for all of them."""
    return world.shared(("clusters", client_namespace), lambda: _outbound_clusters(world, client_namespace))


def _outbound_clusters(world: World, client_namespace: str) -> tuple[OutboundCluster, ...]:
    found: list[OutboundCluster] = []
    for service in world.services:
        rule = rule_for(world.config.destination_rules, service, client_namespace)
        for port in service.ports:
            for subset in (None, *rule.subsets):
                found.append(OutboundCluster(_outbound(service, port, subset, rule), service, port, subset))
    return tuple(sorted(found, key=lambda outbound: outbound.cluster.name))


def _outbound(service: Service, port: ServicePort, subset: Subset | None, rule: MergedRule) -> Cluster:
    policy = policy_for(rule, subset, port.number)
    subset_name = "" if subset is None else subset.name
    lb_policy = _lb_policy(policy)
    discovery: Discovery = "ORIGINAL_DST" if lb_policy == "CLUSTER_PROVIDED" else "EDS"
    pool = policy.connection_pool or ConnectionPool()
    return Cluster(
        names.outbound_cluster(port.number, subset_name, service.host),
        discovery,
        lb_policy=lb_policy,
        connect_timeout_s=_connect_timeout_s(pool),
        tls=_tls(policy, service, port, subset_name),
        tls_by_endpoint=policy.tls is None or policy.tls.mode in _NOT_SERVED,
        circuit_breaker=_circuit_breaker(pool),
        idle_timeout_s=_idle_timeout_s(pool),
        max_requests_per_connection=(pool.http.max_requests_per_connection or 0) if pool.http else 0,
        host=service.host,
        namespace=service.namespace,
        config=rule.config,
    )


def _tls(policy: Policy, service: Service, port: ServicePort, subset: str) -> UpstreamTls | None:
    """Mutual TLS unless a rule says DISABLE; auto mTLS (no rule) asks each endpoint whether it takes it."""
    sni, accounts = names.sni(port.number, subset, service.host), service.accounts
    settings = policy.tls
    if settings is not None and settings.mode == "DISABLE":
        return None
    if settings is not None and settings.mode == "ISTIO_MUTUAL":
        sni = settings.sni or sni
        accounts = tuple(sorted(settings.subject_alt_names)) or accounts
    return UpstreamTls(sni, names.UPSTREAM_ALPN, accounts)


def _lb_policy(policy: Policy) -> LbPolicy:
    """Istio's default, and what it makes of the old LEAST_CONN, is LEAST_REQUEST."""
    simple = policy.load_balancer.simple if policy.load_balancer is not None else None
    return _LB_POLICIES.get(simple or "", "LEAST_REQUEST")


def _circuit_breaker(pool: ConnectionPool) -> CircuitBreaker:
    """0 and nothing are Istio's "no limit"."""
    tcp, http = pool.tcp, pool.http
    return CircuitBreaker(
        max_connections=(tcp.max_connections if tcp else None) or UNLIMITED,
        max_pending_requests=(http.http1_max_pending_requests if http else None) or UNLIMITED,
        max_requests=(http.http2_max_requests if http else None) or UNLIMITED,
        max_retries=(http.max_retries if http else None) or UNLIMITED,
    )


def _connect_timeout_s(pool: ConnectionPool) -> float:
    return (pool.tcp.connect_timeout if pool.tcp else None) or Cluster("", "EDS").connect_timeout_s


def _idle_timeout_s(pool: ConnectionPool) -> float:
    return (pool.http.idle_timeout if pool.http else None) or Cluster("", "EDS").idle_timeout_s


def _inbound(node: Node, port: InboundPort) -> Cluster:
    name = names.inbound_cluster(port.number)
    here = LocalityEndpoints((Endpoint(node.app_address, port.number),))
    return Cluster(
        name,
        "STATIC",
        lb_policy="ROUND_ROBIN",
        load_assignment=ClusterLoadAssignment(name, (here,)),
        host=port.service.host,
        namespace=port.service.namespace,
    )


def _special(node: Node) -> Iterable[Cluster]:
    if node.interception == "REDIRECT":
        nowhere = ClusterLoadAssignment(names.BLACK_HOLE_CLUSTER)
        yield Cluster(names.BLACK_HOLE_CLUSTER, "STATIC", load_assignment=nowhere)
        for name in (names.PASSTHROUGH_CLUSTER, names.INBOUND_PASSTHROUGH_CLUSTER):
            yield Cluster(name, "ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")
