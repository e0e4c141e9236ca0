"""Endpoints by name: every address serves, lookups go on, failures change nothing."""

from __future__ import annotations

import asyncio
import socket

import pytest

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.listener import FilterChain, Listener, TcpProxy
from mesh.model.resources import Resources
from mesh.proxy import dns
from mesh.proxy.dns import Dns
from mesh.xds.errors import Rejected


def assignment(*names, port=80):
    endpoints = tuple(Endpoint(name, port) for name in names)
    return ClusterLoadAssignment("dns", (LocalityEndpoints(endpoints),))


def addresses(found):
    return [one.address for group in found.localities for one in group.endpoints]


class Zone:
    """Answers lookups in the loop's place; a name without addresses cannot be resolved."""

    def __init__(self, **names):
        self.names = names
        self.asked = 0

    async def __call__(self, name, port, **_):
        self.asked += 1
        if not self.names.get(name):
            raise socket.gaierror(-2, "unknown")
        return [(2, 1, 6, "", (address, 0)) for address in self.names[name]]


async def test_a_name_of_the_system_serves_requests(proxy, make, serve):
    origin = await proxy.origin()
    cluster = Cluster("dns", "STRICT_DNS", load_assignment=assignment("localhost", port=origin.port))
    client = await serve(make.forward("dns"), cluster)
    await proxy.until(lambda: proxy.worker.clusters["dns"].hosts)
    assert (await client.get("/"))[0] == 200


async def test_every_address_is_an_endpoint_and_changes_are_followed(proxy, monkeypatch):
    monkeypatch.setattr(dns, "REFRESH_S", 0.0)
    zone = Zone(a=["10.0.0.2", "10.0.0.1"])
    monkeypatch.setattr(proxy.worker, "loop", _with(proxy.worker.loop, zone))
    taken = []
    lookup = Dns(assignment("a", "10.9.9.9"), proxy.worker, lambda found: taken.append(addresses(found)))
    lookup.start()
    await proxy.until(lambda: taken[-1] == ["10.0.0.1", "10.0.0.2", "10.9.9.9"])
    assert taken[0] == ["10.9.9.9"]
    zone.names["a"] = ["10.0.0.3"]
    await proxy.until(lambda: taken[-1] == ["10.0.0.3", "10.9.9.9"])
    lookup.stop()


async def test_a_failure_keeps_what_was_found(proxy, monkeypatch):
    monkeypatch.setattr(dns, "REFRESH_S", 0.0)
    zone = Zone(a=["10.0.0.1"])
    monkeypatch.setattr(proxy.worker, "loop", _with(proxy.worker.loop, zone))
    taken = []
    lookup = Dns(assignment("a"), proxy.worker, lambda found: taken.append(addresses(found)))
    lookup.start()
    await proxy.until(lambda: taken[-1] == ["10.0.0.1"])
    zone.names.clear()
    await proxy.until(lambda: proxy.worker.stats.counter("cluster.dns.update_failure").value > 2)
    assert taken[-1] == ["10.0.0.1"]
    lookup.stop()


async def test_a_cluster_that_changes_goes_on_with_known_addresses(proxy):
    found = assignment("localhost")
    proxy.config.apply(Resources((Cluster("dns", "STRICT_DNS", load_assignment=found),)))
    await proxy.until(lambda: proxy.worker.clusters["dns"].hosts)
    changed = Cluster("dns", "STRICT_DNS", load_assignment=found, connect_timeout_s=1.0)
    proxy.config.apply(Resources((changed,)))
    assert proxy.worker.clusters["dns"].hosts


async def greeter(host, port, word):
    """Says its word to each line that it is sent."""

    async def serve(reader, writer):
        while await reader.readline():
            writer.write(word)
        writer.close()

    return await asyncio.start_server(serve, host, port)


async def test_a_logical_endpoint_moves_and_keeps_its_connections(proxy, make, monkeypatch):
    """New connections go to the new address, old ones stay; there is one endpoint all the time."""
    monkeypatch.setattr(dns, "REFRESH_S", 0.0)
    zone = Zone(a=["127.0.0.2", "127.0.0.1"])
    monkeypatch.setattr(proxy.worker, "loop", _with(proxy.worker.loop, zone))
    target, port = make.free_port(), make.free_port()
    servers = [await greeter("127.0.0.1", target, b"1"), await greeter("127.0.0.2", target, b"2")]
    cluster = Cluster("dns", "LOGICAL_DNS", load_assignment=assignment("a", port=target))
    listener = Listener("l", "127.0.0.1", port, (FilterChain("tcp", TcpProxy("tcp", "dns")),))
    proxy.config.apply(Resources((cluster,), listeners=(listener,)))
    running = proxy.worker.clusters["dns"]
    await proxy.until(lambda: running.hosts)
    [host] = running.hosts.values()
    first = await proxy.client(port)
    first.send(b"hello\n")
    assert await first.reader.readexactly(1) == b"2"
    zone.names["a"] = ["127.0.0.1", "127.0.0.2"]
    await proxy.until(lambda: host.address[0] == "127.0.0.1")
    assert running.hosts == {host.key: host}
    second = await proxy.client(port)
    for client, word in ((first, b"2"), (second, b"1")):
        client.send(b"hello\n")
        assert await client.reader.readexactly(1) == word
        client.writer.transport.abort()
    assert running.stats.membership.value == 1
    for server in servers:
        server.close()


@pytest.mark.parametrize("names", [(), ("a", "b")])
async def test_logical_dns_is_for_one_endpoint(proxy, names):
    cluster = Cluster("dns", "LOGICAL_DNS", load_assignment=assignment(*names))
    with pytest.raises(
        Rejected, match="cluster dns: load_assignment: expected one endpoint with LOGICAL_DNS"
    ):
        proxy.config.apply(Resources((cluster,)))


def _with(loop, zone):
    """The loop, asking the zone for names."""

    class Asking:
        getaddrinfo = staticmethod(zone)

        def __getattr__(self, name):
            return getattr(loop, name)

    return Asking()


async def test_two_clusters_of_one_name_both_follow_it(proxy, monkeypatch):
    monkeypatch.setattr(dns, "REFRESH_S", 0.0)
    zone = Zone(a=["10.0.0.1"])
    monkeypatch.setattr(proxy.worker, "loop", _with(proxy.worker.loop, zone))
    taken = ([], [])
    lookups = [
        Dns(assignment("a"), proxy.worker, lambda found, seen=seen: seen.append(addresses(found)))
        for seen in taken
    ]
    for one in lookups:
        one.start()
    for address in ("10.0.0.1", "10.0.0.2"):
        zone.names["a"] = [address]
        await proxy.until(lambda now=address: [seen[-1] for seen in taken] == [[now], [now]])
    for one in lookups:
        one.stop()
