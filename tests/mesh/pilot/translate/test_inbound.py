"""Inbound filter chains. ``taken_by`` chooses like Envoy: the port first, then transport, then ALPN, and no
way back from a port that has chains of its own but none that fits. What nobody inspects is raw."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.translate.inbound import inbound_listeners
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]


def mode(name: str, ports: str = "{}") -> str:
    return f"""
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {{name: x}}
spec: {{selector: {{matchLabels: {{app: reviews}}}}, mtls: {{mode: {name}}}, portLevelMtls: {ports}}}
"""


def taken_by(listener: Listener, port: int, transport: str, alpn: str = "") -> FilterChain | None:
    if transport == "tls" and port in listener.tls_inspector_off:
        transport, alpn = "raw_buffer", ""
    chains: Sequence[FilterChain] = [c for c in listener.filter_chains if c.match.destination_port == port]
    chains = chains or [c for c in listener.filter_chains if c.match.destination_port is None]
    chains = [c for c in chains if c.match.transport_protocol == transport] or [
        c for c in chains if not c.match.transport_protocol
    ]
    chains = [c for c in chains if alpn and alpn in c.match.application_protocols] or [
        c for c in chains if not c.match.application_protocols
    ]
    return chains[0] if chains else listener.default_filter_chain


def what(chain: FilterChain | None) -> str:
    """Where the connection goes, and whether mutual TLS was asked of it."""
    if chain is None:
        return "closed"
    network_filter = chain.network_filter
    if isinstance(network_filter, TcpProxy):
        target = network_filter.cluster
    else:
        assert isinstance(network_filter, HttpConnectionManager)
        target = "http"
    return f"{target} mtls" if chain.tls is not None else target


def redirect(node: MakeNode, world: MakeWorld, text: str) -> Listener:
    proxy = node(
        interception="REDIRECT",
        ports=(
            ServicePort("http", 9080, 9080),
            ServicePort("tcp", 3306, 3306, "TCP"),
            ServicePort("p2p", 7000, 7000, "AUTO"),
        ),
    )
    (listener,) = inbound_listeners(world((proxy,), text), proxy)
    return listener


PASS, TCP, HOLE = "InboundPassthroughCluster", "inbound|3306||", "BlackHoleCluster"


@pytest.mark.parametrize(
    ("text", "plain", "mtls", "tcp", "tcp_tls", "tcp_mtls", "other", "other_mtls"),
    [
        (mode("PERMISSIVE"), "http", "http mtls", TCP, TCP, f"{TCP} mtls", PASS, f"{PASS} mtls"),
        (mode("STRICT"), "closed", "http mtls", "closed", "closed", f"{TCP} mtls", "closed", f"{PASS} mtls"),
        (mode("DISABLE"), "http", "http", TCP, TCP, TCP, PASS, PASS),
        (
            mode("PERMISSIVE", '{"9080": {mode: STRICT}, "3306": {mode: STRICT}}'),
            HOLE, "http mtls", HOLE, HOLE, f"{TCP} mtls", PASS, f"{PASS} mtls",
        ),
        (
            mode("STRICT", '{"9080": {mode: DISABLE}}'),
            "http", "http", "closed", "closed", f"{TCP} mtls", "closed", f"{PASS} mtls",
        ),
    ],
    ids=["permissive", "strict", "disable", "strict ports", "plaintext port"],
)  # fmt: skip
def test_who_takes_a_redirected_connection(
    node: MakeNode, world: MakeWorld, text: str, plain: str, mtls: str, tcp: str, tcp_tls: str,
    tcp_mtls: str, other: str, other_mtls: str,
) -> None:  # fmt: skip
    listener = redirect(node, world, text)

    def goes(port: int, transport: str, alpn: str = "") -> str:
        return what(taken_by(listener, port, transport, alpn))

    assert goes(9080, "raw_buffer") == plain
    assert goes(9080, "tls", "istio") == mtls
    assert goes(3306, "raw_buffer") == tcp
    assert goes(3306, "tls") == tcp_tls
    assert goes(3306, "tls", "istio") == tcp_mtls
    assert goes(1234, "raw_buffer") == other
    assert goes(1234, "tls", "istio") == other_mtls
    assert goes(15006, "raw_buffer") == HOLE, "the sidecar must not be passed through to itself"


AUTO = "inbound|7000||"


@pytest.mark.parametrize(
    ("text", "http", "raw", "http_mtls", "raw_mtls", "tls"),
    [
        (mode("PERMISSIVE"), "http", AUTO, "http mtls", f"{AUTO} mtls", AUTO),
        (mode("STRICT"), "closed", "closed", "http mtls", f"{AUTO} mtls", "closed"),
        (mode("PERMISSIVE", '{"7000": {mode: STRICT}}'), HOLE, HOLE, "http mtls", f"{AUTO} mtls", HOLE),
        (mode("DISABLE"), "http", AUTO, AUTO, AUTO, AUTO),
    ],
    ids=["permissive", "strict", "strict port", "disable"],
)
def test_a_port_that_does_not_say_takes_requests_and_bytes(
    node: MakeNode, world: MakeWorld, text: str, http: str, raw: str, http_mtls: str, raw_mtls: str, tls: str
) -> None:
    listener = redirect(node, world, text)
    assert (listener.inspect_http, listener.http_inspector_on) == (True, (7000,))

    def goes(transport: str, alpn: str = "") -> str:
        return what(taken_by(listener, 7000, transport, alpn))

    for found in ("http/1.0", "http/1.1", "h2c"):
        assert goes("raw_buffer", found) == http
    assert goes("raw_buffer") == raw
    for offered in ("istio-http/1.0", "istio-http/1.1", "istio-h2"):
        assert goes("tls", offered) == http_mtls
    for offered in ("istio", "istio-peer-exchange"):
        assert goes("tls", offered) == raw_mtls
    for offered in ("", "h2", "http/1.1"):
        assert goes("tls", offered) == tls


def test_a_silent_client_is_waited_for_only_where_its_bytes_decide(node: MakeNode, world: MakeWorld) -> None:
    listener = redirect(node, world, mode("PERMISSIVE", "{3306: {mode: DISABLE}, 7000: {mode: DISABLE}}"))
    assert listener.listener_filters_timeout_s == 5.0
    assert listener.continue_on_listener_filters_timeout
    assert listener.tls_inspector_off == (3306, 7000)
    proxy = node(ports=(ServicePort("tcp", 25, 25, "TCP"), ServicePort("p2p", 7000, 7000, "AUTO")))
    mail, peer = inbound_listeners(world((proxy,), mode("DISABLE")), proxy)
    assert (mail.inspect_tls, mail.inspect_http) == (False, False)
    assert (peer.inspect_tls, peer.inspect_http) == (False, True)


def test_a_change_of_mode_leaves_the_chains_that_stay_untouched(node: MakeNode, world: MakeWorld) -> None:
    """Envoy drains only the chains that changed: mutual TLS connections outlive a switch to STRICT."""

    def chains(name: str) -> dict[str, FilterChain]:
        (listener,) = inbound_listeners(world((node(),), mode(name)), node())
        return {chain.name: chain for chain in listener.filter_chains}

    permissive, strict, disable = chains("PERMISSIVE"), chains("STRICT"), chains("DISABLE")
    assert strict.items() < permissive.items()
    assert disable.items() < permissive.items()
    assert not strict.items() & disable.items()


def test_without_interception_each_port_of_the_workload_is_bound(node: MakeNode, world: MakeWorld) -> None:
    proxy = node(ports=(ServicePort("http", 80, 8080), ServicePort("http-admin", 9090, 9090)))
    found = inbound_listeners(world((proxy,)), proxy)
    assert [(one.name, one.bind_to_port) for one in found] == [
        ("127.70.1.2_8080", True),
        ("127.70.1.2_9090", True),
    ]


def test_a_client_takes_nothing(node: MakeNode, world: MakeWorld) -> None:
    client = node("curl", service="", ports=())
    assert inbound_listeners(world((client,)), client) == ()
