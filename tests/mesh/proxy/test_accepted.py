"""How a connection begins decides what it becomes; one that does not begin is not waited for without end."""

import asyncio
from dataclasses import replace

import pytest

from mesh.model.listener import FilterChain, FilterChainMatch, Listener, TcpProxy
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, Route, RouteMatch
from mesh.proxy.sniff_http import MAX_LINE_BYTES, PREFACE

HOST = "127.0.0.1"
GREETING = b"220 mail\r\n"
HTTP = FilterChainMatch(
    transport_protocol="raw_buffer", application_protocols=("http/1.0", "http/1.1", "h2c")
)


@pytest.fixture
async def greeter():
    """A server that speaks first, then tells what it heard."""

    async def serve(reader, writer):
        writer.write(GREETING)
        writer.write(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def listen(proxy, make, greeter):
    """listen(**listener) -> the port of a listener that answers HTTP itself and hands on the rest."""

    def start(match=HTTP, **options):
        port = make.free_port()
        routing = make.routes(Route(RouteMatch(), DirectResponse(203)))
        manager = make.outbound(port, routing).filter_chains[0].network_filter
        options = {"inspect_http": True} | options
        listener = Listener(
            "l", HOST, port, (FilterChain("http", manager, match),),
            default_filter_chain=FilterChain("tcp", TcpProxy("tcp", "c")), **options,
        )  # fmt: skip
        proxy.config.apply(Resources((make.cluster("c", greeter),), listeners=(listener,)))
        return port

    return start


def counted(proxy, port, name):
    return proxy.worker.stats.counter(f"listener.{HOST}_{port}.downstream_{name}").value


async def greeted(client):
    async with asyncio.timeout(5):
        return await client.reader.readexactly(len(GREETING))


async def test_http_and_bytes_share_a_port(proxy, listen):
    port = listen()
    client = await proxy.client(port)
    assert (await client.get())[0] == 203
    preface = await proxy.client(port)
    preface.send(PREFACE + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
    assert (await preface.reader.readexactly(9))[3] == 4, "a SETTINGS frame"
    other = await proxy.client(port)
    other.send(b"*1\r\n$4\r\nPING\r\n")
    assert await greeted(other) == GREETING


async def test_what_was_read_to_decide_is_not_lost(proxy, listen):
    port = listen()
    client = await proxy.client(port)
    for piece in (b"GET", b" / HTTP", b"/1.1\r\nHost: a\r", b"\n\r\n"):
        client.send(piece)
        await proxy.settled()
    assert (await client.response())[0] == 203
    other = await proxy.client(port)
    other.send(b"PI")
    await proxy.settled()
    other.send(b"NG\r\n")
    other.writer.write_eof()
    assert await other.closed() == GREETING + b"PING\r\n"


async def test_a_client_that_waits_for_its_server_is_handed_on_as_bytes(proxy, listen):
    port = listen(listener_filters_timeout_s=0.05)
    client = await proxy.client(port)
    assert await greeted(client) == GREETING
    assert counted(proxy, port, "pre_cx_timeout") == 1


async def test_so_is_one_that_does_not_finish_its_first_line(proxy, listen):
    port = listen(listener_filters_timeout_s=0.05)
    client = await proxy.client(port)
    client.send(b"GET ")
    assert await greeted(client) == GREETING
    client.writer.write_eof()
    assert await client.closed() == b"GET "


async def test_or_it_is_closed_when_the_listener_says_so(proxy, listen):
    port = listen(listener_filters_timeout_s=0.05, continue_on_listener_filters_timeout=False)
    client = await proxy.client(port)
    assert await client.closed() == b""
    assert counted(proxy, port, "pre_cx_timeout") == 1


async def test_no_limit_waits_for_ever(proxy, listen):
    port = listen(listener_filters_timeout_s=0.0)
    client = await proxy.client(port)
    await proxy.until(lambda: counted(proxy, port, "cx_total") == 1)
    waiting = [timer for slot in proxy.worker.timers._slots.values() for timer in slot if timer.callback]
    assert not waiting
    assert (await client.get())[0] == 203


@pytest.mark.parametrize("options", [{"http_inspector_on": (1,)}, {"inspect_http": False}])
async def test_there_is_no_wait_where_nothing_is_inspected(proxy, listen, options):
    port = listen(listener_filters_timeout_s=0.0, **options)
    assert await greeted(await proxy.client(port)) == GREETING


async def test_inspectors_are_on_and_off_by_port(proxy, make, listen):
    """Permissive mutual TLS has to see a ClientHello, except on the ports that are left alone."""
    tls = FilterChainMatch(transport_protocol="tls")
    port = listen(tls, inspect_http=False, inspect_tls=True, listener_filters_timeout_s=0.0)
    waiting = await proxy.client(port)
    await proxy.until(lambda: counted(proxy, port, "cx_total") == 1)
    waiting.send(b"hello")
    assert await greeted(waiting) == GREETING
    off = replace(proxy.config.listeners["l"].model, tls_inspector_off=(port,))
    proxy.config.apply(Resources(proxy.config.resources.clusters, listeners=(off,)))
    assert await greeted(await proxy.client(port)) == GREETING


async def test_a_client_that_leaves_before_it_spoke_is_counted(proxy, listen):
    port = listen()
    client = await proxy.client(port)
    client.send(b"GET")
    client.writer.write_eof()
    assert await client.closed() == b""
    assert counted(proxy, port, "listener_filter_remote_close") == 1


async def test_a_first_line_without_end_is_refused(proxy, listen):
    port = listen()
    client = await proxy.client(port)
    client.send(b"GET /" + b"a" * MAX_LINE_BYTES)
    assert await client.closed() == b""
    assert counted(proxy, port, "listener_filter_error") == 1
