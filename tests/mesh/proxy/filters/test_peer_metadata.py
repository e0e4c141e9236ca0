"""Metadata exchange over real sockets."""

import pytest

from mesh.model.http_filter import PeerMetadata, Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.peer import Peer
from mesh.model.resources import Resources
from mesh.model.route import Route, RouteMatch

PEER = Peer("reviews-v1", "default", "reviews", "v1", "reviews", "v1", "Kubernetes")


@pytest.fixture(autouse=True)
def decode(proxy):
    proxy.worker._decode_peer = lambda header: Peer(header.decode())


async def test_services_of_the_mesh_are_told_who_we_are_and_strangers_are_not(proxy, serve, make):
    origin = await proxy.origin(
        b"HTTP/1.1 200 OK\r\nx-envoy-peer-metadata: them\r\ncontent-length: 0\r\n\r\n"
    )
    client = await serve(make.forward("c"), make.cluster("c", origin.port, host="reviews.default"))
    _, fields, _ = await client.get("/", "a", "x-envoy-peer-metadata: liar")
    assert b"x-envoy-peer-metadata: me\r\n" in origin.requests[0]
    assert b"x-envoy-peer-metadata-id: sidecar~127.0.0.1~productpage-v1-0.default~" in origin.requests[0]
    assert b"liar" not in origin.requests[0]
    assert "x-envoy-peer-metadata" not in fields
    assert proxy.entries[0].destination == Peer("them")
    assert proxy.entries[0].source.workload == "productpage-v1"
    client = await serve(make.forward("c"), make.cluster("c", origin.port))
    await client.get()
    assert b"peer-metadata" not in origin.requests[1]


async def test_a_callee_that_its_endpoint_names_is_not_asked_who_it_is(proxy, serve, make):
    origin = await proxy.origin()
    cluster = make.cluster("c", origin.port)
    group = cluster.load_assignment.localities[0]
    endpoint = type(group.endpoints[0])("127.0.0.1", origin.port, workload=PEER.to_text())
    assignment = type(cluster.load_assignment)("c", (type(group)((endpoint,)),))
    client = await serve(
        make.forward("c"), type(cluster)("c", "STATIC", load_assignment=assignment, host="reviews.default")
    )
    assert (await client.get())[0] == 200
    assert b"x-envoy-peer-metadata: me\r\n" in origin.requests[0]
    assert b"x-envoy-peer-metadata-id" not in origin.requests[0]
    assert proxy.entries[0].destination == PEER


async def test_before_it_answers_the_endpoint_says_who_it_is(proxy, serve, make):
    cluster = make.cluster("c", make.free_port())
    group = cluster.load_assignment.localities[0]
    endpoint = type(group.endpoints[0])("127.0.0.1", make.free_port(), workload=PEER.to_text())
    assignment = type(cluster.load_assignment)("c", (type(group)((endpoint,)),))
    client = await serve(make.forward("c"), type(cluster)("c", "STATIC", load_assignment=assignment))
    assert (await client.get())[0] == 503
    assert proxy.entries[0].destination == PEER


async def test_the_caller_is_learnt_and_answered_only_when_it_asked(proxy, make):
    origin, port = await proxy.origin(), make.free_port()
    manager = HttpConnectionManager(
        "in",
        (PeerMetadata("downstream"), Router()),
        route_config=make.routes(Route(RouteMatch(), make.forward("c"))),
    )
    listener = Listener("in", "127.0.0.1", port, (FilterChain("c", manager),), "INBOUND")
    proxy.config.apply(Resources((make.cluster("c", origin.port),), listeners=(listener,)))
    client = await proxy.client(port)
    _, fields, _ = await client.get("/", "a", "x-envoy-peer-metadata: caller", "x-envoy-peer-metadata-id: x")
    assert fields["x-envoy-peer-metadata"] == "me"
    assert b"peer-metadata" not in origin.requests[0]
    _, fields, _ = await client.get()
    assert "x-envoy-peer-metadata" not in fields
