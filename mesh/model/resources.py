"""One proxy's whole configuration: what pilot makes and what the proxy runs."""

from __future__ import annotations

from dataclasses import dataclass

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.listener import Listener
from mesh.model.route import RouteConfiguration
from mesh.model.tls import Secret


@dataclass(frozen=True, slots=True)
class Resources:
    """Each tuple is sorted by name, so that equal configurations are equal values.

    ``secrets`` are those that listeners and clusters name besides the workload's own.
    """

    clusters: tuple[Cluster, ...] = ()
    endpoints: tuple[ClusterLoadAssignment, ...] = ()
    listeners: tuple[Listener, ...] = ()
    routes: tuple[RouteConfiguration, ...] = ()
    secrets: tuple[Secret, ...] = ()
