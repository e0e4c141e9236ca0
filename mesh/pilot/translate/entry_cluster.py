"""Clusters and endpoints of ServiceEntries.

resolution NONE    ORIGINAL_DST: wherever the application was going
resolution STATIC  EDS: the listed addresses
resolution DNS     STRICT_DNS: the listed names, or the host itself; the proxy looks them up
           DNS_ROUND_ROBIN   LOGICAL_DNS: one name, of which new connections go to the first address
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mesh.galley.api.destination_rule import Subset
from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.names import parse_cluster
from mesh.model.node import Node, ServicePort
from mesh.pilot.services import EntryEndpoint, Service
from mesh.pilot.translate.locality import Placed, grouped


def of_entry(cluster: Cluster, service: Service, port: ServicePort, subset: Subset | None) -> Cluster:
    """The cluster of a ServiceEntry's service, from the one any other service would have."""
    assert service.entry is not None
    inside = service.instances or any(endpoint.mtls for endpoint in service.entry.endpoints)
    if cluster.tls_by_endpoint and not inside:
        cluster = replace(cluster, tls=None, tls_by_endpoint=False)
    if cluster.discovery == "ORIGINAL_DST":  # a rule's PASSTHROUGH
        return cluster
    if service.entry.resolution in ("DNS", "DNS_ROUND_ROBIN"):
        assignment = ClusterLoadAssignment(cluster.name, grouped(listed(service, port, subset)))
        # LOGICAL_DNS has to have its endpoint, which a subset may not
        is_one = service.entry.resolution == "DNS_ROUND_ROBIN" and assignment.localities
        return replace(
            cluster, discovery="LOGICAL_DNS" if is_one else "STRICT_DNS", load_assignment=assignment
        )
    if service.entry.resolution == "NONE" and not service.instances:
        return replace(
            cluster, discovery="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED", locality_weighted=False
        )
    return cluster


def as_reached_by(node: Node, cluster: Cluster) -> Cluster:
    """Without interception nothing has an original destination: such a host is looked up by its name.

    A wildcard has no address then, and is answered 503.
    """
    key = parse_cluster(cluster.name)
    if node.interception != "NONE" or cluster.discovery != "ORIGINAL_DST" or key is None:
        return cluster
    here = (LocalityEndpoints((Endpoint(key.host, key.port),)),) if not key.host.startswith("*") else ()
    return replace(
        cluster,
        discovery="STRICT_DNS",
        lb_policy="LEAST_REQUEST",
        load_assignment=ClusterLoadAssignment(cluster.name, here),
    )


def listed(service: Service, port: ServicePort, subset: Subset | None) -> Iterator[Placed]:
    """The endpoints an entry lists for that port and subset; none for other services."""
    if service.entry is None:
        return
    for one in _of_subset(service.entry.endpoints, subset):
        target = next((target for number, target in one.targets if number == port.number), port.number)
        endpoint = Endpoint(one.address, target, one.mtls, weight=one.weight)
        yield Placed(endpoint, one.locality, dict(one.labels))


def _of_subset(endpoints: tuple[EntryEndpoint, ...], subset: Subset | None) -> Iterator[EntryEndpoint]:
    asked = subset.labels if subset is not None else {}
    for endpoint in endpoints:
        labels = dict(endpoint.labels)
        if all(labels.get(key) == value for key, value in asked.items()):
            yield endpoint
