"""Endpoints by name: every address serves, lookups go on, failures change nothing."""

from __future__ import annotations

import socket

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.resources import Resources
from mesh.proxy import strict_dns
from mesh.proxy.strict_dns import StrictDns


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
    monkeypatch.setattr(strict_dns, "REFRESH_S", 0.0)
    zone = Zone(a=["10.0.0.2", "10.0.0.1"])
    monkeypatch.setattr(proxy.worker, "loop", _with(proxy.worker.loop, zone))
    taken = []
    dns = StrictDns(assignment("a", "10.9.9.9"), proxy.worker, lambda found: taken.append(addresses(found)))
    dns.start()
    await proxy.until(lambda: taken[-1] == ["10.0.0.1", "10.0.0.2", "10.9.9.9"])
    assert taken[0] == ["10.9.9.9"]
    zone.names["a"] = ["10.0.0.3"]
    await proxy.until(lambda: taken[-1] == ["10.0.0.3", "10.9.9.9"])
    dns.stop()


async def test_a_failure_keeps_what_was_found(proxy, monkeypatch):
    monkeypatch.setattr(strict_dns, "REFRESH_S", 0.0)
    zone = Zone(a=["10.0.0.1"])
    monkeypatch.setattr(proxy.worker, "loop", _with(proxy.worker.loop, zone))
    taken = []
    dns = StrictDns(assignment("a"), proxy.worker, lambda found: taken.append(addresses(found)))
    dns.start()
    await proxy.until(lambda: taken[-1] == ["10.0.0.1"])
    zone.names.clear()
    await proxy.until(lambda: proxy.worker.stats.counter("cluster.dns.update_failure").value > 2)
    assert taken[-1] == ["10.0.0.1"]
    dns.stop()


async def test_a_cluster_that_changes_goes_on_with_known_addresses(proxy):
    found = assignment("localhost")
    proxy.config.apply(Resources((Cluster("dns", "STRICT_DNS", load_assignment=found),)))
    await proxy.until(lambda: proxy.worker.clusters["dns"].hosts)
    changed = Cluster("dns", "STRICT_DNS", load_assignment=found, connect_timeout_s=1.0)
    proxy.config.apply(Resources((changed,)))
    assert proxy.worker.clusters["dns"].hosts


def _with(loop, zone):
    """The loop, asking the zone for names."""

    class Asking:
        getaddrinfo = staticmethod(zone)

        def __getattr__(self, name):
            return getattr(loop, name)

    return Asking()
