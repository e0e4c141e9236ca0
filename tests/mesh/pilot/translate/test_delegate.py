"""Rules whose routes stand in another VirtualService."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.model.route import Forward, RouteMatch, StringMatch
from mesh.pilot.translate.assemble import assemble

OBJECT = """
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: {name}, namespace: {namespace}}}
spec: {{{spec}}}
"""
ROUTE = "route: [{destination: {host: reviews}}]"


def virtual_service(name: str, spec: str, namespace: str = "default") -> str:
    return OBJECT.format(name=name, spec=spec, namespace=namespace)


def routes(world: Any, node: Any, root: str, *delegates: str) -> list[Any]:
    """The routes to reviews; ``root`` is its http, delegates are whole objects."""
    text = virtual_service("root", f"hosts: [reviews], http: {root}") + "".join(delegates)
    (config,) = assemble(world(text=text), node("productpage-v1", 1)).routes
    (host,) = (host for host in config.virtual_hosts if host.name.startswith("reviews."))
    return list(host.routes)


def paths(found: list[Any]) -> list[tuple[str, str]]:
    return [(route.match.path.kind, route.match.path.value) for route in found]


ROOT = "[{name: r, match: [{uri: {prefix: /api}}], delegate: {name: d}, timeout: 3s}, {" + ROUTE + "}]"


def test_the_delegates_rules_take_the_rules_place(world: Any, node: Any) -> None:
    spec = f"http: [{{name: a, match: [{{uri: {{prefix: /api/a}}}}], timeout: 1s, {ROUTE}}}, {{{ROUTE}}}]"
    found = routes(world, node, ROOT, virtual_service("d", spec))
    assert paths(found) == [("prefix", "/api/a"), ("prefix", "/api"), ("prefix", "/")]
    assert [route.name for route in found] == ["r-a", "r", "default"]
    assert [route.action.timeout_s for route in found] == [1.0, 3.0, None]
    assert {route.config for route in found} == {"virtual-service/default/root"}


@pytest.mark.parametrize(
    ("root", "delegate", "fits"),
    [
        ("uri: {prefix: /a}", "uri: {prefix: /a/b}", True),
        ("uri: {prefix: /a}", "uri: {exact: /a/b}", True),
        ("uri: {prefix: /a/b}", "uri: {prefix: /a}", False),
        ("uri: {exact: /a}", "uri: {exact: /a}", True),
        ("uri: {exact: /a}", "uri: {prefix: /a}", False),
        ("uri: {regex: /a.*}", "uri: {prefix: /a}", False),
        ("uri: {regex: /a.*}", "method: {exact: GET}", True),
        ("headers: {x: {prefix: a}}", "headers: {x: {exact: ab}}", True),
        ("headers: {x: {exact: a}}", "headers: {x: {exact: b}}", False),
        ("headers: {x: {exact: a}}", "headers: {y: {exact: b}}", True),
        ("port: 9080", "port: 9081", False),
        ("sourceLabels: {app: productpage}", "sourceLabels: {app: other}", False),
    ],
)
def test_a_match_that_is_not_narrower_drops_the_rule(
    world: Any, node: Any, root: str, delegate: str, fits: bool
) -> None:
    made = f"[{{match: [{{{root}}}], delegate: {{name: d}}}}, {{name: last, {ROUTE}}}]"
    found = routes(world, node, made, virtual_service("d", f"http: [{{match: [{{{delegate}}}], {ROUTE}}}]"))
    assert len(found) == (2 if fits else 1)
    assert found[-1].name == "last"


def test_both_sides_of_a_match_are_kept(world: Any, node: Any) -> None:
    root = "[{match: [{uri: {prefix: /a}, headers: {x: {exact: '1'}}}], delegate: {name: d}}]"
    spec = f"http: [{{match: [{{headers: {{y: {{exact: '2'}}}}}}], {ROUTE}}}]"
    (found,) = routes(world, node, root, virtual_service("d", spec))
    assert found.match.path == StringMatch("prefix", "/a")
    assert {header.name for header in found.match.headers} == {"x", "y"}


def test_hosts_are_of_the_delegates_namespace(world: Any, node: Any) -> None:
    delegate = virtual_service("d", f"http: [{{{ROUTE}}}]", "other")
    (found,) = routes(world, node, "[{delegate: {name: d, namespace: other}}]", delegate)
    assert isinstance(found.action, Forward)
    assert found.action.clusters[0].name == "outbound|9080||reviews.other.svc.cluster.local"


@pytest.mark.parametrize(
    "delegates",
    [
        (),
        (virtual_service("d", f"hosts: [details], http: [{{{ROUTE}}}]"),),
        (virtual_service("d", f"exportTo: [elsewhere], http: [{{{ROUTE}}}]"),),
    ],
)
def test_without_its_delegate_a_rule_serves_nothing(
    world: Any, node: Any, delegates: tuple[str, ...]
) -> None:
    root = f"[{{match: [{{uri: {{prefix: /a}}}}], delegate: {{name: d}}}}, {{name: last, {ROUTE}}}]"
    (found,) = routes(world, node, root, *delegates)
    assert (found.name, found.match) == ("last", RouteMatch())
