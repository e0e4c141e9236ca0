"""VirtualServices: which one governs a host, and its rules as routes (first match wins, as written)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mesh.galley.api.annotations import read_options
from mesh.galley.api.http_route import HttpMatch, HttpRoute
from mesh.galley.api.virtual_service import MESH_GATEWAY, VirtualService
from mesh.model.node import Node
from mesh.model.route import Action, Route
from mesh.pilot.translate.action import action, service_forward
from mesh.pilot.translate.cors import cors
from mesh.pilot.translate.delegate import expand
from mesh.pilot.translate.destination import Target
from mesh.pilot.translate.fault import fault, script
from mesh.pilot.translate.headers import mutation
from mesh.pilot.translate.hosts import covers, in_full, most_specific
from mesh.pilot.translate.match import holds_for, route_match
from mesh.pilot.visibility import is_exported
from mesh.pilot.world import World

DEFAULT_ROUTE = "default"
_ALWAYS = HttpMatch()


def governing(world: World, host: str, client_namespace: str) -> VirtualService | None:
    """The VirtualService callers of that namespace obey for a full host name.

    The most specific host wins; among equals one of the caller's own namespace, then the first by name.
    """
    found = most_specific(host, _bindings(world, client_namespace))
    return found[0] if found else None


def hosts_without_service(world: World, client_namespace: str) -> tuple[str, ...]:
    """The hosts that VirtualServices make up: they cover no service. Sorted."""
    hosts = {host for host, _ in _bindings(world, client_namespace)}
    return tuple(
        sorted(host for host in hosts if not any(covers(host, found.host) for found in world.services))
    )


def routes_to(
    world: World,
    node: Node,
    target: Target,
    virtual_service: VirtualService | None,
    gateway: str = MESH_GATEWAY,
) -> tuple[Route, ...]:
    """What the proxy does with requests to the target, a host and port, that come by ``gateway``.

    Without a governing VirtualService, or where none of its rules is about this caller, it is forwarded.
    """
    routes: tuple[Route, ...] = ()
    if virtual_service is not None:
        routes = tuple(_rules(world, node, target, virtual_service, gateway))
    if routes or target.service is None:
        return routes
    return (service_forward(target, DEFAULT_ROUTE),)


def _rules(
    world: World, node: Node, target: Target, virtual_service: VirtualService, gateway: str
) -> Iterator[Route]:
    home = virtual_service.metadata.namespace
    for rule, written_in in expand(world, virtual_service):
        metadata = written_in.metadata
        act = action(world, target, metadata.namespace, rule, read_options(metadata.annotations))
        for entry in rule.match or (_ALWAYS,):
            if act is not None and holds_for(entry, node, target.port, gateway, home):
                yield _route(target, virtual_service, rule, entry, act)


def _route(
    target: Target, virtual_service: VirtualService, rule: HttpRoute, entry: HttpMatch, act: Action
) -> Route:
    namespace, name = virtual_service.metadata.namespace, virtual_service.metadata.name
    return Route(
        route_match(entry),
        act,
        name=".".join(filter(None, (rule.name, entry.name))) or DEFAULT_ROUTE,
        config=f"virtual-service/{namespace}/{name}",
        fault=fault(rule.fault),
        cors=cors(rule.cors_policy),
        script=script(virtual_service, "client"),
        request_headers=mutation(rule.headers.request if rule.headers else None),
        response_headers=mutation(rule.headers.response if rule.headers else None),
        decorator=target.decorator,
    )


def _bindings(world: World, client_namespace: str) -> Sequence[tuple[str, VirtualService]]:
    """(full host, VirtualService) for all that bind sidecars of that namespace, the preferred first."""

    def make() -> Sequence[tuple[str, VirtualService]]:
        found = [one for one in world.config.virtual_services if _binds(one, client_namespace)]
        found.sort(key=lambda one: (one.metadata.namespace != client_namespace, *_identity(one)))
        return [(in_full(host, one.metadata.namespace), one) for one in found for host in one.spec.hosts]

    return world.shared(("virtual services", client_namespace), make)


def _binds(virtual_service: VirtualService, client_namespace: str) -> bool:
    spec = virtual_service.spec
    home = virtual_service.metadata.namespace
    return bool(spec.http) and spec.in_mesh and is_exported(spec.export_to, home, client_namespace)


def _identity(virtual_service: VirtualService) -> tuple[str, str]:
    return virtual_service.metadata.namespace, virtual_service.metadata.name
