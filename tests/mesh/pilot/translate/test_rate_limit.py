"""Which LocalRateLimit is in force on a port, and what it becomes there, for both engines."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.model.http_filter import HeaderToMetadata, LocalRateLimitFilter, PeerMetadata
from mesh.model.listener import HttpConnectionManager, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.model.rate_limit import ConnectionRateLimit, LocalRateLimit, TokenBucket
from mesh.model.route import HeaderMatch, Route, RouteMatch, StringMatch
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.inbound import inbound_listeners
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
PORTS = (ServicePort("http", 9080, 9080), ServicePort("tcp", 3306, 3306, "TCP"))


def limit(spec: str, name: str = "a", namespace: str = "default") -> str:
    return f"""
---
apiVersion: mesh-labs.io/v1alpha1
kind: LocalRateLimit
metadata: {{name: {name}, namespace: {namespace}}}
spec: {spec}
"""


def of(tokens: int, part: str = "http") -> str:
    return f"{part}: {{tokenBucket: {{maxTokens: {tokens}, fillInterval: 1s}}}}"


def filters(world: World, node: Node, port: int = 9080) -> list[HttpConnectionManager | TcpProxy]:
    """Those of a port, in all of its chains."""
    name = f"_{port}_"
    chains = [chain for one in inbound_listeners(world, node) for chain in one.filter_chains]
    return [chain.network_filter for chain in chains if name in chain.name]


def routes(world: World, node: Node, port: int = 9080) -> tuple[Route, ...]:
    """Equal in all chains."""
    first, *others = filters(world, node, port)
    assert all(other == first for other in others)
    assert isinstance(first, HttpConnectionManager)
    assert first.route_config is not None
    [host] = first.route_config.virtual_hosts
    return host.routes


def tokens(world: World, node: Node, port: int = 9080) -> int | None:
    """What the last route's bucket holds."""
    rules = routes(world, node, port)[-1].rate_limit
    return None if rules is None else rules.bucket.max_tokens


def connections(world: World, node: Node, port: int = 3306) -> ConnectionRateLimit | None:
    first, *others = filters(world, node, port)
    assert all(other == first for other in others)
    assert isinstance(first, TcpProxy)
    return first.rate_limit


def test_field_by_field(world: MakeWorld, node: MakeNode) -> None:
    text = limit(
        """{http: {tokenBucket: {maxTokens: 9, tokensPerFill: 8, fillInterval: 7s},
        enabledPercent: 60.5, enforcedPercent: 50, status: 503, responseHeaders: {X-A: b},
        rateLimitedAsResourceExhausted: true, rules: [
        {match: {uri: {prefix: /a}, headers: {X-B: {exact: c}}},
        tokenBucket: {maxTokens: 6, fillInterval: 5s}},
        {match: {method: {exact: OPTIONS}}}]}}"""
    )
    web = node(ports=PORTS)
    first, second, rest = routes(world((web,), text), web)
    assert first.match == RouteMatch(
        StringMatch("prefix", "/a"), (HeaderMatch("x-b", StringMatch("exact", "c")),)
    )
    assert first.rate_limit == LocalRateLimit(
        "default.a", TokenBucket(6, 1, 5.0), 60.5, 50, 503, (("X-A", "b"),), resource_exhausted=True
    )
    assert second.match.headers == (HeaderMatch(":method", StringMatch("exact", "OPTIONS")),)
    assert second.rate_limit is None
    assert rest.match == RouteMatch()
    assert rest.rate_limit is not None
    assert rest.rate_limit.bucket == TokenBucket(9, 8, 7.0)
    assert first.action == second.action == rest.action
    assert {route.decorator for route in (first, second, rest)} == {rest.decorator}


@pytest.mark.parametrize(("engine", "first"), [("python", PeerMetadata), ("envoy", HeaderToMetadata)])
def test_it_is_limited_once_it_is_known_who_calls(
    world: MakeWorld, node: MakeNode, engine: str, first: type
) -> None:
    web = node(ports=PORTS, engine=engine)
    [before, *_] = filters(world((web,)), web)
    [after, *_] = filters(world((web,), limit(f"{{{of(1)}}}")), web)
    assert isinstance(before, HttpConnectionManager)
    assert isinstance(after, HttpConnectionManager)
    assert LocalRateLimitFilter() not in before.filters
    assert isinstance(after.filters[0], first)
    assert after.filters == (before.filters[0], LocalRateLimitFilter(), *before.filters[1:])


def test_http_is_for_http_ports_and_tcp_for_the_others(world: MakeWorld, node: MakeNode) -> None:
    web = node(ports=PORTS)
    made = world((web,), limit(f"{{{of(1)}, {of(2, 'tcp')}}}"))
    assert (tokens(made, web), connections(made, web)) == (
        1,
        ConnectionRateLimit("default.a", TokenBucket(2, 1, 1.0)),
    )
    made = world((web,), limit(f"{{{of(2, 'tcp')}}}"))
    assert (tokens(made, web), connections(made, web) is None) == (None, False)
    made = world((web,), limit(f"{{{of(1)}}}"))
    assert (tokens(made, web), connections(made, web)) == (1, None)


def test_the_narrowest_is_in_force(world: MakeWorld, node: MakeNode) -> None:
    mesh = limit(f"{{{of(1)}, {of(1, 'tcp')}}}", "z", "istio-system")
    namespace = limit(f"{{{of(2)}}}", "y")
    own = limit(f"{{selector: {{matchLabels: {{app: reviews}}}}, {of(3)}}}", "x")
    port = limit(f"{{selector: {{matchLabels: {{app: reviews}}}}, ports: [9080], {of(4)}}}", "w")
    second = limit(f"{{selector: {{matchLabels: {{app: reviews}}}}, ports: [9080], {of(5)}}}", "w2")
    others = limit(f"{{selector: {{matchLabels: {{app: ratings}}}}, ports: [9080], {of(6)}}}", "a")
    elsewhere = limit(f"{{selector: {{matchLabels: {{app: reviews}}}}, ports: [81], {of(7)}}}", "a1")
    web = node(ports=PORTS)
    text, seen = others + elsewhere, []
    for one in (mesh, namespace, own, second, port):
        text += one
        seen.append(tokens(world((web,), text), web))
    assert seen == [1, 2, 3, 5, 4]
    assert connections(world((web,), text), web) == ConnectionRateLimit("istio-system.z", TokenBucket(1))
    assert tokens(world((web,), others + elsewhere), web) is None


@pytest.mark.envoy
@pytest.mark.parametrize("interception", ["NONE", "REDIRECT"])
def test_envoy_takes_all_of_it(
    world: MakeWorld, node: MakeNode, envoy_takes: Callable[..., str], interception: str
) -> None:
    web = node(ports=PORTS, engine="envoy", interception=interception)
    rules = "rules: [{match: {uri: {prefix: /a}}}]"
    text = limit(f"{{{of(1).replace('{token', '{' + rules + ', token', 1)}, {of(2, 'tcp')}}}")
    assert envoy_takes(assemble(world((web,), text), web)) == ""
