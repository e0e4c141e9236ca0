"""Which secrets, of those that come over ADS, clusters and listeners name and wait for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mesh.model.cluster import Cluster
from mesh.model.listener import Listener
from mesh.model.names import is_credential
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.xds.references import filter_chains

_NONE: Final[frozenset[str]] = frozenset()


def secrets_of_cluster(cluster: Cluster) -> frozenset[str]:
    return _secrets_of(cluster.tls)


def secrets_of_listener(listener: Listener) -> frozenset[str]:
    return _NONE.union(*(_secrets_of(chain.tls) for chain in filter_chains(listener)))


def secret_names(clusters: Iterable[Cluster], listeners: Iterable[Listener]) -> frozenset[str]:
    return _NONE.union(*map(secrets_of_cluster, clusters), *map(secrets_of_listener, listeners))


def _secrets_of(tls: DownstreamTls | UpstreamTls | None) -> frozenset[str]:
    """Asked of every cluster at every push: most have none, and cost next to nothing."""
    if tls is None or not (is_credential(tls.certificate) or is_credential(tls.validation)):
        return _NONE
    return frozenset(name for name in (tls.certificate, tls.validation) if is_credential(name))
