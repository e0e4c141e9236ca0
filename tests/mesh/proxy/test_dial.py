"""What a connection to an endpoint offers by ALPN: where they are told to, requests say what they are."""

import asyncio

import pytest

from mesh.model.http_filter import Alpn, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.model.tls import UpstreamTls
from mesh.proxy.sniff import read_client_hello
from mesh.proxy.sniff_http import PREFACE

HOST = "127.0.0.1"
# SETTINGS, then HEADERS with END_STREAM and END_HEADERS: GET, /, http from HPACK's static table, authority
HTTP2_GET = (
    PREFACE
    + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
    + b"\x00\x00\x09\x01\x05\x00\x00\x00\x01\x82\x84\x86\x41\x04peer"
)


@pytest.fixture
async def hellos():
    """A server that writes down the ClientHello it gets and leaves; ``port`` is where."""
    found = []

    async def serve(reader, writer):
        found.append(read_client_hello(await reader.read(65536)))
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    yield server.sockets[0].getsockname()[1], found
    server.close()


@pytest.mark.parametrize(
    ("filters", "http1", "http2"),
    [
        ((Router(),), ("istio",), ("istio",)),
        ((Alpn(), Router()), ("istio-http/1.1", "istio", "http/1.1"), ("istio-h2", "istio", "h2")),
    ],
    ids=["as the cluster says", "as requests"],
)
async def test_alpn(proxy, make, secrets_of, hellos, filters, http1, http2):
    proxy.worker.contexts.update(secrets_of("reviews"))
    port, found = hellos
    tls = UpstreamTls("outbound_.7000_._.peer", ("istio",))
    cluster = make.cluster("peer", port, tls=tls, use_client_protocol=True)
    requests, bytes_only = make.free_port(), make.free_port()
    routing = make.routes(Route(RouteMatch(), make.forward("peer")))
    manager = HttpConnectionManager("m", filters, route_config=routing)
    listeners = (
        Listener("http", HOST, requests, (FilterChain("http", manager),)),
        Listener("tcp", HOST, bytes_only, (FilterChain("tcp", TcpProxy("tcp", "peer")),)),
    )
    proxy.config.apply(Resources((cluster,), listeners=listeners))

    offered = []
    for target, sent in (
        (requests, b"GET / HTTP/1.1\r\nHost: peer\r\n\r\n"),
        (requests, HTTP2_GET),
        (bytes_only, b"hello"),
    ):
        client = await proxy.client(target)
        client.send(sent)
        await proxy.until(lambda: len(found) > len(offered))
        offered.append(found[-1].application_protocols)
        found[:] = found[: len(offered)]
        client.writer.transport.abort()
    assert offered == [http1, http2, ("istio",)]
