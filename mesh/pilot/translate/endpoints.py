"""Endpoints: for each EDS cluster the workloads that answer for it."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint
from mesh.model.node import Node
from mesh.pilot.registry import proxy_name
from mesh.pilot.translate.client import client_of
from mesh.pilot.translate.clusters import OutboundCluster, outbound_clusters
from mesh.pilot.translate.entry_cluster import listed
from mesh.pilot.translate.locality import Placed, by_locality, is_relative, locality_of
from mesh.pilot.translate.peer_authentication import mtls_mode
from mesh.pilot.world import World
from mesh.xds.references import assignment_names


def endpoints(world: World, node: Node, clusters: Iterable[Cluster]) -> tuple[ClusterLoadAssignment, ...]:
    """The load assignment of every EDS cluster the proxy has, sorted by name; empty ones are sent too."""
    found = _for_all(world, node)
    if node.type == "sidecar":
        return found
    wanted = assignment_names(clusters)  # a router lacks those whose credentials are not there
    return tuple(one for one in found if one.cluster_name in wanted)


def _for_all(world: World, node: Node) -> tuple[ClusterLoadAssignment, ...]:
    return world.shared(("endpoints", *_viewpoint(world, node)), lambda: tuple(_assignments(world, node)))


def _viewpoint(world: World, node: Node) -> tuple[Hashable, ...]:
    """All of a node that its endpoints depend on: all labels only where some rule tells near from far."""
    client = client_of(world, node)
    relative = world.shared(
        ("relative", client),
        lambda: any(is_relative(outbound.policy) for outbound in outbound_clusters(world, client)),
    )
    return (client, *sorted(node.labels.items())) if relative else (client,)


def _assignments(world: World, client: Node) -> Iterator[ClusterLoadAssignment]:
    for outbound in outbound_clusters(world, client_of(world, client)):
        if outbound.cluster.discovery == "EDS":
            found = [_placed(world, node, port) for node, port in _answering(outbound)]
            found += listed(outbound.service, outbound.port, outbound.subset)
            groups = by_locality(client, outbound.policy, found)
            yield ClusterLoadAssignment(outbound.cluster.name, groups)


def _answering(outbound: OutboundCluster) -> Iterator[tuple[Node, int]]:
    labels = outbound.subset.labels if outbound.subset is not None else {}
    for instance in outbound.service.instances:
        target = instance.target(outbound.port.number)
        of_subset = all(instance.node.labels.get(key) == value for key, value in labels.items())
        if target is not None and of_subset:
            yield instance.node, target


def _placed(world: World, node: Node, port: int) -> Placed:
    """The same for every cluster it is in. ``mtls``: auto mTLS may speak it to this workload; a router has
    the TLS its Gateways say, and no other."""

    def make() -> Placed:
        mode = mtls_mode(world.config.peer_authentications, node, port)
        takes_mtls = mode != "DISABLE" and node.type == "sidecar"
        endpoint = Endpoint(node.address, port, takes_mtls, node.peer().to_text())
        return Placed(endpoint, locality_of(node.labels), node.labels)

    return world.shared(("endpoint", proxy_name(node), port), make)
