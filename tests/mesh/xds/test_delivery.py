"""What a proxy is sent, in which order, when; the proxy here answers by hand."""

from __future__ import annotations

from dataclasses import dataclass, field

from envoy.service.discovery.v3 import discovery_pb2

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment, Endpoint, LocalityEndpoints
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.xds.codec.codec import TYPE_URLS, decode, resource_name
from mesh.xds.delivery import TYPE_NAMES, Delivery
from mesh.xds.snapshot import snapshot
from mesh.xds.subscription import Request


def mesh(*clusters: str, to: str = "", port: int = 9080, timeout_s: float = 10.0) -> Resources:
    """EDS clusters, one listener, one route to one of them."""
    manager = HttpConnectionManager("m", (Router(),), "9080")
    action = Forward((WeightedCluster(to or clusters[0]),))
    host = VirtualHost("all", ("*",), (Route(RouteMatch(), action),))
    return Resources(
        clusters=tuple(Cluster(name, "EDS", connect_timeout_s=timeout_s) for name in clusters),
        endpoints=tuple(
            ClusterLoadAssignment(name, (LocalityEndpoints((Endpoint("127.0.0.1", 1),)),))
            for name in clusters
        ),
        listeners=(Listener("l", "127.0.0.1", port, (FilterChain("c", manager),)),),
        routes=(RouteConfiguration("9080", (host,)),),
    )


@dataclass
class Proxy:
    """Keeps the dialogue: reads what is due, asks and answers."""

    delivery: Delivery = field(default_factory=Delivery)
    last: dict = field(default_factory=dict)
    names: dict = field(default_factory=dict)

    def read(self) -> list[tuple[str, list[str]]]:
        """Everything that is due, as (type, resource names)."""
        told = []
        while (raw := self.delivery.next_response()) is not None:
            message = discovery_pb2.DiscoveryResponse.FromString(raw)
            name = TYPE_NAMES[message.type_url]
            self.last[name] = message
            told.append((name, [resource_name(decode(packed)) for packed in message.resources]))
        return told

    def ask(self, name: str, *names: str) -> None:
        self.names[name] = names
        last = self.last.get(name)
        nonce, version = (last.nonce, last.version_info) if last is not None else ("", "")
        self.delivery.receive(name, Request(TYPE_URLS[name], names, version, nonce))

    def ack(self, *types: str) -> None:
        for name in types:
            self.ask(name, *self.names[name])

    def nack(self, name: str, error: str) -> None:
        last = self.last[name]
        self.delivery.receive(name, Request(TYPE_URLS[name], self.names[name], "old", last.nonce, error))

    def serves(self, resources: Resources, generation: int = 1) -> Proxy:
        """Bring it up to having everything, as Envoy does it."""
        self.delivery.push(snapshot(resources), generation)
        for name, names in (("CDS", ()), ("EDS", [each.name for each in resources.clusters])):
            self.ask(name, *names)
        self.read()
        self.ack("EDS", "CDS")
        self.ask("LDS")
        self.ask("RDS", "9080")
        self.read()
        self.ack("LDS", "RDS")
        assert self.read() == []
        assert self.delivery.acked_generation == generation
        return self

    def push(self, resources: Resources, generation: int = 2) -> list[tuple[str, list[str]]]:
        self.delivery.push(snapshot(resources), generation)
        return self.read()


def test_nothing_is_sent_before_the_first_push():
    proxy = Proxy()
    proxy.ask("CDS")
    assert proxy.read() == []
    assert proxy.delivery.status()["CDS"].status == "NOT SENT"
    assert proxy.delivery.status()["RDS"].status == "IGNORED"


def test_a_push_that_changes_nothing_costs_no_message_and_is_acked_at_once():
    proxy = Proxy().serves(mesh("a"))
    assert proxy.push(mesh("a"), 7) == []
    assert proxy.delivery.acked_generation == 7


def test_only_the_type_that_changed_is_sent():
    proxy = Proxy().serves(mesh("a", "b"))
    assert proxy.push(mesh("a", "b", to="b")) == [("RDS", ["9080"])]
    assert proxy.delivery.acked_generation == 1
    proxy.ack("RDS")
    assert proxy.delivery.acked_generation == 2


def test_endpoints_follow_a_changed_cluster_though_they_did_not_change():
    proxy = Proxy().serves(mesh("a"))
    assert proxy.push(mesh("a", timeout_s=5)) == [("CDS", ["a"]), ("EDS", ["a"])]


def test_listeners_and_routes_wait_until_clusters_and_endpoints_are_answered():
    proxy = Proxy().serves(mesh("a"))
    assert proxy.push(mesh("a", "b", to="b", port=9081)) == [("CDS", ["a", "b"]), ("EDS", ["a"])]
    proxy.ask("EDS", "a", "b")  # ACKs, and asks for the new one
    assert proxy.read() == [("EDS", ["a", "b"])]
    proxy.ack("EDS")
    assert proxy.read() == []
    proxy.ack("CDS")
    assert proxy.read() == [("LDS", ["l"]), ("RDS", ["9080"])]


def test_a_cluster_goes_only_after_the_routes_to_it():
    proxy = Proxy().serves(mesh("a", "b", to="b"))
    assert proxy.push(mesh("a")) == [("RDS", ["9080"])]
    proxy.ack("RDS")
    assert proxy.read() == [("CDS", ["a"]), ("EDS", ["a", "b"])]
    assert proxy.delivery.acked_generation == 1
    proxy.ask("EDS", "a")
    proxy.read()
    proxy.ack("EDS", "CDS")
    assert proxy.read() == []
    assert proxy.delivery.acked_generation == 2


def test_a_cluster_about_to_go_keeps_its_endpoints():
    proxy = Proxy().serves(mesh("a", "b", to="b"))
    assert proxy.push(mesh("a", timeout_s=5)) == [("CDS", ["a", "b"]), ("EDS", ["a", "b"])]
    assert decode(proxy.last["EDS"].resources[1]).localities


def test_a_cluster_stays_while_the_route_away_from_it_is_refused():
    proxy = Proxy().serves(mesh("a", "b", to="b"))
    proxy.push(mesh("a"))
    proxy.nack("RDS", "no")
    assert proxy.read() == []
    assert proxy.delivery.status()["RDS"].error == "no"
    assert proxy.delivery.acked_generation == 1


def test_a_refused_type_is_not_sent_again_until_it_changes():
    proxy = Proxy().serves(mesh("a", "b"))
    proxy.push(mesh("a", "b", to="b"))
    proxy.nack("RDS", "no")
    assert proxy.push(mesh("a", "b", to="b"), 3) == []
    assert proxy.delivery.status()["RDS"].status == "ERROR"
    assert proxy.push(mesh("a", "b"), 4) == [("RDS", ["9080"])]
    proxy.ack("RDS")
    assert proxy.delivery.acked_generation == 4


def test_a_slow_proxy_is_sent_only_the_newest_state():
    proxy = Proxy().serves(mesh("a", "b"))
    for generation in range(2, 20):
        proxy.delivery.push(snapshot(mesh("a", "b", to="ab"[generation % 2])), generation)
    assert proxy.read() == [("RDS", ["9080"])]
    proxy.ack("RDS")
    assert proxy.delivery.acked_generation == 19


def test_an_unknown_endpoint_set_is_answered_with_an_empty_one():
    proxy = Proxy()
    proxy.push(mesh("a"))
    proxy.ask("EDS", "a", "nobody")
    assert proxy.read() == [("EDS", ["a", "nobody"])]
    assert decode(proxy.last["EDS"].resources[1]) == ClusterLoadAssignment("nobody")


def test_a_new_name_is_answered_at_once():
    proxy = Proxy().serves(mesh("a", "b"))
    proxy.ask("EDS", "a", "b", "c")
    assert proxy.read() == [("EDS", ["a", "b", "c"])]


def test_the_last_cluster_can_go_though_envoy_never_answers_for_its_endpoints():
    proxy = Proxy().serves(mesh("a"))
    empty = Resources()
    proxy.push(empty)
    proxy.ack("LDS")
    proxy.ask("RDS")
    proxy.read()
    proxy.ack("CDS")
    proxy.ask("EDS")  # unsubscribed; the response that crossed it stays unanswered
    assert proxy.read() == []
    assert proxy.delivery.acked_generation == 2


def test_a_new_stream_gets_everything_whatever_version_it_tells():
    proxy = Proxy()
    proxy.push(mesh("a"))
    proxy.delivery.receive("CDS", Request(TYPE_URLS["CDS"], (), "told", "by another server"))
    assert proxy.read() == [("CDS", ["a"])]


def test_a_generation_is_not_acked_before_all_that_it_needs_was_asked_for():
    proxy = Proxy()
    proxy.push(mesh("a"))
    proxy.ask("CDS")
    proxy.read()
    proxy.ack("CDS")
    proxy.ask("LDS")
    proxy.read()
    proxy.ack("LDS")
    assert proxy.delivery.acked_generation is None


def test_status_follows_the_dialogue():
    proxy = Proxy().serves(mesh("a", "b"))
    status = {name: each.status for name, each in proxy.delivery.status().items()}
    assert status == dict.fromkeys(("CDS", "EDS", "LDS", "RDS"), "SYNCED") | {"SDS": "IGNORED"}
    proxy.push(mesh("a", "b", to="b"))
    assert proxy.delivery.status()["RDS"].status == "STALE"
    assert proxy.delivery.status()["CDS"].status == "SYNCED"


def test_a_version_is_its_content():
    one, other = Proxy().serves(mesh("a", "b")), Proxy().serves(mesh("a", "b"), 5)
    assert one.last["RDS"].version_info == other.last["RDS"].version_info
    before = one.last["RDS"].version_info
    one.push(mesh("a", "b", to="b"))
    assert one.last["RDS"].version_info != before
