"""mTLS on both sides of a pair of proxies: who is believed, who is refused, what the application is told."""

import asyncio
import gc
import ssl

import pytest

from mesh.http.request_parser import RequestParser
from mesh.http.response_parser import ResponseParser
from mesh.model.http_filter import FaultFilter, IstioStats, PeerMetadata, Router
from mesh.model.listener import FilterChain, FilterChainMatch, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch
from mesh.model.tls import DownstreamTls, UpstreamTls
from mesh.proxy import openssl, tls_contexts, tls_session
from mesh.proxy.tls import TlsConnection
from mesh.proxy.tls_client import connect_tls
from mesh.proxy.tls_contexts import TlsContexts
from mesh.proxy.tls_session import TlsSession

ALPN = ("istio-peer-exchange", "istio")
SERVER_ID = "spiffe://cluster.local/ns/default/sa/reviews"
CLIENT_ID = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage"
KINDS = ("connection_error", "fail_verify_error", "fail_verify_no_cert", "handshake")
INBOUND_FILTERS = (PeerMetadata("downstream"), FaultFilter(), IstioStats("destination"), Router())


@pytest.fixture
def inbound(make):
    """inbound(port, mode) -> the listener of a sidecar, as pilot makes it."""

    def build(port, mode):
        routing = make.routes(Route(RouteMatch(), make.forward("app"), "default"))
        manager = HttpConnectionManager(
            "inbound", INBOUND_FILTERS, route_config=routing, forward_client_cert="APPEND_FORWARD"
        )
        chains = []
        if mode != "DISABLE":
            chains.append(
                FilterChain("mtls", manager, FilterChainMatch(transport_protocol="tls"), DownstreamTls(ALPN))
            )
        if mode != "STRICT":
            match = FilterChainMatch(transport_protocol="raw_buffer")
            chains.append(FilterChain("plaintext", manager, match))
        return Listener("in", "127.0.0.1", port, tuple(chains), direction="INBOUND", inspect_tls=True)

    return build


@pytest.fixture
async def pair(proxy, make, inbound, secrets_of):
    """A client on the outbound side; one proxy plays both sidecars, over a real TLS connection."""
    secrets = secrets_of("bookinfo-productpage")
    proxy.worker.contexts.update(secrets)
    origin = await proxy.origin()
    inner, outer = make.free_port(), make.free_port()

    async def start(mode="STRICT", allowed=(CLIENT_ID,), max_requests_per_connection=0, **endpoint):
        tls = UpstreamTls("outbound_.9080_._.reviews", ("istio",), allowed)
        upstream = make.cluster("up", tls=tls, tls_by_endpoint=bool(endpoint), host="reviews.default.svc")
        upstream = type(upstream)(
            "up", "STATIC", load_assignment=make.endpoints("up", inner, **endpoint), tls=tls,
            tls_by_endpoint=bool(endpoint), host="reviews.default.svc",
            max_requests_per_connection=max_requests_per_connection,
        )  # fmt: skip
        proxy.config.apply(
            Resources(
                clusters=(make.cluster("app", origin.port), upstream),
                listeners=(
                    inbound(inner, mode),
                    make.outbound(outer, make.routes(Route(RouteMatch(), make.forward("up")))),
                ),
            )
        )
        return await proxy.client(outer)

    start.origin, start.inner, start.outer = origin, inner, outer
    return start


async def test_both_sides_know_each_other(proxy, pair):
    client = await pair()
    status, fields, _ = await client.get()
    assert status == 200
    destination, source = proxy.entries
    assert (destination.reporter, source.reporter) == ("destination", "source")
    assert destination.source_principal == destination.destination_principal == CLIENT_ID
    assert source.destination_principal == source.source_principal == CLIENT_ID
    assert destination.tls_version == "TLSv1.3"
    assert source.tls_version == ""
    assert destination.requested_server_name == "outbound_.9080_._.reviews"
    assert "x-envoy-peer-metadata" not in fields


async def test_the_application_is_told_who_calls_and_cannot_be_lied_to(proxy, pair):
    client = await pair()
    await client.get(
        "/", "reviews", "X-Forwarded-Client-Cert: By=me;URI=spiffe://cluster.local/ns/x/sa/admin"
    )
    head = pair.origin.requests[0].decode()
    (line,) = [line for line in head.split("\r\n") if line.startswith("x-forwarded-client-cert")]
    parts = line.partition(": ")[2].split(";")
    assert parts[0] == f"By={CLIENT_ID}"
    assert parts[1].startswith("Hash=")
    assert len(parts[1]) == len("Hash=") + 64
    assert parts[2:] == ['Subject=""', f"URI={CLIENT_ID}"]
    assert "x-envoy-peer-metadata" not in head


async def test_a_peer_with_another_identity_is_refused_before_anything_is_sent(proxy, pair):
    client = await pair(allowed=("spiffe://cluster.local/ns/default/sa/other",))
    status, _, body = await client.get()
    (entry,) = proxy.entries
    assert (status, entry.response_flags) == (503, "UF")
    assert b"CERTIFICATE" not in body  # the log's business, not the client's
    reason = entry.upstream_transport_failure_reason
    assert (
        f"CERTIFICATE_VERIFY_FAILED:verify cert failed: SAN matcher, certificate SANs are [{CLIENT_ID}]"
        in reason
    )
    assert pair.origin.requests == []
    assert proxy.worker.stats.counter(f"listener.127.0.0.1_{pair.inner}.ssl.handshake").value == 0
    assert proxy.worker.stats.counter("cluster.up.ssl.fail_verify_san").value == 1


async def test_strict_refuses_plaintext_and_permissive_takes_both(proxy, pair):
    await pair("STRICT")
    plain = await proxy.client(pair.inner)
    plain.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert await plain.closed() == b""
    client = await pair("PERMISSIVE")
    plain = await proxy.client(pair.inner)
    assert (await plain.get())[0] == 200
    assert (await client.get())[0] == 200
    assert [entry.source_principal for entry in proxy.entries] == ["", CLIENT_ID, CLIENT_ID]


async def test_auto_mtls_asks_the_endpoint(proxy, pair):
    client = await pair("PERMISSIVE", mtls=False)
    assert (await client.get())[0] == 200
    client = await pair("PERMISSIVE", mtls=True)
    assert (await client.get())[0] == 200
    assert [e.tls_version for e in proxy.entries if e.reporter == "destination"] == ["", "TLSv1.3"]


async def test_going_strict_reaches_live_plaintext_connections(proxy, pair):
    await pair("PERMISSIVE")
    idle, busy = await proxy.client(pair.inner), await proxy.client(pair.inner)
    assert (await idle.get())[0] == 200
    release = asyncio.Event()

    async def slow(request, writer):
        await release.wait()
        writer.write(pair.origin.response)

    pair.origin.respond = slow
    busy.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await proxy.until(lambda: len(pair.origin.requests) == 2)
    await pair("STRICT")
    assert await idle.closed() == b""
    release.set()
    status, fields, _ = await busy.response()
    assert (status, fields["connection"]) == (200, "close")
    assert await busy.closed() == b""


async def test_a_change_that_does_not_concern_a_connection_leaves_it_alone(proxy, pair):
    client = await pair("PERMISSIVE")
    assert (await client.get())[0] == 200
    secured = proxy.worker.clusters["up"]
    again = await pair("STRICT")
    assert proxy.worker.clusters["up"] is secured
    assert (await again.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.up.upstream_cx_total").value == 1


async def test_a_new_certificate_serves_new_connections_and_old_ones_go_on(proxy, pair, secrets_of):
    client = await pair()
    assert (await client.get())[0] == 200
    proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
    assert (await client.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.up.upstream_cx_total").value == 1
    proxy.worker.clusters["up"].close_idle(float("inf"))
    assert (await client.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.up.upstream_cx_total").value == 2
    hashes = {r.decode().partition("Hash=")[2].partition(";")[0] for r in pair.origin.requests}
    assert len(hashes) == 2


async def answer_over_tls(port, context):
    """With TLS 1.3 a client learns only after its handshake that it is not wanted."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        return await reader.read()
    except OSError:
        return b""


async def test_a_client_without_or_with_a_foreign_certificate_is_refused(proxy, pair, secrets_of):
    await pair()
    foreign = TlsContexts()
    foreign.update(secrets_of("bookinfo-productpage", "elsewhere"))
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    contexts = [anonymous, foreign.client(UpstreamTls("x", ("istio",)))]
    for context in contexts:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        assert await answer_over_tls(pair.inner, context) == b""
    assert pair.origin.requests == []
    prefix = f"listener.127.0.0.1_{pair.inner}.ssl."
    told = {kind: proxy.worker.stats.counter(prefix + kind).value for kind in KINDS}
    assert told == {
        "connection_error": 0,
        "fail_verify_error": 1,
        "fail_verify_no_cert": 1,
        "handshake": 0,
    }


async def test_a_refused_client_is_told_why_by_an_alert(pair):
    """RFC 8446 6.2: certificate_required. In TLS 1.3 the client hears of it after its own handshake."""
    await pair()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection("127.0.0.1", pair.inner, ssl=context)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        await reader.read()
    writer.close()


async def test_the_next_connection_to_a_host_resumes_the_session_of_the_last(proxy, pair):
    client = await pair(max_requests_per_connection=1)
    for _ in range(3):
        assert (await client.get())[0] == 200
    seen = [
        [proxy.worker.stats.counter(f"{side}.ssl.{kind}").value for kind in ("handshake", "session_reused")]
        for side in ("cluster.up", f"listener.127.0.0.1_{pair.inner}")
    ]
    assert seen == [[3, 2], [3, 2]]
    assert {entry.source_principal for entry in proxy.entries} == {CLIENT_ID}


async def test_connections_made_at_the_same_time_resume_a_session_each(proxy, pair):
    clients = [await pair(max_requests_per_connection=1)]
    clients += [await proxy.client(pair.outer) for _ in range(7)]
    for _ in range(2):
        answers = await asyncio.gather(*(client.get() for client in clients))
        assert {answer[0] for answer in answers} == {200}
    reused = proxy.worker.stats.counter("cluster.up.ssl.session_reused").value
    assert reused >= len(clients)


async def test_the_session_is_asked_for_once_and_not_for_each_connection(proxy, pair, monkeypatch):
    asked = []

    def session_of(connection, made):
        asked.append(connection)
        return openssl.session_of(connection, made)

    monkeypatch.setattr(tls_session, "session_of", session_of)
    clients = [await pair(max_requests_per_connection=1)]
    clients += [await proxy.client(pair.outer) for _ in range(7)]
    for _ in range(2):
        await asyncio.gather(*(client.get() for client in clients))
    assert proxy.worker.stats.counter("cluster.up.ssl.handshake").value == 2 * len(clients)
    assert len(asked) == 1


async def test_a_connection_that_is_broken_off_costs_the_others_no_session(proxy, pair):
    """OpenSSL takes a session for bad whose connection ends without a word."""
    await pair()
    context = proxy.worker.contexts.client(UpstreamTls("x", ("istio",)))
    session = TlsSession()

    async def connect():
        return await connect_tls(
            proxy.worker.loop, ("127.0.0.1", pair.inner), context, "x", resumption=session
        )

    first, heard = await connect(), Heard()
    first.attach(heard)
    first.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    await proxy.until(lambda: heard.received)
    first.abort()
    for _ in range(4):
        connection = await connect()
        assert connection.ssl_object.session_reused
        connection.abort()


async def test_a_new_configuration_goes_on_with_the_sessions_of_the_old(proxy, pair):
    client = await pair(max_requests_per_connection=1)
    assert (await client.get())[0] == 200
    client = await pair(max_requests_per_connection=2)
    assert (await client.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.up.ssl.handshake").value == 2
    assert proxy.worker.stats.counter("cluster.up.ssl.session_reused").value == 1


def remembered(proxy):
    """The sessions that the server's contexts hold."""
    return sum(context.session_stats()["number"] for context in proxy.worker.contexts._servers.values())


async def test_who_resumes_a_session_does_not_fill_the_servers_memory_with_more(proxy, pair, monkeypatch):
    monkeypatch.setattr(tls_contexts, "MAX_SESSIONS", 8)
    client = await pair(max_requests_per_connection=1)
    for _ in range(12):
        assert (await client.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.up.ssl.session_reused").value == 11
    assert remembered(proxy) <= 4


async def test_who_never_resumes_finds_a_server_that_forgets(proxy, pair, monkeypatch):
    monkeypatch.setattr(tls_contexts, "MAX_SESSIONS", 4)
    await pair()
    prefix = f"listener.127.0.0.1_{pair.inner}.ssl."
    for number in range(10):
        context = proxy.worker.contexts.client(UpstreamTls("x", ("istio",)))
        wire = await connect_tls(proxy.worker.loop, ("127.0.0.1", pair.inner), context, "x")
        handshakes = proxy.worker.stats.counter(prefix + "handshake")
        await proxy.until(lambda expected=number + 1, made=handshakes: made.value == expected)
        assert remembered(proxy) <= 4
        wire.close()
    assert proxy.worker.stats.counter(prefix + "session_reused").value == 0


async def test_new_secrets_resume_nothing_that_was_agreed_on_under_the_old(proxy, pair, secrets_of):
    client = await pair(max_requests_per_connection=1)
    assert (await client.get())[0] == 200
    proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
    assert (await client.get())[0] == 200
    assert proxy.worker.stats.counter("cluster.up.ssl.session_reused").value == 0


@pytest.mark.parametrize("max_requests_per_connection", [0, 1], ids=["kept connections", "new connections"])
async def test_certificates_rotate_under_load_and_no_request_fails(
    proxy, pair, secrets_of, max_requests_per_connection
):
    first = await pair(max_requests_per_connection=max_requests_per_connection)
    clients = [first, *[await proxy.client(pair.outer) for _ in range(7)]]
    answered, rotating = [0], True

    async def ask(client):
        while rotating:
            assert (await client.get())[0] == 200
            answered[0] += 1

    asking = [asyncio.create_task(ask(client)) for client in clients]
    for _ in range(20):
        before = answered[0]
        proxy.worker.contexts.update(secrets_of("bookinfo-productpage"))
        await proxy.until(lambda before=before: answered[0] > before + 16 or asking[0].done())
    rotating = False
    await asyncio.gather(*asking)
    handshakes = proxy.worker.stats.counter("cluster.up.ssl.handshake").value
    assert handshakes >= answered[0] if max_requests_per_connection else handshakes <= len(clients)


async def test_a_resumed_session_is_no_way_round_a_check_of_the_name(proxy, pair):
    client = await pair(max_requests_per_connection=1)
    assert (await client.get())[0] == 200
    client = await pair(
        allowed=("spiffe://cluster.local/ns/default/sa/other",), max_requests_per_connection=1
    )
    assert (await client.get())[0] == 503
    assert proxy.worker.stats.counter("cluster.up.ssl.fail_verify_san").value == 1


async def test_big_bodies_pass_through_tls(proxy, pair):
    size = 3_000_000
    pair.origin.response = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % size + b"x" * size
    client = await pair()
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"y" * size)
    status, _, body = await client.response()
    assert (status, len(body)) == (200, size)
    assert len(pair.origin.requests[0]) > size


async def test_garbage_instead_of_a_handshake_is_dropped(proxy, pair):
    await pair()
    client = await proxy.client(pair.inner)
    client.send(b"\x16\x03\x01\x00\x05hello")
    await client.closed()
    await proxy.until(
        lambda: proxy.worker.stats.counter(f"listener.127.0.0.1_{pair.inner}.ssl.connection_error").value
    )


async def test_nothing_is_said_to_a_connection_that_is_lost(secrets_of):
    """A relay closes both of its sides, the one that is gone, too."""
    contexts = TlsContexts()
    contexts.update(secrets_of("reviews"))
    context = contexts.client(UpstreamTls("x", ("istio",)))

    class Gone(asyncio.Transport):
        def write(self, data):
            assert not self.lost, "written after the end"

        lost = False

    raw = Gone()
    connection = TlsConnection(context, server_side=False, on_ready=print, on_failed=lambda reason: None)
    connection.connection_made(raw)
    raw.lost = True
    connection.connection_lost(None)
    connection.write(b"more")
    connection.close()


class Heard(asyncio.Protocol):
    """What a protocol over TLS hears; it goes on after the other side's last word."""

    def __init__(self):
        self.received, self.ended = b"", False

    def data_received(self, data):
        self.received += data

    def eof_received(self):
        self.ended = True
        return True


class Wire(asyncio.Transport):
    """Keeps what is written until somebody carries it over."""

    def __init__(self):
        self.written, self.closed = b"", False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    def take(self):
        written, self.written = self.written, b""
        return written


@pytest.fixture
def shake_hands(secrets_of):
    """shake_hands() -> two ends of a TLS connection whose bytes the test carries: (connection, its wire, what
    it hears). The client has done its handshake and not sent its last words.
    """

    def make():
        contexts = TlsContexts()
        contexts.update(secrets_of("reviews"))
        ends = []
        for context, server_side in (
            (contexts.client(UpstreamTls("x", ("istio",))), False),
            (contexts.server(DownstreamTls(("istio",))), True),
        ):
            heard, wire = Heard(), Wire()
            connection = TlsConnection(
                context,
                server_side=server_side,
                on_ready=lambda made, heard=heard: made.attach(heard),
                on_failed=pytest.fail,
            )
            ends.append((connection, wire, heard))
            connection.connection_made(wire)
        (client, client_wire, _), (server, server_wire, _) = ends
        server.data_received(client_wire.take())
        client.data_received(server_wire.take())
        return ends

    return make


@pytest.fixture
async def joined(shake_hands):
    """The same when all is said."""
    ends = (_, client_wire, _), (server, _, _) = shake_hands()
    await asyncio.sleep(0)
    server.data_received(client_wire.take())
    return ends


async def test_who_has_said_all_still_hears_what_was_on_its_way(joined):
    (client, client_wire, heard), (server, server_wire, _) = joined
    server.write(b"x" * 10_000)
    record = server_wire.take()
    client.data_received(record[:5000])
    client.write_eof()
    client.data_received(record[5000:])
    assert heard.received == b"x" * 10_000
    server.write(b"more")
    client.data_received(server_wire.take())
    assert heard.received.endswith(b"xmore")
    assert not client_wire.closed


async def test_who_hears_the_last_word_may_go_on_until_it_says_its_own(joined):
    (client, client_wire, answer), (server, server_wire, heard) = joined
    client.write(b"question")
    client.write_eof()
    server.data_received(client_wire.take())
    assert (heard.received, heard.ended, server_wire.closed) == (b"question", True, False)
    server.write(b"answer")
    server.close()
    client.data_received(server_wire.take())
    assert (answer.received, answer.ended) == (b"answer", True)
    assert server_wire.closed


async def test_a_connection_keeps_no_room_for_the_largest_that_went_through_it(joined, allocated_bytes):
    (client, client_wire, answer), (server, server_wire, heard) = joined
    before = allocated_bytes()
    for sender, wire, receiver, heard_there in (
        (server, server_wire, client, answer),
        (client, client_wire, server, heard),
    ):
        sender.write(b"x" * 4_000_000)
        receiver.data_received(wire.take())
        assert len(heard_there.received) == 4_000_000
        heard_there.received = b""
    assert allocated_bytes() - before < 1_000_000


async def test_the_end_of_the_stream_without_a_goodbye_is_the_end_of_both_ways(joined):
    _, (server, _, heard) = joined
    assert not server.eof_received()
    assert heard.ended


@pytest.fixture
def living():
    """How many of these kinds there are, while nobody collects garbage."""
    gc.collect()
    gc.disable()
    yield lambda *kinds: sum(type(each) in kinds for each in gc.get_objects())
    gc.enable()


async def test_a_closed_connection_is_freed_at_once(proxy, pair, living):
    """Its buffers and keys, some 40 kB that Python's collector does not see, wait for no collection."""
    client = await pair(max_requests_per_connection=1)
    for _ in range(20):
        assert (await client.get())[0] == 200
    left = 3  # of the last request, on both sides, may not be over yet
    await proxy.until(lambda: living(TlsConnection) <= left)
    await proxy.until(lambda: living(RequestParser, ResponseParser) <= left + 1)  # the client's


def test_a_connection_whose_server_never_spoke_is_freed_at_once(secrets_of, living):
    contexts = TlsContexts()
    contexts.update(secrets_of("reviews"))
    connection = TlsConnection(
        contexts.client(UpstreamTls("x", ("istio",))),
        server_side=False,
        on_ready=print,
        on_failed=lambda reason: None,
        offer=lambda made: print,
    )
    connection.connection_made(Wire())
    connection.connection_lost(None)
    del connection
    assert living(TlsConnection) == 0


async def test_the_last_words_of_a_handshake_go_along_with_the_first_that_are_written(shake_hands):
    """A packet less on both sides, each a system call here and a turn of the loop there."""
    (client, client_wire, _), (server, server_wire, heard) = shake_hands()
    assert client_wire.written == b""
    client.write(b"request")
    server.data_received(client_wire.take())
    assert heard.received == b"request"
    assert server_wire.written == b""
    server.write(b"response")
    assert server_wire.written
    await asyncio.sleep(0)
    assert client_wire.written == b""


class CountingLoop:
    """Makes connections whose transports append what is written to ``written``."""

    def __init__(self, loop):
        self.loop = loop
        self.written = []

    def __getattr__(self, name):
        return getattr(self.loop, name)

    async def create_connection(self, make, *address):
        written = self.written

        class Counting:
            def __init__(self, transport):
                self.transport = transport

            def write(self, data):
                written.append(bytes(data))
                self.transport.write(data)

            def __getattr__(self, name):
                return getattr(self.transport, name)

        class Protocol(asyncio.Protocol):
            def __init__(self):
                self.protocol = make()
                self.data_received = self.protocol.data_received
                self.connection_lost = self.protocol.connection_lost
                self.eof_received = self.protocol.eof_received

            def connection_made(self, transport):
                self.protocol.connection_made(Counting(transport))

        return await self.loop.create_connection(Protocol, *address)


async def test_who_waited_for_the_handshake_and_speaks_at_once_is_in_time_for_its_last_words(proxy, pair):
    await pair()
    loop = CountingLoop(proxy.worker.loop)
    context = proxy.worker.contexts.client(UpstreamTls("x", ("istio",)))
    connection = await connect_tls(loop, ("127.0.0.1", pair.inner), context, "x")
    heard = Heard()
    connection.attach(heard)
    connection.write(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
    await proxy.until(lambda: heard.received)
    assert len(loop.written) == 2  # the first words alone, the last with the request
    connection.abort()


async def test_the_last_words_of_a_handshake_are_not_said_to_a_connection_that_is_lost(shake_hands):
    (client, client_wire, _), _ = shake_hands()
    client.connection_lost(None)
    await asyncio.sleep(0)
    assert client_wire.written == b""


async def test_a_client_that_has_nothing_to_say_finishes_its_handshake_all_the_same(shake_hands):
    (_, client_wire, _), (server, _, heard) = shake_hands()
    await asyncio.sleep(0)
    server.data_received(client_wire.take())
    server.write(b"greeting")
    assert heard.received == b""
    assert server.ssl_object.version() == "TLSv1.3"
