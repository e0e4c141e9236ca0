"""What a router serves of Gateways, VirtualServices and Secrets; the real Envoy takes all of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import yaml

from labs.harness.authority import Authority
from mesh.http.message import Framing, Request
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.model.resources import Resources
from mesh.model.route import Forward
from mesh.pilot.translate.assemble import assemble
from mesh.pilot.translate.consistent import inconsistencies
from mesh.pilot.world import World
from mesh.proxy.route import RouteTable, match_route
from mesh.xds.codec.codec import decode, encode

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
REVIEWS = "outbound|9080||reviews.default.svc.cluster.local"
AUTHORITY = Authority()
ROUTE = [{"destination": {"host": "reviews"}}]


def gateway(
    *servers: dict[str, Any], name: str = "front", namespace: str = "edge", **spec: Any
) -> dict[str, Any]:
    given = {"selector": {"istio": "ingress"}, "servers": list(servers), **spec}
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": given,
    }


def server(protocol: str, number: int, *hosts: str, name: str = "", **fields: Any) -> dict[str, Any]:
    port = {"number": number, "name": name or f"{protocol.lower()}-{number}", "protocol": protocol}
    return {"port": port, "hosts": list(hosts) or ["*"], **fields}


def https(*hosts: str, mode: str = "SIMPLE", number: int = 443, name: str = "", **tls: Any) -> dict[str, Any]:
    given = {"mode": mode, **tls}
    if mode not in ("PASSTHROUGH", "ISTIO_MUTUAL"):
        given.setdefault("credentialName", "site")
    return server("HTTPS", number, *hosts, name=name, tls=given)


def bound(*hosts: str, name: str = "site", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    given = {"hosts": list(hosts), "gateways": ["edge/front"], **spec}
    if not {"http", "tcp", "tls"} & given.keys():
        given["http"] = [{"route": ROUTE}]
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": name, "namespace": namespace},
        "spec": given,
    }


def secret(name: str = "site", namespace: str = "edge", **parts: str) -> dict[str, Any]:
    pair = AUTHORITY.issue("site", "site.example")
    held = parts or {
        "tls.crt": pair.chain_pem.decode(),
        "tls.key": pair.key_pem.decode(),
        "ca.crt": AUTHORITY.root_pem.decode(),
    }
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": held,
    }


@pytest.fixture
def router(node: MakeNode) -> Node:
    made = node("ingress-v1", 9, namespace="edge", service="", ports=(), type="router")
    return replace(made, address="10.9.0.1", labels={"istio": "ingress"})


@pytest.fixture
def served(world: MakeWorld, node: MakeNode, router: Node) -> Callable[..., Resources]:
    """What the router has by these objects, whatever it is: it travels, and is complete."""

    def make(*objects: dict[str, Any], by: Node = router) -> Resources:
        made = assemble(world((node("reviews-v1", 2), by), yaml.safe_dump_all(objects)), by)
        assert inconsistencies(made) == ()
        for kind in (made.listeners, made.routes, made.clusters, made.secrets):
            for resource in kind:
                assert decode(encode(resource)) == resource
        return made

    return make


def ask(resources: Resources, route: str, authority: str, path: str = "/", scheme: str = "http") -> str:
    """Which cluster a request goes to, or the status of what the router answers itself."""
    (config,) = (found for found in resources.routes if found.name == route)
    fields = {b"x-forwarded-proto": scheme.encode()}
    request = Request(b"GET", path.encode(), authority.encode(), fields, [], Framing.NONE, True)
    found = match_route(RouteTable(config), request)
    if found is None:
        return "404"
    action = found.model.action
    return action.clusters[0].name if isinstance(action, Forward) else str(action.code)  # type: ignore[union-attr]


def only(resources: Resources) -> Listener:
    (listener,) = resources.listeners
    return listener


def test_without_a_gateway_a_router_listens_nowhere(served: Callable[..., Resources]) -> None:
    made = served()
    assert made.listeners == made.routes == ()
    assert REVIEWS in [cluster.name for cluster in made.clusters]


def test_a_gateway_is_for_those_its_selector_picks_out(
    served: Callable[..., Resources], router: Node
) -> None:
    front = gateway(server("HTTP", 80))
    assert only(served(front)).name == "0.0.0.0_80"
    assert served(front, by=replace(router, labels={"istio": "egress"})).listeners == ()
    assert only(served(gateway(server("HTTP", 80), selector={}), by=replace(router, labels={})))
    sidecar = served(front, by=replace(router, type="sidecar"))
    assert "0.0.0.0_80" not in [listener.name for listener in sidecar.listeners]


@pytest.mark.parametrize(
    ("address", "bind", "expected"),
    [
        ("10.9.0.1", None, "0.0.0.0_80"),
        ("127.64.9.2", None, "127.64.9.2_80"),
        ("10.9.0.1", "10.9.0.7", "10.9.0.7_80"),
    ],
)
def test_where_it_listens(
    served: Callable[..., Resources], router: Node, address: str, bind: str | None, expected: str
) -> None:
    front = gateway(server("HTTP", 80, **({"bind": bind} if bind else {})))
    assert only(served(front, by=replace(router, address=address))).name == expected


def test_only_what_is_bound_to_the_gateway_is_served(served: Callable[..., Resources]) -> None:
    made = served(
        gateway(server("HTTP", 80, "*.example")),
        bound("site.example"),
        bound("other.example", name="other", gateways=["mesh"]),
        bound("elsewhere", name="elsewhere"),
        bound("hidden.example", name="hidden", exportTo=["."]),
    )
    assert ask(made, "http.80", "site.example") == REVIEWS
    assert ask(made, "http.80", "site.example:8080") == REVIEWS
    for authority in ("other.example", "elsewhere", "hidden.example", "reviews", "reviews.default"):
        assert ask(made, "http.80", authority) == "404"


@pytest.mark.parametrize(
    ("host", "authority", "expected"),
    [
        ("*", "site.example", REVIEWS),
        ("default/*", "site.example", REVIEWS),
        ("*/site.example", "site.example", REVIEWS),
        ("./*", "site.example", "404"),
        ("other/*", "site.example", "404"),
        ("www.site.example", "www.site.example", REVIEWS),
        ("www.site.example", "site.example", "404"),
    ],
)
def test_a_server_says_whose_hosts_it_takes(
    served: Callable[..., Resources], host: str, authority: str, expected: str
) -> None:
    made = served(gateway(server("HTTP", 80, host)), bound("*.example"))
    assert ask(made, "http.80", authority) == expected


def test_rules_may_be_for_one_gateway_or_port_alone(served: Callable[..., Resources]) -> None:
    http = [
        {"match": [{"gateways": ["mesh"]}], "redirect": {"redirectCode": 302}},
        {"match": [{"gateways": ["edge/front"], "port": 81}], "redirect": {"redirectCode": 303}},
        {"match": [{"gateways": ["edge/front"], "uri": {"prefix": "/a"}}], "route": ROUTE},
    ]
    made = served(
        gateway(server("HTTP", 80), server("HTTP", 81)),
        bound("site.example", gateways=["mesh", "edge/front"], http=http),
    )
    assert ask(made, "http.80", "site.example", "/a") == REVIEWS
    assert ask(made, "http.80", "site.example", "/") == "404"
    assert ask(made, "http.81", "site.example", "/") == "303"


def test_rules_of_several_virtual_services_add_up(served: Callable[..., Resources]) -> None:
    first = [{"match": [{"uri": {"prefix": "/a"}}], "redirect": {"redirectCode": 302}}]
    made = served(
        gateway(server("HTTP", 80)),
        bound("site.example", name="a", http=first),
        bound("site.example", name="b"),
    )
    assert ask(made, "http.80", "site.example", "/a") == "302"
    assert ask(made, "http.80", "site.example", "/b") == REVIEWS


def test_plaintext_is_redirected_also_where_nobody_serves(served: Callable[..., Resources]) -> None:
    made = served(
        gateway(server("HTTP", 80, "site.example", "empty.example", tls={"httpsRedirect": True})),
        bound("site.example"),
    )
    for authority in ("site.example", "empty.example"):
        assert ask(made, "http.80", authority) == "301"
    assert ask(made, "http.80", "site.example", scheme="https") == REVIEWS


def chains(resources: Resources) -> dict[tuple[str, ...], FilterChain]:
    listener = only(resources)
    assert listener.inspect_tls
    assert all(chain.match.transport_protocol == "tls" for chain in listener.filter_chains)
    return {chain.match.server_names: chain for chain in listener.filter_chains}


def test_tls_ends_by_server_name_with_the_credential_of_the_server(served: Callable[..., Resources]) -> None:
    made = served(
        gateway(
            https("site.example", minProtocolVersion="TLSV1_3"),
            https("mutual.example", mode="MUTUAL", name="mutual", credentialName="other"),
            https("any.example", mode="OPTIONAL_MUTUAL", name="any"),
            https("mesh.example", mode="ISTIO_MUTUAL", name="mesh"),
        ),
        secret(),
        secret("other"),
        bound("site.example"),
    )
    found = chains(made)
    simple, mutual = found["site.example",].tls, found["mutual.example",].tls
    optional, own = found["any.example",].tls, found["mesh.example",].tls
    assert simple is not None
    assert mutual is not None
    assert optional is not None
    assert own is not None
    assert (simple.certificate, simple.validation, simple.min_version) == ("kubernetes://site", "", "TLSv1_3")
    assert (mutual.certificate, mutual.validation) == ("kubernetes://other", "kubernetes://other-cacert")
    assert mutual.require_client_certificate
    assert not optional.require_client_certificate
    assert optional.validation == "kubernetes://site-cacert"
    assert (own.certificate, own.validation) == ("default", "ROOTCA")
    assert [one.name for one in made.secrets] == [
        "kubernetes://other",
        "kubernetes://other-cacert",
        "kubernetes://site",
        "kubernetes://site-cacert",
    ]
    assert ask(made, "https.443.https-443.front.edge", "site.example", scheme="https") == REVIEWS
    assert ask(made, "https.443.mutual.front.edge", "site.example", scheme="https") == "404"


def test_clients_may_be_verified_by_a_secret_of_its_own(served: Callable[..., Resources]) -> None:
    pair = AUTHORITY.issue("site", "site.example")
    bare = secret("site", **{"tls.crt": pair.chain_pem.decode(), "tls.key": pair.key_pem.decode()})
    mutual = gateway(https("site.example", mode="MUTUAL"))
    assert served(mutual, bare).listeners == ()
    made = served(mutual, bare, secret("site-cacert", **{"ca.crt": AUTHORITY.root_pem.decode()}))
    assert [one.content for one in made.secrets][1] == AUTHORITY.root_pem


@pytest.mark.parametrize("held", [[], [secret(namespace="default")], [secret("another")]])
def test_a_server_without_its_credential_is_not_served(
    served: Callable[..., Resources], held: list[dict[str, Any]]
) -> None:
    made = served(gateway(https("site.example"), https("mesh.example", mode="ISTIO_MUTUAL", name="b")), *held)
    assert list(chains(made)) == [("mesh.example",)]
    assert made.secrets == ()


def test_nobody_else_is_told_of_the_secret(
    served: Callable[..., Resources], router: Node, node: MakeNode
) -> None:
    objects = (gateway(https("site.example")), secret())
    assert served(*objects).secrets
    assert served(*objects, by=node("productpage-v1", 1)).secrets == ()
    assert served(*objects, by=replace(router, namespace="default")).secrets == ()


def test_tls_passes_unopened_by_the_tls_rules(served: Callable[..., Resources]) -> None:
    tls = [
        {"match": [{"sniHosts": ["a.example"], "port": 443}], "route": ROUTE},
        {"match": [{"sniHosts": ["b.example", "elsewhere"]}], "route": [{"destination": {"host": "db"}}]},
    ]
    made = served(
        gateway(https("*.example", mode="PASSTHROUGH")), bound("a.example", "b.example", "elsewhere", tls=tls)
    )
    found = chains(made)
    assert list(found) == [("a.example",), ("b.example",)]
    for chain in found.values():
        assert chain.tls is None
        assert isinstance(chain.network_filter, TcpProxy)
    assert found["a.example",].network_filter.clusters == (REVIEWS,)  # type: ignore[union-attr]


def test_bytes_go_as_the_tcp_rules_say_also_out_of_tls(served: Callable[..., Resources]) -> None:
    tcp = [{"match": [{"port": 9999}], "route": [{"destination": {"host": "db"}}]}, {"route": ROUTE}]
    rules = bound("*", tcp=tcp)
    plain = only(served(gateway(server("TCP", 3306)), rules)).filter_chains[0]
    assert isinstance(plain.network_filter, TcpProxy)
    assert plain.network_filter.clusters == (REVIEWS,)
    ended = server("TLS", 8443, "site.example", tls={"mode": "SIMPLE", "credentialName": "site"})
    chain = chains(served(gateway(ended), secret(), rules))["site.example",]
    assert chain.tls is not None
    assert chain.tls.alpn == ()
    assert isinstance(chain.network_filter, TcpProxy)
    assert served(gateway(server("TCP", 3306))).listeners == ()


def test_a_port_is_of_one_kind_the_first_ones(served: Callable[..., Resources]) -> None:
    made = served(
        gateway(server("HTTP", 80), name="a"),
        gateway(https(mode="ISTIO_MUTUAL", number=80), name="b"),
        gateway(server("TCP", 80), name="c"),
    )
    (chain,) = only(made).filter_chains
    assert isinstance(chain.network_filter, HttpConnectionManager)
    assert chain.tls is None


def test_a_server_name_is_the_first_servers_that_has_it(served: Callable[..., Resources]) -> None:
    made = served(
        gateway(https("a.example", "b.example", mode="ISTIO_MUTUAL"), name="a"),
        gateway(https("b.example", "c.example", mode="ISTIO_MUTUAL"), name="b"),
    )
    assert list(chains(made)) == [("a.example", "b.example"), ("c.example",)]


def test_a_gateway_in_the_mesh_is_asked_as_it_says_and_not_by_auto_mtls(
    world: MakeWorld, node: MakeNode, router: Node
) -> None:
    ports = (ServicePort("http", 80, 80, "HTTP"),)
    egress = replace(router, service="egress", ports=ports)
    made = assemble(world((node("productpage-v1", 1), egress)), node("productpage-v1", 1))
    (found,) = (one for one in made.endpoints if "egress" in one.cluster_name)
    assert [endpoint.mtls for endpoint in found.localities[0].endpoints] == [False]


def test_out_by_a_gateway(served: Callable[..., Resources], router: Node, node: MakeNode) -> None:
    entry = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "ServiceEntry",
        "metadata": {"name": "api", "namespace": "default"},
        "spec": {
            "hosts": ["api.example"],
            "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}],
            "resolution": "DNS",
        },
    }
    http = [
        {
            "match": [{"gateways": ["mesh"]}],
            "route": [{"destination": {"host": "egress.edge.svc.cluster.local"}}],
        },
        {"match": [{"gateways": ["edge/front"]}], "route": [{"destination": {"host": "api.example"}}]},
    ]
    objects = (
        entry,
        gateway(server("HTTP", 80, "api.example")),
        bound("api.example", gateways=["mesh", "edge/front"], http=http),
    )
    caller = node("productpage-v1", 1)
    assert ask(served(*objects, by=caller), "http_proxy", "api.example") == (
        "outbound|80||egress.edge.svc.cluster.local"
    )
    assert ask(served(*objects), "http.80", "api.example") == "outbound|80||api.example"


@pytest.mark.envoy
def test_the_real_envoy_takes_it(
    served: Callable[..., Resources], router: Node, envoy_takes: Callable[[Resources], str]
) -> None:
    tls = [{"match": [{"sniHosts": ["c.example"]}], "route": ROUTE}]
    made = served(
        gateway(
            server("HTTP", 80, "*.example", "site.example", tls={"httpsRedirect": True}),
            https("site.example", cipherSuites=["ECDHE-RSA-AES128-GCM-SHA256", "AES256-SHA"]),
            https("mutual.example", mode="MUTUAL", name="mutual"),
            https("*.example", mode="PASSTHROUGH", name="rest"),
            server("TCP", 3306),
        ),
        secret(),
        bound("*.example", "site.example"),
        bound("c.example", name="c", tls=tls),
        bound("*", name="d", tcp=[{"route": ROUTE}]),
        by=replace(router, engine="envoy"),
    )
    assert len(made.listeners) == 3
    assert envoy_takes(made) == ""
