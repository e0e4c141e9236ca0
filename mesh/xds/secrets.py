"""Which secrets, of those that come over ADS, clusters and listeners name and wait for."""

from __future__ import annotations

from collections.abc import Iterable

from mesh.model.cluster import Cluster
from mesh.model.listener import Listener
from mesh.model.names import CREDENTIAL_SCHEME
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.xds.references import filter_chains


def secrets_of_cluster(cluster: Cluster) -> frozenset[str]:
    return _secret_names((cluster.tls,))


def secrets_of_listener(listener: Listener) -> frozenset[str]:
    return _secret_names(chain.tls for chain in filter_chains(listener))


def secret_names(clusters: Iterable[Cluster], listeners: Iterable[Listener]) -> frozenset[str]:
    return frozenset[str]().union(*map(secrets_of_cluster, clusters), *map(secrets_of_listener, listeners))


def _secret_names(contexts: Iterable[DownstreamTls | UpstreamTls | None]) -> frozenset[str]:
    return frozenset(
        name
        for tls in contexts
        if tls is not None
        for name in (tls.certificate, tls.validation)
        if name.startswith(CREDENTIAL_SCHEME)
    )
