"""Connections that are only bytes: how they end, where they go, what they are taken for, what is logged."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from differ.case import Do, Pause
from differ.intended import KNOWN
from differ.origin import HOST
from differ.resources import cluster, logs_as
from differ.stream_case import Got, StreamCase, stream
from differ.stream_pair import ANSWER_BODY, StreamArea, StreamPair, StreamPorts, start_stream_pair
from test_mtls import secrets, tls

from mesh.model import names
from mesh.model.cluster import CircuitBreaker
from mesh.model.http_filter import AccessLog, Alpn, Router
from mesh.model.listener import (
    Direction,
    FilterChain,
    FilterChainMatch,
    HttpConnectionManager,
    Listener,
    NetworkFilter,
    TcpProxy,
)
from mesh.model.node import ServicePort
from mesh.model.resources import Resources
from mesh.model.route import (
    DirectResponse,
    Forward,
    Route,
    RouteConfiguration,
    RouteMatch,
    VirtualHost,
    WeightedCluster,
)
from mesh.pilot.translate.inbound_chains import chain_kinds
from mesh.proxy.agent.envoy_binary import NoEnvoyError, find_envoy

pytestmark = [pytest.mark.envoy, pytest.mark.asyncio(loop_scope="module")]

SERVER = "outbound|9000||server.default.svc.cluster.local"
OTHER = "outbound|9000|other|server.default.svc.cluster.local"
REFUSED = "outbound|9001||refused.default.svc.cluster.local"
EMPTY = "outbound|9002||empty.default.svc.cluster.local"
FULL = "outbound|9004||full.default.svc.cluster.local"
SECURED = "outbound|9003||auto.default.svc.cluster.local"
INBOUND = "inbound|9003||"
PASSING_S = 0.3  # of the time limits

BULK = b"x" * 1_000_000


def logs(reporter: str) -> tuple[AccessLog, ...]:
    return (logs_as(reporter),)


def proxy_to(name: str, reporter: str = "source", **options: object) -> TcpProxy:
    return TcpProxy(
        name or "weighted",
        name,
        logs(reporter),
        flush_access_log_on_connected=True,
        after_handshake=reporter == "destination",
        **options,  # type: ignore[arg-type]
    )


def manager(reporter: str, *routes: Route, **options: object) -> HttpConnectionManager:
    return HttpConnectionManager(
        "http",
        (Alpn(), Router()) if reporter == "source" else (Router(),),
        route_config=RouteConfiguration("http", (VirtualHost("any", ("*",), routes),)),
        access_logs=logs(reporter),
        server_name="istio-envoy",
        **options,  # type: ignore[arg-type]
    )


ANSWER = Route(RouteMatch(), DirectResponse(200, ANSWER_BODY))


def listens(
    name: str, port: int, *chains: FilterChain, direction: Direction = "OUTBOUND", **options: object
) -> Listener:
    return Listener(name, HOST, port, chains, direction, **options)  # type: ignore[arg-type]


def always(network_filter: NetworkFilter) -> FilterChain:
    return FilterChain("always", network_filter)


def by_sni(server_name: str, to: str) -> FilterChain:
    return FilterChain(server_name, proxy_to(to), FilterChainMatch(None, "tls", (server_name,)))


def sniffing() -> tuple[FilterChain, ...]:
    http = FilterChainMatch(application_protocols=names.PLAINTEXT_HTTP)
    return FilterChain("http", manager("source", ANSWER), http), FilterChain("bytes", proxy_to(SERVER))


def inbound_chains() -> tuple[FilterChain, ...]:
    """Pilot's, of a port that does not say what it speaks."""
    made = {True: manager("destination", ANSWER), False: proxy_to(INBOUND, "destination")}
    return tuple(
        FilterChain(
            kind.name,
            made[kind.http],
            FilterChainMatch(None, kind.transport, application_protocols=kind.protocols),
            kind.tls,
        )
        for kind in chain_kinds(ServicePort("", 9003, 9003, "AUTO"), "PERMISSIVE")
    )


LISTENERS = (
    "sniffed",  # the first: that it listens is found out by connecting
    "impatient",
    "server",
    "weighted",
    "idle",
    "limited",
    "refused",
    "empty",
    "missing",
    "sni",
    "inbound",
    "to inbound",
    "http to inbound",
    "to another",
    "tls to nobody",
    "tls to plaintext",
    "full",
)


def resources(ports: StreamPorts) -> Resources:
    at = ports.listeners
    to_secured = Route(RouteMatch(), Forward((WeightedCluster(SECURED),)))
    inspecting = {
        "inspect_tls": True,
        "inspect_http": True,
        "listener_filters_timeout_s": PASSING_S,
    }
    return Resources(
        clusters=(
            cluster(SERVER, ports.server),
            cluster(OTHER, ports.server),
            cluster(INBOUND, ports.server),
            cluster(REFUSED, ports.refused),
            cluster(EMPTY),
            cluster(SECURED, at["inbound"], tls=tls(), use_client_protocol=True),
            cluster("another", at["inbound"], tls=tls("spiffe://cluster.local/ns/default/sa/other")),
            cluster("tls to nobody", ports.refused, tls=tls()),
            cluster("tls to plaintext", ports.server, tls=tls()),
            cluster(FULL, ports.server, circuit_breaker=CircuitBreaker(max_connections=0)),
        ),
        listeners=(
            listens("sniffed", at["sniffed"], *sniffing(), **inspecting),
            listens(
                "impatient",
                at["impatient"],
                *sniffing(),
                **inspecting,
                continue_on_listener_filters_timeout=False,
            ),
            listens("server", at["server"], always(proxy_to(SERVER))),
            listens(
                "weighted",
                at["weighted"],
                always(proxy_to("", weighted_clusters=((SERVER, 1), (OTHER, 1)))),
            ),
            listens("idle", at["idle"], always(proxy_to(SERVER, idle_timeout_s=PASSING_S))),
            listens("limited", at["limited"], always(proxy_to(SERVER, max_connection_duration_s=PASSING_S))),
            listens("refused", at["refused"], always(proxy_to(REFUSED))),
            listens("empty", at["empty"], always(proxy_to(EMPTY))),
            listens("missing", at["missing"], always(proxy_to("missing"))),
            listens(
                "sni",
                at["sni"],
                by_sni("a.example", SERVER),
                by_sni("*.b.example", OTHER),
                inspect_tls=True,
                default_filter_chain=FilterChain("rest", proxy_to(EMPTY)),
            ),
            listens("inbound", at["inbound"], *inbound_chains(), direction="INBOUND", **inspecting),
            listens("to inbound", at["to inbound"], always(proxy_to(SECURED))),
            *(
                listens(name, at[name], always(proxy_to(cluster_name)))
                for name, cluster_name in (
                    ("to another", "another"),
                    ("tls to nobody", "tls to nobody"),
                    ("tls to plaintext", "tls to plaintext"),
                    ("full", FULL),
                )
            ),
            listens("http to inbound", at["http to inbound"], always(manager("source", to_secured))),
        ),
    )


AREA = StreamArea("streams", LISTENERS, resources, secrets)


def hello(server_name: str) -> bytes:
    """A ClientHello."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    client = context.wrap_bio(incoming, outgoing, server_hostname=server_name or None)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
# RFC 9113: the preface, SETTINGS, HEADERS (GET, /, http, authority "a") that end the stream
HTTP2 = (
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
    + bytes((0, 0, 6, 1, 5, 0, 0, 0, 1))
    + b"\x82\x84\x86\x41\x01a"
)
ANSWERED = Got(ANSWER_BODY)
ECHOED = (Got(5), b"world", Do.WAIT, Do.CLOSE)

ENDS = (
    stream("the client closes", "server", b"hello", Got(5), Do.CLOSE, server=ECHOED),
    stream("the server closes", "server", b"hello", Do.WAIT, Do.CLOSE, server=(Got(5), b"world", Do.CLOSE)),
    stream(
        "the client has said all, the server goes on",
        "server",
        *(b"hello", Do.HALF_CLOSE, Do.WAIT, Do.CLOSE),
        server=(Do.WAIT, BULK, Do.CLOSE),
    ),
    stream(
        "the server has said all, the client goes on",
        "server",
        *(Do.WAIT, BULK, Do.CLOSE),
        server=(b"hello", Do.HALF_CLOSE, Do.WAIT, Do.CLOSE),
    ),
    stream(
        "both have said all at once",
        "server",
        *(b"hello", Got(5), Do.HALF_CLOSE, Do.WAIT, Do.CLOSE),
        server=(Got(5), b"world", Do.HALF_CLOSE, Do.WAIT, Do.CLOSE),
    ),
    stream("the client says nothing", "server", Do.CLOSE),
    stream("the client closes with much on the way", "server", BULK, Do.CLOSE),
    stream("the server closes with much on the way", "server", Do.WAIT, Do.CLOSE, server=(BULK, Do.CLOSE)),
    stream("the client resets", "server", b"hello", Got(5), Do.RESET, server=ECHOED),
    stream("the server resets", "server", b"hello", Do.WAIT, server=(Got(5), Do.RESET)),
    stream(
        "the client has said all, the server resets",
        "server",
        *(b"hello", Do.HALF_CLOSE, Do.WAIT),
        server=(Do.WAIT, Do.RESET),
    ),
    stream(
        "the server has said all, the client resets",
        "server",
        *(Do.WAIT, Do.RESET),
        server=(b"hello", Do.HALF_CLOSE, Do.WAIT),
    ),
    stream(
        "the client goes on after the server has closed",
        "server",
        *(b"hello", Do.WAIT, b"more", Pause(0.2), b"more", Do.WAIT),
        server=(Got(5), Do.CLOSE),
    ),
    stream("the server speaks first", "server", Got(5), b"hello", Do.CLOSE, server=(b"220 \n", Do.WAIT)),
)
NOWHERE = tuple(
    stream(f"{to}, {what}", to, *acts, server=())
    for to in ("refused", "empty", "missing", "full")
    for what, acts in (("with bytes", (b"hello", Do.WAIT)), ("without a word", (Do.WAIT,)))
)
LIMITS = (
    stream("nobody says anything", "idle", Do.WAIT),
    stream("silence after some bytes", "idle", b"hello", Do.WAIT),
    stream(
        "bytes now and then",
        "idle",
        *(b"1", Pause(0.2), b"2", Pause(0.2), b"3", Got(5), Do.CLOSE),
        server=(Got(3), b"world", Do.WAIT, Do.CLOSE),
    ),
    stream(
        "the server's bytes now and then",
        "idle",
        *(Do.WAIT, Do.CLOSE),
        server=(b"1", Pause(0.2), b"2", Pause(0.2), b"3", Do.CLOSE),
    ),
    stream(
        "a half-closed connection in silence", "idle", b"hello", Do.HALF_CLOSE, Do.WAIT, server=(Pause(1),)
    ),
    stream("longer than a connection may last", "limited", b"hello", Do.WAIT),
)
NAMES = (
    *(
        stream(f"TLS for {name or 'nobody'}", "sni", hello(name), Got(5), Do.CLOSE, server=ECHOED)
        for name in ("a.example", "A.example", "x.b.example", "x.y.b.example", "b.example", "c.example", "")
    ),
    stream("no TLS", "sni", b"hello", Got(5), Do.CLOSE),
)
TAKEN = (
    stream("HTTP/1.1", "sniffed", GET, ANSWERED, Do.CLOSE),
    stream("HTTP/2", "sniffed", HTTP2, ANSWERED, Do.CLOSE),
    stream("HTTP/1.1 in pieces", "sniffed", GET[:3], Pause(0.1), GET[3:], ANSWERED, Do.CLOSE),
    stream("bytes", "sniffed", b"hello", Got(5), Do.CLOSE, server=ECHOED),
    stream("TLS", "sniffed", hello("a.example"), Got(5), Do.CLOSE, server=ECHOED),
    stream("silence", "sniffed", Got(5), b"hello", Do.CLOSE, server=(b"220 \n", Do.WAIT)),
    stream("half a line", "sniffed", b"GET / ", Got(5), b"hello", Do.CLOSE, server=(b"220 \n", Do.WAIT)),
    stream("a client that leaves without a word", "sniffed", Pause(0.1), Do.CLOSE, server=(), ends=0),
    stream("silence, not put up with", "impatient", Do.WAIT, server=(), ends=0),
    stream("half a line, not put up with", "impatient", b"GET / ", Do.WAIT, server=(), ends=0),
    stream("a line to who is impatient", "impatient", b"hello\r\n", Got(5), Do.CLOSE, server=ECHOED),
)
SECURE = (
    stream("bytes over mTLS", "to inbound", b"hello", Got(5), Do.CLOSE, server=ECHOED, ends=2),
    stream("HTTP as bytes over mTLS", "to inbound", GET, Got(5), Do.CLOSE, server=ECHOED, ends=2),
    stream(
        "a server that speaks first over mTLS",
        "to inbound",
        *(Got(5), b"hello", Do.CLOSE),
        server=(b"220 \n", Do.WAIT, Do.CLOSE),
        ends=2,
    ),
    stream(
        "the client has said all over mTLS",
        "to inbound",
        *(b"hello", Do.HALF_CLOSE, Do.WAIT, Do.CLOSE),
        server=(Do.WAIT, BULK, Do.CLOSE),
        ends=2,
    ),
    stream("HTTP/1.1 over mTLS", "http to inbound", GET, ANSWERED, Do.CLOSE, ends=2),
    stream("HTTP/2 over mTLS", "http to inbound", HTTP2, ANSWERED, Do.CLOSE, ends=2),
    stream("HTTP/1.1 without mTLS", "inbound", GET, ANSWERED, Do.CLOSE),
    stream("bytes without mTLS", "inbound", b"hello", Got(5), Do.CLOSE, server=ECHOED),
    stream("silence without mTLS", "inbound", Got(5), b"hello", Do.CLOSE, server=(b"220 \n", Do.WAIT)),
    stream("the client resets over mTLS", "to inbound", b"hello", Got(5), Do.RESET, server=ECHOED, ends=2),
    stream("the server resets over mTLS", "to inbound", b"hello", Do.WAIT, server=(Got(5), Do.RESET), ends=2),
    stream(
        "the server has said all over mTLS",
        "to inbound",
        *(Do.WAIT, BULK, Do.CLOSE),
        server=(b"hello", Do.HALF_CLOSE, Do.WAIT, Do.CLOSE),
        ends=2,
    ),
    stream("another name than expected", "to another", b"hello", Do.WAIT, server=(), ends=2),
    stream("nobody to shake hands with", "tls to nobody", b"hello", Do.WAIT, server=()),
    stream(
        "no TLS where TLS is asked for", "tls to plaintext", b"hello", Do.WAIT, server=(b"hello", Do.WAIT)
    ),
    stream("somebody's TLS", "inbound", hello("a.example"), Got(5), Do.CLOSE, server=ECHOED),
)
CASES = (*ENDS, *NOWHERE, *LIMITS, *NAMES, *TAKEN, *SECURE)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def streams(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StreamPair]:
    try:
        find_envoy()
    except NoEnvoyError as missing:
        pytest.skip(str(missing))
    listed = [case.name for case in CASES]
    assert len(listed) == len(set(listed)), "two cases have one name"
    unknown = {name for area, name in KNOWN if area == AREA.name} - set(listed)
    assert not unknown, f"the tables of differences name cases that are not there: {unknown}"
    async with start_stream_pair(AREA, tmp_path_factory.mktemp(AREA.name)) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_streams(case: StreamCase, streams: StreamPair) -> None:
    await streams.check(case)


async def test_connections_are_shared_by_weight(streams: StreamPair) -> None:
    """64 of them: that all go to one of two happens once in 2**63 times."""
    case = stream("shared", "weighted", b"hello", Got(5), Do.CLOSE, server=ECHOED)
    for side in (streams.ours, streams.envoy):
        seen = [await side.observe(case) for _ in range(64)]
        assert {facts["upstream"][0][0] for facts in seen} == {SERVER, OTHER}
