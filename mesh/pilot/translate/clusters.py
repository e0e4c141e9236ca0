"""Clusters: one for each port and subset of each service, the proxy's inbound ones, the special ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mesh.galley.api.destination_rule import Subset
from mesh.galley.api.health_check import HealthCheck
from mesh.galley.api.traffic_policy import HttpPool
from mesh.model import names
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import Service, is_auto, is_http, is_http2
from mesh.pilot.translate.client import Client, client_of
from mesh.pilot.translate.client_tls import as_held_by, client_tls
from mesh.pilot.translate.cluster_policy import apply_policy
from mesh.pilot.translate.destination_rule import MergedRule, Policy, policy_for, rule_for
from mesh.pilot.translate.entry_cluster import as_reached_by, listed, of_entry
from mesh.pilot.translate.health_check import checks_for, health_check
from mesh.pilot.translate.inbound import InboundPort, inbound_ports
from mesh.pilot.translate.locality import by_locality, is_relative
from mesh.pilot.world import World


@dataclass(frozen=True, slots=True)
class OutboundCluster:
    """A cluster together with what its endpoints are chosen by; ``subset`` None is the whole service."""

    cluster: Cluster
    service: Service
    port: ServicePort
    subset: Subset | None
    policy: Policy


def clusters(world: World, node: Node) -> tuple[Cluster, ...]:
    """Every cluster of one proxy, sorted by name."""
    outbound = outbound_clusters(world, client_of(world, node))
    seen = (as_held_by(world, node, _as_seen_from(node, one)) for one in outbound)
    found = [as_reached_by(node, cluster) for cluster in seen if cluster is not None]
    if node.type == "sidecar":
        found += [_inbound(node, port) for port in inbound_ports(world, node)]
    found += _special(node)
    return tuple(sorted(found, key=lambda cluster: cluster.name))


def outbound_clusters(world: World, client: Client) -> tuple[OutboundCluster, ...]:
    """What such callers may reach, sorted by cluster name; the same for all of them."""
    return world.shared(("clusters", client), lambda: _outbound_clusters(world, client))


def _outbound_clusters(world: World, client: Client) -> tuple[OutboundCluster, ...]:
    found: list[OutboundCluster] = []
    for service in world.services:
        rule = rule_for(world.config.destination_rules, service, client)
        checks = checks_for(world.config.health_checks, service, client)
        for port in service.ports:
            for subset in (None, *rule.subsets):
                policy = policy_for(rule, subset, port.number)
                cluster = _outbound(service, port, subset, rule, policy, checks)
                found.append(OutboundCluster(cluster, service, port, subset, policy))
    return tuple(sorted(found, key=lambda outbound: outbound.cluster.name))


def _outbound(
    service: Service,
    port: ServicePort,
    subset: Subset | None,
    rule: MergedRule,
    policy: Policy,
    checks: tuple[HealthCheck, ...],
) -> Cluster:
    subset_name = "" if subset is None else subset.name
    cluster = Cluster(
        names.outbound_cluster(port.number, subset_name, service.host),
        "EDS",
        tls=client_tls(policy, service, port, subset_name),
        tls_by_endpoint=policy.tls is None,
        host=service.host,
        namespace=service.namespace,
        config=rule.config,
    )
    made = with_protocol(apply_policy(cluster, policy), port, policy)
    if service.entry is not None:
        made = of_entry(made, service, port, subset)
    if made.discovery == "ORIGINAL_DST":
        return made  # nobody knows its endpoints
    return replace(made, **health_check(made, checks, port, subset_name))


def _as_seen_from(node: Node, outbound: OutboundCluster) -> Cluster:
    """Endpoints that come with the cluster, in the places where that proxy sees them (the others: EDS)."""
    cluster = outbound.cluster
    if cluster.discovery != "STRICT_DNS" or not is_relative(outbound.policy):
        return cluster
    found = listed(outbound.service, outbound.port, outbound.subset)
    groups = by_locality(node, outbound.policy, found)
    return replace(cluster, load_assignment=ClusterLoadAssignment(cluster.name, groups))


def with_protocol(cluster: Cluster, port: ServicePort, policy: Policy) -> Cluster:
    """HTTP/2 where the port's name promises it, or where a rule asks for it of an HTTP port.

    What a port that does not say is asked in is what its callers speak.
    """
    if not (is_http(port) or is_auto(port)):
        return cluster
    http = (policy.connection_pool.http if policy.connection_pool is not None else None) or HttpPool()
    may_choose = is_http(port) and not is_http2(port)
    as_client = is_auto(port) or (may_choose and bool(http.use_client_protocol))
    http2 = is_http2(port) or (may_choose and not as_client and http.h2_upgrade_policy == "UPGRADE")
    if not (http2 or as_client):
        return replace(cluster, enable_trailers=True)
    tls = cluster.tls
    if http2 and tls is not None:
        tls = replace(tls, alpn=names.UPSTREAM_ALPN_H2 if tls.alpn else ("h2",))
    return replace(
        cluster,
        tls=tls,
        http2=http2,
        use_client_protocol=as_client,
        max_concurrent_streams=http.max_concurrent_streams or 0,
        enable_trailers=as_client,
    )


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
        http2=is_http2(port.port),
        use_client_protocol=is_auto(port.port),
        enable_trailers=(is_http(port.port) and not is_http2(port.port)) or is_auto(port.port),
    )


def _special(node: Node) -> Iterable[Cluster]:
    if node.interception == "REDIRECT":
        nowhere = ClusterLoadAssignment(names.BLACK_HOLE_CLUSTER)
        yield Cluster(names.BLACK_HOLE_CLUSTER, "STATIC", load_assignment=nowhere)
        for name in (names.PASSTHROUGH_CLUSTER, names.INBOUND_PASSTHROUGH_CLUSTER):
            yield Cluster(name, "ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED")
