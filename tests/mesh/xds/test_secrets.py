"""Secrets by name: who is told of them, when, and that their change breaks nothing; on both engines."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace

import pytest

from labs.harness.authority import Authority
from labs.harness.free_port import free_port
from mesh.grpc.channel import Channel
from mesh.model.cluster import Cluster
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.names import credential, credential_roots
from mesh.model.resources import Resources
from mesh.model.route import DirectResponse, Route, RouteConfiguration, RouteMatch, VirtualHost
from mesh.model.tls import DownstreamTls, Secret, TlsCertificate, UpstreamTls
from mesh.proxy.bootstrap import Bootstrap
from mesh.proxy.data_plane import DataPlane
from mesh.xds.client import AdsClient
from mesh.xds.client_state import ClientState
from mesh.xds.codec.codec import TYPE_URLS, decode, encode
from mesh.xds.delivery import Delivery
from mesh.xds.errors import Rejected
from mesh.xds.settle import Received, settle
from mesh.xds.snapshot import snapshot
from mesh.xds.subscription import Request

NAME = credential("site")
ROOTS = credential_roots("site")
AUTHORITY = Authority()
SECRET = Secret(NAME, AUTHORITY.issue("first", "site.example"))
TRUST = Secret(ROOTS, AUTHORITY.root_pem)


def https(port: int = 443, validation: str = "", **options) -> Listener:
    host = VirtualHost("any", ("*",), (Route(RouteMatch(), DirectResponse(200, b"hi")),))
    manager = HttpConnectionManager("m", (Router(),), route_config=RouteConfiguration("r", (host,)))
    tls = DownstreamTls(("http/1.1",), bool(validation), NAME, validation, **options)
    return Listener("https", "127.0.0.1", port, (FilterChain("c", manager, tls=tls),))


def originating() -> Cluster:
    return Cluster("out", "STATIC", tls=UpstreamTls("site.example", (), certificate=NAME, validation=ROOTS))


def served(secret: Secret, port: int = 443) -> Resources:
    return Resources(listeners=(https(port),), secrets=(secret,))


# what travels


def test_a_secret_comes_back_as_it_went():
    assert decode(encode(SECRET)) == SECRET
    assert decode(encode(TRUST)) == TRUST


def test_a_key_is_in_no_text_that_is_made_of_it():
    broken = encode(SECRET)
    message = decode(broken)
    assert "PRIVATE KEY" not in repr(served(message))


def test_a_key_that_is_elsewhere_is_refused_without_being_told(monkeypatch):
    from envoy.extensions.transport_sockets.tls.v3 import secret_pb2

    from mesh.xds.codec.wire import pack

    message = secret_pb2.Secret(name=NAME)
    message.tls_certificate.certificate_chain.inline_bytes = b"chain"
    message.tls_certificate.private_key.inline_string = "top secret"
    with pytest.raises(Rejected, match=r"^secret .*: private_key: expected inline_bytes, got inline_string$"):
        decode(pack(message))


def test_tls_parameters_come_back_as_they_went():
    suites = ("ECDHE-ECDSA-AES128-GCM-SHA256",)
    for listener in (https(), https(validation=ROOTS, min_version="TLSv1_3", cipher_suites=suites)):
        assert decode(encode(listener)) == listener


# who is owed it


def test_a_proxy_that_names_no_secret_is_sent_none():
    delivery = Delivery()
    delivery.push(snapshot(Resources()), 1)
    for name in ("CDS", "LDS"):
        delivery.receive(name, Request(TYPE_URLS[name]))
    while delivery.next_response() is not None:
        pass
    assert delivery.status()["SDS"].status == "IGNORED"


def test_only_the_secrets_asked_for_are_sent():
    delivery = Delivery()
    delivery.push(snapshot(replace(served(SECRET), secrets=(SECRET, TRUST))), 1)
    delivery.receive("SDS", Request(TYPE_URLS["SDS"], (NAME,)))
    response = delivery.next_response()
    assert response is not None
    assert AUTHORITY.root_pem not in response
    assert delivery.next_response() is None


# when it is served


def test_a_listener_waits_for_its_secret():
    received = Received(listeners={"https": https()})
    assert settle(received, Resources()).waiting == {"LDS"}
    resources = settle(replace(received, secrets={NAME: SECRET}), Resources()).resources
    assert resources == served(SECRET)


def test_a_cluster_is_cold_until_its_secrets_are_there():
    received = Received(clusters={"out": originating()}, secrets={NAME: SECRET})
    assert settle(received, Resources()).waiting == {"CDS"}
    both = replace(received, secrets={NAME: SECRET, ROOTS: TRUST})
    assert settle(both, Resources()).resources.secrets == (SECRET, TRUST)


def test_what_nobody_names_any_more_is_forgotten():
    assert settle(Received(), served(SECRET)).resources == Resources()


def test_the_client_asks_for_what_a_listener_names_and_no_more_when_it_is_gone():
    applied: list[Resources] = []
    state = ClientState(applied.append)
    state.open()

    def tell(name: str, nonce: str, *resources):
        from envoy.service.discovery.v3 import discovery_pb2

        packed = [encode(resource) for resource in resources]
        message = discovery_pb2.DiscoveryResponse(
            version_info=nonce, nonce=nonce, type_url=TYPE_URLS[name], resources=packed
        )
        kinds = {url: kind for kind, url in TYPE_URLS.items()}
        return [(kinds[request.type_url], request.names) for request in state.receive(message)]

    tell("CDS", "1")
    assert tell("LDS", "2", https()) == [("SDS", (NAME,))]
    assert tell("SDS", "3", SECRET) == [("LDS", ()), ("SDS", (NAME,))]
    assert applied == [served(SECRET)]
    assert ("SDS", ()) in tell("LDS", "4")
    assert applied[-1] == Resources()


# both engines


@pytest.fixture(params=["ours", pytest.param("envoy", marks=pytest.mark.envoy)])
def engine(request):
    """A proxy of either engine, connected to the control plane."""
    return request.getfixturevalue(request.param)


@pytest.fixture
async def ours(control_plane, node, tmp_path):
    bootstrap = Bootstrap("127.0.0.1:1", tmp_path, tmp_path, tmp_path, access_log="/dev/null")
    plane = DataPlane(node, bootstrap)
    client = AdsClient(node, lambda: Channel(("127.0.0.1", control_plane.port)), plane.apply)
    client.start()
    yield client
    await client.stop()
    plane.drain(graceful=False)
    await plane.close()


async def connect(port: int, authority: Authority = AUTHORITY):
    """A client's connection, and the common name of who answers."""
    trust = ssl.create_default_context(cadata=authority.root_pem.decode())
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=trust, server_hostname="site.example"
    )
    names = dict(pair for [pair] in writer.get_extra_info("peercert")["subject"])
    return reader, writer, names["commonName"]


async def ask(reader, writer) -> bytes:
    writer.write(b"GET / HTTP/1.1\r\nhost: site.example\r\n\r\n")
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(2)
    return head.split()[1]


async def test_a_new_certificate_is_for_new_connections_and_drops_no_old_one(engine, source):
    port = free_port()
    await source.until_acked(source.push(served(SECRET, port)))
    old_reader, old_writer, name = await connect(port)
    assert (name, await ask(old_reader, old_writer)) == ("first", b"200")

    changed = Secret(NAME, AUTHORITY.issue("second", "site.example"))
    await source.until_acked(source.push(served(changed, port)))
    reader, writer, name = await connect(port)
    assert (name, await ask(reader, writer)) == ("second", b"200")
    assert await ask(old_reader, old_writer) == b"200"
    writer.close()
    old_writer.close()


async def test_a_secret_that_is_none_is_refused_and_the_old_one_stays(engine, source):
    port = free_port()
    await source.until_acked(source.push(served(SECRET, port)))
    key = Authority().issue("other").key_pem
    assert isinstance(SECRET.content, TlsCertificate)
    mixed = Secret(NAME, TlsCertificate(SECRET.content.chain_pem, key))
    source.push(served(mixed, port))
    await source.until(lambda: any(event[:2] == ("nack", "SDS") for event in source.events))
    _, writer, name = await connect(port)
    assert name == "first"
    writer.close()
