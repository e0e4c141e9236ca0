"""Secrets by name: those that a proxy's configuration names, out of the Secrets of its own namespace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mesh.galley.api.secret import Secret as ApiSecret
from mesh.model import names
from mesh.model.cluster import Cluster
from mesh.model.listener import Listener
from mesh.model.node import Node
from mesh.model.tls import Secret, TlsCertificate
from mesh.pilot.world import World
from mesh.xds.secrets import secret_names


def secrets(
    world: World, node: Node, clusters: Iterable[Cluster], listeners: Iterable[Listener]
) -> tuple[Secret, ...]:
    """Those that these name and that are there, sorted by name."""
    found = [
        (name, find_secret(world, node.namespace, name)) for name in sorted(secret_names(clusters, listeners))
    ]
    return tuple(Secret(name, content) for name, content in found if content is not None)


def find_secret(world: World, namespace: str, name: str) -> TlsCertificate | bytes | None:
    """What an SDS name stands for; roots may be in a Secret of their own (Istio's GetCaCert)."""
    known = world.shared("secrets", lambda: _by_name(world))
    plain = name.removeprefix(names.CREDENTIAL_SCHEME)
    if plain.endswith(names.CREDENTIAL_ROOTS_SUFFIX):
        own = known.get((namespace, plain))
        secret = own or known.get((namespace, plain.removesuffix(names.CREDENTIAL_ROOTS_SUFFIX)))
        return secret.roots_pem if secret is not None else None
    secret = known.get((namespace, plain))
    return secret.certificate if secret is not None else None


def _by_name(world: World) -> Mapping[tuple[str, str], ApiSecret]:
    return {(one.metadata.namespace, one.metadata.name): one for one in world.config.secrets}
