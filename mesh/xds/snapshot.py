"""A proxy's configuration, serialised: each resource once, however many proxies get it.

A response is built by joining bytes: the parts all proxies share, then this stream's version and nonce
(protobuf takes fields in any order). A version is the hash of the hashes of what it contains.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from envoy.service.discovery.v3 import discovery_pb2

from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.resources import Resources
from mesh.xds.codec.codec import TYPE_URLS, Resource, encode, resource_name
from mesh.xds.references import assignment_names, route_names
from mesh.xds.secrets import secret_names

_DIGEST_BYTES: Final = 8  # 64 bits tell the few versions of one resource apart
_REMEMBERED: Final = 8192  # serialised resources, some 0.5 to 5 kB each


@dataclass(frozen=True, slots=True)
class Chunk:
    """One resource as a field of a DiscoveryResponse, and the hash of its content."""

    name: str
    framed: bytes
    digest: bytes


Chunks = Mapping[str, Chunk]  # by resource name


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a proxy should have, by type name; and the names that it must ask for to have it all."""

    chunks: Mapping[str, Chunks]
    needed: Mapping[str, frozenset[str]]


def snapshot(resources: Resources) -> Snapshot:
    """Raises Rejected when a resource cannot be encoded."""
    chunks = {
        "CDS": _chunks(resources.clusters),
        "EDS": _chunks(resources.endpoints),
        "SDS": _chunks(resources.secrets),
        "LDS": _chunks(resources.listeners),
        "RDS": _chunks(resources.routes),
    }
    needed = {
        "EDS": assignment_names(resources.clusters),
        "SDS": secret_names(resources.clusters, resources.listeners),
        "RDS": route_names(resources.listeners),
    }
    return Snapshot(chunks, needed)


def content_version(chunks: Iterable[Chunk]) -> str:
    """The same for the same content, in this process or the next."""
    together = b"".join(chunk.digest for chunk in chunks)
    return hashlib.blake2b(together, digest_size=_DIGEST_BYTES).hexdigest()


def response(type_name: str, version: str, nonce: str, chunks: Iterable[Chunk]) -> bytes:
    """A serialised DiscoveryResponse."""
    head = discovery_pb2.DiscoveryResponse(version_info=version, nonce=nonce, type_url=TYPE_URLS[type_name])
    return b"".join((head.SerializeToString(), *(chunk.framed for chunk in chunks)))


@lru_cache(maxsize=1024)
def empty_assignment(name: str) -> Chunk:
    """The answer for an endpoint set that nobody knows: there are none. Without it Envoy waits 15 s."""
    return _chunk(ClusterLoadAssignment(name))


def _chunks(resources: Iterable[Resource]) -> Chunks:
    return {resource_name(resource): _chunk(resource) for resource in resources}


@lru_cache(maxsize=_REMEMBERED)
def _chunk(resource: Resource) -> Chunk:
    packed = encode(resource)
    framed = discovery_pb2.DiscoveryResponse(resources=[packed]).SerializeToString(deterministic=True)
    digest = hashlib.blake2b(framed, digest_size=_DIGEST_BYTES).digest()
    return Chunk(resource_name(resource), framed, digest)
