"""What an HTTP/1.1 server may do to a check: every answer has its outcome, a bad one costs the connection."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from mesh.model.health_check import HealthCheck, HttpHealthCheck
from mesh.model.http_filter import IstioStats, Router
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.proxy.health_check.http1_probe import Http1Line
from mesh.proxy.health_check.state import Outcome


class Transport:
    def __init__(self) -> None:
        self.written = b""
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.aborted = True


def begin(**rules: object) -> SimpleNamespace:
    """A check that has been sent."""
    line, transport, said = Http1Line(HttpHealthCheck("/h", **rules), "app"), Transport(), []
    line.connection_made(transport)
    line.ask(lambda outcome, excluded: said.append((outcome, excluded)))
    return SimpleNamespace(line=line, transport=transport, said=said)


def test_the_head_is_envoys() -> None:
    assert begin().transport.written == b"GET /h HTTP/1.1\r\nhost: app\r\nuser-agent: Envoy/HC\r\n\r\n"


def test_fields_of_the_rules_come_on_top_and_a_body_is_said_to_be_empty() -> None:
    check = begin(method="POST", headers=(("X-A", "1"), ("user-agent", "me")))
    assert check.transport.written == (
        b"POST /h HTTP/1.1\r\nhost: app\r\nuser-agent: me\r\nx-a: 1\r\ncontent-length: 0\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("answer", "outcome", "kept"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Outcome.PASSED, True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n", Outcome.PASSED, False),
        (b"HTTP/1.1 500 No\r\ncontent-length: 2\r\n\r\nno", Outcome.FAILED, True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Outcome.PASSED, True),
        (b"garbage\r\n\r\n", Outcome.NETWORK, False),
    ],
)
def test_an_answer_has_its_outcome(answer: bytes, outcome: Outcome, kept: bool) -> None:
    check = begin()
    for byte in answer:
        check.line.data_received(bytes([byte])) if not check.transport.aborted else None
    assert check.said == [(outcome, False)]
    assert (check.line.is_usable, check.transport.aborted) == (kept, not kept)


def test_an_answer_that_ends_with_the_connection() -> None:
    check = begin()
    check.line.data_received(b"HTTP/1.1 200 OK\r\n\r\nhi")
    assert check.said == []
    check.line.eof_received()
    assert check.said == [(Outcome.PASSED, False)]


def test_a_connection_that_is_lost_has_failed_once() -> None:
    check = begin()
    check.line.connection_lost(None)
    check.line.connection_lost(None)
    assert check.said == [(Outcome.NETWORK, False)]
    assert not check.line.is_usable


def test_bytes_nobody_asked_for_cost_the_connection() -> None:
    check = begin()
    check.line.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    check.line.data_received(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
    assert check.said == [(Outcome.PASSED, False)]
    assert check.transport.aborted


def test_a_large_body_is_read_and_not_kept() -> None:
    check = begin(receive=(b"x" * 1024,))
    check.line.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n")
    for _ in range(20):
        check.line.data_received(b"x" * 100_000)
        assert len(check.line._body) <= 1024
    assert check.said == [(Outcome.PASSED, False)]


@pytest.mark.parametrize("alpn", [(), ("istio-http/1.1",)], ids=["as the cluster says", "as a request"])
async def test_through_mutual_tls_a_check_reaches_the_application_and_is_not_counted(
    proxy, make, secrets_of, alpn
):
    """One proxy plays both sidecars: what is checked is the application, through its sidecar."""
    proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
    origin, inner = await proxy.origin(), make.free_port()
    routing = make.routes(Route(RouteMatch(), make.forward("app"), "default"))
    manager = HttpConnectionManager("inbound", (IstioStats("destination"), Router()), route_config=routing)
    match = FilterChainMatch(transport_protocol="tls", application_protocols=alpn or ("istio",))
    chain = FilterChain("mtls", manager, match, DownstreamTls(("istio",)))
    listener = Listener("in", "127.0.0.1", inner, (chain,), direction="INBOUND", inspect_tls=True)
    check = HttpHealthCheck("/healthz", "app")
    rules = HealthCheck(check, interval_s=0.02, no_traffic_interval_s=0.02, alpn=alpn)
    accounts = ("spiffe://cluster.local/ns/default/sa/bookinfo-productpage",)
    up = make.cluster("up", inner, tls=UpstreamTls("up", ("istio",), accounts), health_check=rules)
    proxy.config.apply(Resources(clusters=(make.cluster("app", origin.port), up), listeners=(listener,)))
    await proxy.until(lambda: len(proxy.entries) >= 3)
    assert proxy.worker.stats.gauges["cluster.up.membership_healthy"].value == 1
    assert origin.requests[0].startswith(b"GET /healthz HTTP/1.1")
    entry = proxy.entries[0]
    assert (entry.user_agent, entry.source_principal) == ("Envoy/HC", accounts[0])
    origin.response = b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"
    await proxy.until(lambda: not proxy.worker.stats.gauges["cluster.up.membership_healthy"].value)
    await asyncio.sleep(0)
