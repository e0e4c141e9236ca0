"""Connections to endpoints: what ALPN offers, and TLS to servers outside the mesh, on both engines."""

import asyncio
import ssl

import pytest

from labs.harness.authority import Authority
from mesh.model.http_filter import Alpn, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.names import file_certificate, file_roots
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.model.tls import UpstreamTls
from mesh.proxy.dial import DialError, connect
from mesh.proxy.failure import CONNECTION_TIMEOUT
from mesh.proxy.handshake import HandshakeError
from mesh.proxy.sniff import read_client_hello
from mesh.proxy.sniff_http import PREFACE
from mesh.proxy.tls_client import connect_tls

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


# TLS to servers outside the mesh: who is believed, and what is shown

AUTHORITY = Authority()
CLIENTS = Authority("Clients")


@pytest.fixture
def files(pem_files, tmp_path):
    """The roots of both authorities are beside them."""
    pem_files.roots = pem_files.write("roots.pem", AUTHORITY.root_pem)
    pem_files.others = pem_files.write("others.pem", CLIENTS.root_pem)
    pem_files.clients = pem_files("client", CLIENTS.issue("client", "client.example"))
    pem_files.missing = str(tmp_path / "missing.pem")
    return pem_files


@pytest.fixture
async def server(files):
    """server(names) -> the port of an HTTPS server; it answers with the SNI and the client's common name."""
    servers = []

    async def start(*hosts, asks=False):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*files("server", AUTHORITY.issue("server", *hosts)))
        if asks:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(files.others)
        asked = {}
        context.sni_callback = lambda _, name, __: asked.update(name=name)

        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            subject = dict(pair for (pair,) in (writer.get_extra_info("peercert") or {}).get("subject", ()))
            body = f"{asked.get('name')} {subject.get('commonName')}".encode()
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            await writer.drain()

        listening = await asyncio.start_server(answer, HOST, 0, ssl=context)
        servers.append(listening)
        return listening.sockets[0].getsockname()[1]

    yield start
    for listening in servers:
        listening.close()


@pytest.fixture(params=["python", "envoy"])
def ask(request, proxy, make, envoy):
    """ask(port, tls) -> (status, body) through the engine, which was told to originate TLS like that."""

    async def through(port, tls):
        routing = make.routes(Route(RouteMatch(), make.forward("out")))
        cluster = make.cluster("out", port, tls=tls)
        if request.param == "envoy":
            client = await envoy(routing, cluster)
        else:
            listening = make.free_port()
            proxy.config.apply(Resources((cluster,), listeners=(make.outbound(listening, routing),)))
            client = await proxy.client(listening)
        status, _, body = await client.get("/", HOST)
        return status, body.decode()

    return through


async def test_a_server_with_the_right_name_of_the_right_authority_is_believed(ask, server, files):
    port = await server("api.example")
    tls = UpstreamTls("api.example", (), ("api.example",), "", file_roots(files.roots))
    assert await ask(port, tls) == (200, "api.example None")


async def test_a_wildcard_stands_for_one_label(ask, server, files):
    port = await server("*.example")
    tls = UpstreamTls("api.example", (), ("api.example",), "", file_roots(files.roots))
    assert (await ask(port, tls))[0] == 200


@pytest.mark.parametrize("host", ["api.deep.example", "example", "other.net"])
async def test_a_server_of_another_name_is_not(ask, server, files, host):
    port = await server("*.example")
    tls = UpstreamTls("api.example", (), (host,), "", file_roots(files.roots))
    status, body = await ask(port, tls)
    assert status == 503
    assert "None" not in body


async def test_a_server_of_another_authority_is_not(ask, server, files):
    port = await server("api.example")
    tls = UpstreamTls("api.example", (), (), "", file_roots(files.others))
    assert (await ask(port, tls))[0] == 503


async def test_who_verifies_nothing_believes_anybody(ask, server):
    assert await ask(await server("x.example"), UpstreamTls("a.example", (), (), "", "")) == (
        200,
        "a.example None",
    )


async def test_a_server_that_asks_is_shown_the_certificate(ask, server, files):
    port = await server("api.example", asks=True)
    shown, roots = file_certificate(*files.clients), file_roots(files.roots)
    assert await ask(port, UpstreamTls("api.example", (), (), shown, roots)) == (200, "api.example client")


async def test_without_one_it_answers_nothing(ask, server, files):
    port = await server("api.example", asks=True)
    status, body = await ask(port, UpstreamTls("api.example", (), (), "", file_roots(files.roots)))
    assert status == 503
    assert "api.example" not in body


async def test_a_file_that_is_missing_is_named_in_the_log(proxy, make, server, files):
    port, listening = await server("api.example"), make.free_port()
    cluster = make.cluster("out", port, tls=UpstreamTls("a", (), (), "", file_roots(files.missing)))
    listener = make.outbound(listening, make.routes(Route(RouteMatch(), make.forward("out"))))
    proxy.config.apply(Resources((cluster,), listeners=(listener,)))
    assert (await (await proxy.client(listening)).get())[0] == 503
    (entry,) = proxy.entries
    assert entry.response_flags == "UF"
    assert f"{files.missing}: No such file or directory" in entry.upstream_transport_failure_reason


# the time for it


@pytest.fixture
async def dial(proxy, make, secrets_of):
    """dial(timeout_s) -> a task that connects to a server which never says a word of TLS."""
    proxy.worker.contexts.update(secrets_of("reviews"))
    accepted = []
    server = await asyncio.start_server(lambda _, writer: accepted.append(writer), HOST, 0)
    port = server.sockets[0].getsockname()[1]

    async def begin(timeout_s):
        cluster = make.cluster("up", port, tls=UpstreamTls("x", ()), connect_timeout_s=timeout_s)
        proxy.config.apply(Resources((cluster,)))
        found = proxy.worker.clusters["up"]
        (host,) = found.hosts.values()
        task = asyncio.create_task(connect(found, host, lambda _: asyncio.Protocol()))
        await proxy.until(lambda: accepted)
        return task

    yield begin
    for writer in accepted:
        writer.transport.abort()
    server.close()


async def test_a_handshake_that_takes_too_long_is_given_up(proxy, dial):
    with pytest.raises(DialError) as refused:
        await (await dial(0.05))
    assert refused.value.failure is CONNECTION_TIMEOUT
    assert proxy.worker.stats.counter("cluster.up.upstream_cx_connect_timeout").value == 1


async def test_who_dials_no_more_is_no_timeout(proxy, dial):
    task = await dial(60)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert proxy.worker.stats.counter("cluster.up.upstream_cx_connect_timeout").value == 0


async def test_who_dials_no_more_when_its_time_is_over_is_no_timeout_either(proxy, dial, monkeypatch):
    timers, real = [], proxy.worker.timers

    class Recorded:
        def after(self, *timer):
            timers.append(real.after(*timer))
            return timers[-1]

    monkeypatch.setattr(proxy.worker, "timers", Recorded())
    task = await dial(60)
    for timer in timers:
        callback, timer.callback = timer.callback, None
        if callback is not None:
            callback()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert proxy.worker.stats.counter("cluster.up.upstream_cx_connect_timeout").value == 0


async def test_a_name_is_asked_for_as_it_is(proxy, make, secrets_of, hellos):
    """Though no label of DNS's may be longer than 63 bytes."""
    proxy.worker.contexts.update(secrets_of("reviews"))
    port, found = hellos
    name = "outbound_.9080_." + "v" * 80 + "_.reviews"
    with pytest.raises(HandshakeError):
        await connect_tls(
            proxy.worker.loop, (HOST, port), proxy.worker.contexts.client(UpstreamTls(name, ())), name
        )
    assert [hello.server_name for hello in found] == [name]
