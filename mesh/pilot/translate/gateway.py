"""Gateways: the servers that a proxy in router mode has, port by port, and what binds to them.

A Gateway is for the routers whose labels its selector picks out, wherever they are; without a selector for
all. Servers share a port as far as they are of one kind (requests in plaintext, TLS, bytes); the first one,
by the Gateways' namespaces and names, says which. A VirtualService binds to a server by the Gateway's name,
for those of its hosts that the server lets in.
Source: Istio's ``pilot/pkg/model/gateway.go`` (mergeGateways).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mesh.galley.api.gateway import HTTP_PROTOCOLS, TLS_PROTOCOLS, Gateway, Server
from mesh.galley.api.virtual_service import VirtualService, gateway_name
from mesh.model.node import Node
from mesh.pilot.translate.hosts import covers, in_full
from mesh.pilot.translate.inbound import ANY_ADDRESS
from mesh.pilot.visibility import is_exported
from mesh.pilot.world import World

# requests in plaintext and under TLS; TLS unopened; bytes under TLS, and as they are
Kind = Literal["http", "https", "passthrough", "tls", "tcp"]
_FAMILY = {"http": "http", "https": "tls", "passthrough": "tls", "tls": "tls", "tcp": "tcp"}


@dataclass(frozen=True, slots=True)
class BoundServer:
    """A Gateway's server on a port; ``gateway`` is "namespace/name"."""

    gateway: str
    server: Server
    kind: Kind

    @property
    def namespace(self) -> str:
        return self.gateway.partition("/")[0]

    @property
    def hosts(self) -> tuple[str, ...]:
        """Without their namespaces."""
        return tuple(dict.fromkeys(text.rpartition("/")[2].lower() for text in self.server.hosts))

    def shared_hosts(self, virtual_service: VirtualService) -> tuple[str, ...]:
        """The hosts that both mean, each as narrowly as one of them says it."""
        home = virtual_service.metadata.namespace
        theirs = [in_full(host, home).lower() for host in virtual_service.spec.hosts]
        found = [_narrower(ours, host) for ours in self._hosts_for(home) for host in theirs]
        return tuple(dict.fromkeys(host for host in found if host is not None))

    def _hosts_for(self, namespace: str) -> Iterator[str]:
        for text in self.server.hosts:
            wanted, slash, host = text.rpartition("/")
            wanted = self.namespace if wanted == "." else wanted
            if not slash or wanted in ("*", namespace):
                yield host.lower()


@dataclass(frozen=True, slots=True)
class GatewayPort:
    """Where a router listens, and its servers there: all of one family."""

    address: str
    number: int
    servers: tuple[BoundServer, ...]


def gateway_ports(world: World, node: Node) -> tuple[GatewayPort, ...]:
    """Sorted by address and number; none for a sidecar."""
    if node.type != "router":
        return ()
    found: dict[tuple[str, int], list[BoundServer]] = {}
    for server in _servers(world, node):
        where = (
            server.server.bind or (ANY_ADDRESS if node.owns_its_network else node.address),
            server.server.port.number,
        )
        there = found.setdefault(where, [])
        alike = not there or _FAMILY[there[0].kind] == _FAMILY[server.kind] != "tcp"
        if alike:
            there.append(server)
    return tuple(GatewayPort(*where, tuple(servers)) for where, servers in sorted(found.items()))


def bound_to(world: World, node: Node, gateway: str) -> tuple[VirtualService, ...]:
    """The VirtualServices that name the Gateway and are exported to the router, by namespace and name."""
    key = ("bound to gateway", gateway, node.namespace)
    return world.shared(key, lambda: tuple(_bound_to(world, node.namespace, gateway)))


def _bound_to(world: World, router_namespace: str, gateway: str) -> Iterator[VirtualService]:
    for one in world.config.virtual_services:
        home = one.metadata.namespace
        named = any(gateway_name(name, home) == gateway for name in one.spec.gateways)
        if named and is_exported(one.spec.export_to, home, router_namespace):
            yield one


def _servers(world: World, node: Node) -> Iterator[BoundServer]:
    for gateway in world.config.gateways:
        if _selects(gateway, node):
            for server in gateway.spec.servers:
                kind = _kind(server)
                if kind is not None:
                    name = f"{gateway.metadata.namespace}/{gateway.metadata.name}"
                    yield BoundServer(name, server, kind)


def _selects(gateway: Gateway, node: Node) -> bool:
    return all(node.labels.get(key) == value for key, value in gateway.spec.selector.items())


def _kind(server: Server) -> Kind | None:
    """None: a mode that is not served."""
    protocol, tls = server.port.protocol.upper(), server.tls
    if protocol in HTTP_PROTOCOLS:
        return "http"
    if protocol not in TLS_PROTOCOLS or tls is None:
        return "tcp"
    if tls.mode == "AUTO_PASSTHROUGH":
        return None
    if tls.mode == "PASSTHROUGH":
        return "passthrough"
    return "https" if protocol == "HTTPS" else "tls"


def _narrower(one: str, other: str) -> str | None:
    if covers(one, other):
        return other
    return one if covers(other, one) else None
