"""Consistent hashing: a route names what of its requests the endpoint is chosen by.

The DestinationRule of a destination says it; the route has to carry it. Of a route with several destinations
each adds its own, as in Istio.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mesh.galley.api.traffic_policy import ConsistentHash
from mesh.model.route import Forward, HashPolicy, Route
from mesh.pilot.translate.client import Client
from mesh.pilot.translate.clusters import outbound_clusters
from mesh.pilot.world import World


def with_hash_policies(world: World, client: Client, routes: tuple[Route, ...]) -> tuple[Route, ...]:
    """The routes, each with the hash policies of the clusters that it forwards to."""
    known = world.shared(("hash policies", client), lambda: _by_cluster(world, client))
    return tuple(_with_policies(route, known) for route in routes) if known else routes


def _by_cluster(world: World, client: Client) -> Mapping[str, HashPolicy]:
    found: dict[str, HashPolicy] = {}
    for outbound in outbound_clusters(world, client):
        balancer = outbound.policy.load_balancer
        if balancer is not None and balancer.consistent_hash is not None:
            policy = hash_policy(balancer.consistent_hash)
            if policy is not None:
                found[outbound.cluster.name] = policy
    return found


def _with_policies(route: Route, known: Mapping[str, HashPolicy]) -> Route:
    action = route.action
    if not isinstance(action, Forward) or action.sticky:  # that route's key is its own
        return route
    policies = dict.fromkeys(known[one.name] for one in action.clusters if one.name in known)
    return replace(route, action=replace(action, hash_policies=tuple(policies))) if policies else route


def hash_policy(hashing: ConsistentHash) -> HashPolicy | None:
    """None: ``useSourceIp: false``, which asks for nothing."""
    if hashing.http_header_name is not None:
        return HashPolicy("header", hashing.http_header_name.lower())
    if hashing.http_cookie is not None:
        cookie = hashing.http_cookie
        return HashPolicy("cookie", cookie.name, cookie.path, cookie.ttl)
    if hashing.http_query_parameter_name is not None:
        return HashPolicy("query", hashing.http_query_parameter_name)
    return HashPolicy("source_ip") if hashing.use_source_ip else None
