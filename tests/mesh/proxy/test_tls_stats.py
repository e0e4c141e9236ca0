"""The ``ssl.`` counters, of listeners and of clusters: after each handshake they are as the real Envoy's."""

from __future__ import annotations

import asyncio
import socket
import ssl

import aiohttp
import pytest
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from labs.harness.authority import Authority, load_identity
from labs.harness.eventually import NotInTime, eventually
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.names import file_certificate, file_roots
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, Route, RouteMatch, StringMatch
from mesh.model.tls import DownstreamTls, Secrets, UpstreamTls

pytestmark = pytest.mark.envoy

HOST = "127.0.0.1"
OURS, STRANGERS = Authority(), Authority("Strangers")
SERVER, CLIENT = OURS.issue("server", "api.example"), OURS.issue("client")
# what only Envoy counts: kinds of cryptography, and what no configuration of ours asks for
NOT_OURS = (
    "ciphers.",
    "curves.",
    "sigalgs.",
    "versions.",
    "ocsp_",
    "was_key_usage_invalid",
    "certificate.",
    "fail_verify_cert_hash",
)
GET = b"GET / HTTP/1.1\r\nhost: api.example\r\n\r\n"


def client_context(shown=None, **options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if shown is not None:
        load_identity(context, shown.key_pem + shown.chain_pem)
    for name, value in options.items():
        setattr(context, name, value)
    return context


@pytest.fixture
def files(pem_files):
    """Both authorities' roots are beside them."""
    pem_files.roots = pem_files.write("roots.pem", OURS.root_pem)
    pem_files.strangers = pem_files.write("strangers.pem", STRANGERS.root_pem)
    return pem_files


def listen(bootstrap, port):
    address = bootstrap.admin.address.socket_address
    address.address, address.port_value = HOST, port


@pytest.fixture
async def envoys_stats():
    """envoys_stats(port of its admin, prefix) -> its ssl. counters under that prefix, of kinds we have."""
    async with aiohttp.ClientSession() as session:

        async def read(port, prefix):
            async with session.get(f"http://{HOST}:{port}/stats") as response:
                lines = (await response.text()).splitlines()
            found = dict(line.split(": ", 1) for line in lines if line.startswith(f"{prefix}ssl."))
            counters = {name.removeprefix(f"{prefix}ssl."): value for name, value in found.items()}
            return {name: int(value) for name, value in counters.items() if not name.startswith(NOT_OURS)}

        yield read


def our_stats(proxy, prefix):
    counters = proxy.worker.stats.counters
    return {
        name.removeprefix(f"{prefix}ssl."): counter.value
        for name, counter in counters.items()
        if name.startswith(f"{prefix}ssl.")
    }


async def same(ours, envoys):
    """Both, once they are the same; as they are when that takes too long."""
    seen = {}

    async def look():
        seen.update(ours=ours(), envoy=await envoys())
        return seen if seen["ours"] == seen["envoy"] else None

    try:
        await eventually("the same counters", look, 3)
    except NotInTime:
        pass
    return seen["ours"], seen["envoy"]


async def speak(port, context):
    """A request over TLS, whatever comes of it."""
    try:
        reader, writer = await asyncio.open_connection(HOST, port, ssl=context)
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
    except (OSError, asyncio.IncompleteReadError):
        pass


async def say(port, data, *, and_leave=False):
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(data)
    if and_leave:
        await writer.drain()
    else:
        try:
            await reader.read()
        except OSError:
            pass
    writer.close()


async def come_again(port):
    """Two connections, the second in the session of the first."""

    def twice():
        context, session = client_context(CLIENT), None
        for _ in range(2):
            with (
                socket.create_connection((HOST, port), 5) as raw,
                context.wrap_socket(raw, session=session) as wire,
            ):
                wire.sendall(GET)
                wire.recv(65536)
                session = wire.session

    await asyncio.to_thread(twice)


async def compare(cases, act, ours, envoys):
    """What each case adds to the counters, in both engines. Fails with those that add something else."""
    differ, before = {}, ({}, {})
    for name, case in cases.items():
        async with asyncio.timeout(10):
            await act(case)
        after = await same(ours, envoys)
        mine, its = (
            {kind: count - old.get(kind, 0) for kind, count in new.items() if count != old.get(kind, 0)}
            for old, new in zip(before, after, strict=True)
        )
        before = after
        if mine != its:
            differ[name] = {"ours": mine, "envoy": its}
    assert not differ
    assert before[0].keys() == before[1].keys()


HELLO = bytes.fromhex("16030100ca010000c60303") + bytes(40)
LISTENER_CASES = {
    "a client of ours": lambda port: speak(port, client_context(CLIENT)),
    "a client that comes again": come_again,
    "a client of ours, TLS 1.2": lambda port: speak(
        port, client_context(CLIENT, maximum_version=ssl.TLSVersion.TLSv1_2)
    ),
    "no certificate": lambda port: speak(port, client_context()),
    "no certificate, TLS 1.2": lambda port: speak(
        port, client_context(maximum_version=ssl.TLSVersion.TLSv1_2)
    ),
    "another authority's": lambda port: speak(port, client_context(STRANGERS.issue("client"))),
    "plaintext": lambda port: say(port, GET),
    "a version nobody speaks": lambda port: say(port, b"\x16\x02\x00\x00\x05hello"),
    "half a hello": lambda port: say(port, HELLO, and_leave=True),
    "nothing": lambda port: say(port, b"", and_leave=True),
}


@pytest.mark.parametrize("required", [True, False], ids=["a certificate is required", "or is not"])
async def test_a_listener_counts_as_envoy_does(proxy, envoy, make, envoys_stats, files, required):
    admin, ports = make.free_port(), (make.free_port(), make.free_port())

    def adapt(bootstrap):
        """Its secrets are in files."""
        listen(bootstrap, admin)
        (found,) = bootstrap.static_resources.listeners[0].filter_chains
        context = tls_pb2.DownstreamTlsContext()
        found.transport_socket.typed_config.Unpack(context)
        common = context.common_tls_context
        common.ClearField("tls_certificate_sds_secret_configs")
        shown = common.tls_certificates.add()
        shown.certificate_chain.filename, shown.private_key.filename = files("server", SERVER)
        common.validation_context.trusted_ca.filename = files.roots
        found.transport_socket.typed_config.Pack(context)

    manager = HttpConnectionManager(
        "t", (Router(),), route_config=make.routes(Route(RouteMatch(), DirectResponse(200)))
    )
    tls = DownstreamTls((), require_client_certificate=required)
    proxy.worker.contexts.update(Secrets(SERVER, OURS.root_pem))
    ours, envoys = (Listener("t", HOST, port, (FilterChain("tls", manager, tls=tls),)) for port in ports)
    proxy.config.apply(Resources(listeners=(ours,)))
    (await envoy(envoys, adapt=adapt)).writer.transport.abort()

    async def act(case):
        for port in ports:
            await case(port)

    mine, its = (f"listener.{HOST}_{port}." for port in ports)
    await compare(LISTENER_CASES, act, lambda: our_stats(proxy, mine), lambda: envoys_stats(admin, its))


def originates(files, *names, validation="", certificate=""):
    return UpstreamTls("api.example", (), names, certificate, validation or file_roots(files.roots))


# the server, and how it is spoken to
CLUSTER_CASES = {
    "a server of ours": ("usual", lambda files: originates(files, "api.example")),
    "one that wants a certificate": (
        "asking",
        lambda files: originates(files, certificate=file_certificate(*files("client", CLIENT))),
    ),
    "and is shown none": ("asking", originates),
    "and is shown none, TLS 1.2": ("asking, TLS 1.2", originates),
    "and is shown another authority's": (
        "asking, TLS 1.2",
        lambda files: originates(
            files, certificate=file_certificate(*files("stranger", STRANGERS.issue("x")))
        ),
    ),
    "a server of another name": ("usual", lambda files: originates(files, "other.example")),
    "a server of another authority": (
        "usual",
        lambda files: originates(files, validation=file_roots(files.strangers)),
    ),
    "a server that is not verified": (
        "usual",
        lambda files: UpstreamTls("api.example", (), (), "", ""),
    ),
    "plaintext": ("plaintext", originates),
    "one that leaves": ("leaving", originates),
}


@pytest.fixture
async def servers(files):
    """Kind -> the port of a server of that kind."""

    async def answer(reader, writer):
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    async def garble(reader, writer):
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        await reader.read()
        writer.close()

    async def leave(reader, writer):
        await reader.read(65536)
        writer.close()

    def context(*, asks=False, most=ssl.TLSVersion.TLSv1_3):
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        load_identity(made, SERVER.key_pem + SERVER.chain_pem)
        made.maximum_version = most
        if asks:
            made.verify_mode = ssl.CERT_REQUIRED
            made.load_verify_locations(files.roots)
        return made

    kinds = {
        "usual": (answer, context()),
        "asking": (answer, context(asks=True)),
        "asking, TLS 1.2": (answer, context(asks=True, most=ssl.TLSVersion.TLSv1_2)),
        "plaintext": (garble, None),
        "leaving": (leave, None),
    }
    started = {
        kind: await asyncio.start_server(serve, HOST, 0, ssl=tls) for kind, (serve, tls) in kinds.items()
    }
    yield {kind: server.sockets[0].getsockname()[1] for kind, server in started.items()}
    for server in started.values():
        server.close()


async def test_a_cluster_counts_as_envoy_does(proxy, envoy, make, envoys_stats, files, servers):
    """Twice each, on connections of their own: the second may resume the session of the first."""
    admin, port = make.free_port(), make.free_port()
    clusters = tuple(
        make.cluster(f"c{at}", servers[kind], tls=tls(files), max_requests_per_connection=1)
        for at, (kind, tls) in enumerate(CLUSTER_CASES.values())
    )
    routing = make.routes(
        *(
            Route(RouteMatch(StringMatch("exact", f"/{each.name}")), make.forward(each.name))
            for each in clusters
        )
    )
    proxy.config.apply(Resources(clusters, listeners=(make.outbound(port, routing),)))
    its_client = await envoy(routing, *clusters, adapt=lambda bootstrap: listen(bootstrap, admin))
    our_client = await proxy.client(port)
    for at, name in enumerate(CLUSTER_CASES):
        answers = []
        for _ in range(2):
            answers.append([(await each.get(f"/c{at}"))[0] for each in (our_client, its_client)])
        assert all(ours == envoys for ours, envoys in answers), (name, answers)
        prefix = f"cluster.c{at}."
        ours, envoys = await same(
            lambda prefix=prefix: our_stats(proxy, prefix),
            lambda prefix=prefix: envoys_stats(admin, prefix),
        )
        assert ours == envoys, name
