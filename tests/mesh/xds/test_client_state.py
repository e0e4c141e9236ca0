"""The client's answers to whole dialogues, and what it handed over when."""

from __future__ import annotations

from dataclasses import dataclass, field

from envoy.service.discovery.v3 import discovery_pb2

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.xds.client_state import ClientState
from mesh.xds.codec.codec import TYPE_URLS, encode
from mesh.xds.delivery import TYPE_NAMES
from mesh.xds.errors import Rejected
from mesh.xds.subscription import Request


def routes(*clusters: str) -> RouteConfiguration:
    action = Forward(tuple(map(WeightedCluster, clusters)))
    return RouteConfiguration("9080", (VirtualHost("all", ("*",), (Route(RouteMatch(), action),)),))


def listener(port: int = 1) -> Listener:
    return Listener("l", "a", port, (FilterChain("c", HttpConnectionManager("m", (Router(),), "9080")),))


def eds(*names: str) -> list[Cluster]:
    return [Cluster(name, "EDS") for name in names]


def endpoints(*names: str) -> list[ClusterLoadAssignment]:
    return [ClusterLoadAssignment(name) for name in names]


@dataclass
class Client:
    """The state under test, what it applied, and a server's half of the talk."""

    applied: list[Resources] = field(default_factory=list)
    refusal: str = ""
    state: ClientState = field(init=False)
    count: int = 0

    def __post_init__(self) -> None:
        self.state = ClientState(self.apply)

    def apply(self, resources: Resources) -> None:
        if self.refusal:
            raise Rejected(self.refusal)
        self.applied.append(resources)

    def gets(self, name: str, resources: list, change=None) -> list[str]:
        """A response; the answers in short: "ACK CDS", "NACK CDS why", "ask EDS a b"."""
        self.count += 1
        packed = [encode(each) for each in resources]
        if change is not None:
            change(packed)
        message = discovery_pb2.DiscoveryResponse(
            type_url=TYPE_URLS[name], version_info=f"v{self.count}", nonce=str(self.count), resources=packed
        )
        return [self.short(request) for request in self.state.receive(message)]

    def short(self, request: Request) -> str:
        name = TYPE_NAMES[request.type_url]
        if request.error is not None:
            return f"NACK {name} {request.error}"
        if request.nonce == str(self.count) and request.version == f"v{self.count}":
            return f"ACK {name}"
        return " ".join(("ask", name, *request.names)) if not request.version else f"late {name}"

    def configured(self) -> Client:
        self.state.open()
        self.gets("CDS", eds("a"))
        self.gets("EDS", endpoints("a"))
        self.gets("LDS", [listener()])
        self.gets("RDS", [routes("a")])
        assert self.state.is_configured
        return self


def test_the_first_configuration_is_asked_for_step_by_step():
    client = Client()
    assert [client.short(request) for request in client.state.open()] == ["ask CDS"]
    assert client.gets("CDS", eds("a")) == ["ask EDS a"]
    assert client.gets("EDS", endpoints("a")) == ["ask LDS", "late CDS", "ACK EDS"]
    assert client.gets("LDS", [listener()]) == ["ask RDS 9080"]
    assert not client.state.is_configured
    assert client.gets("RDS", [routes("a")]) == ["late LDS", "ACK RDS"]
    assert client.state.is_configured
    assert client.applied[-1].listeners == (listener(),)


def test_a_mesh_without_listeners_is_configured_too():
    client = Client()
    client.state.open()
    client.gets("CDS", [])
    assert client.gets("LDS", []) == ["ACK LDS"]
    assert client.state.is_configured


def test_nothing_is_acked_before_apply_has_returned():
    client = Client()
    client.state.open()
    acked_when_applied = []
    client.state.apply = lambda _: acked_when_applied.append(client.state._subscriptions["CDS"].version)
    client.gets("CDS", [Cluster("s", "STATIC")])
    assert acked_when_applied == [""]


def test_what_changes_nothing_is_acked_without_apply():
    client = Client().configured()
    before = len(client.applied)
    assert client.gets("RDS", [routes("a")]) == ["ACK RDS"]
    assert len(client.applied) == before


def test_an_unchanged_resource_stays_the_same_object():
    client = Client().configured()
    client.gets("CDS", [*eds("a"), Cluster("new", "STATIC")])
    assert client.applied[-1].clusters[0] is client.applied[-2].clusters[0]


def test_a_resource_that_cannot_be_decoded_is_refused_and_the_old_one_stays():
    client = Client().configured()
    serving = client.state.serving

    def spoil(packed):
        packed[0].value += b"\xc8\x3e\x01"

    assert client.gets("RDS", [routes("b")], spoil) == [
        "NACK RDS route 9080: field number 1001: unknown to this version"
    ]
    assert client.state.serving is serving
    assert client.gets("RDS", [routes("b")]) == ["ACK RDS"]


def test_what_apply_refuses_is_refused_with_its_words_and_forgotten():
    client = Client().configured()
    client.refusal = "listener l: port 1 is in use"
    assert client.gets("LDS", [listener(2)]) == ["NACK LDS listener l: port 1 is in use"]
    client.refusal = ""
    client.gets("CDS", [*eds("a"), Cluster("new", "STATIC")])
    assert client.applied[-1].listeners == (listener(1),)


def test_all_that_a_refused_step_released_is_refused():
    client = Client()
    client.state.open()
    client.gets("CDS", eds("a"))
    client.gets("EDS", endpoints("a"))
    client.gets("LDS", [listener()])
    client.refusal = "no"
    assert client.gets("RDS", [routes("a")]) == ["NACK RDS no", "NACK LDS no"]


def test_a_new_cluster_is_warm_before_the_routes_to_it_are_served():
    """A server that does not wait for ACKs: the routes come first, the endpoints last."""
    client = Client().configured()
    assert client.gets("CDS", eds("a", "b")) == ["late EDS"]
    assert client.gets("RDS", [routes("b")]) == []
    assert client.applied[-1].routes == (routes("a"),)
    assert client.gets("EDS", endpoints("a", "b"))[-1] == "ACK EDS"
    assert client.applied[-1].routes == (routes("b"),)


def test_a_removed_cluster_is_served_until_the_routes_leave_it():
    client = Client().configured()
    client.gets("CDS", [Cluster("b", "STATIC")])
    assert [each.name for each in client.applied[-1].clusters] == ["a", "b"]
    client.gets("RDS", [routes("b")])
    assert [each.name for each in client.applied[-1].clusters] == ["b"]


def test_endpoints_of_one_cluster_leave_the_others_alone():
    client = Client().configured()
    client.gets("CDS", eds("a", "b"))
    client.gets("EDS", endpoints("b"))
    assert [each.cluster_name for each in client.applied[-1].endpoints] == ["a", "b"]


def test_a_new_stream_asks_for_everything_and_serves_on():
    client = Client().configured()
    assert [TYPE_NAMES[request.type_url] for request in client.state.open()] == ["CDS", "EDS", "LDS", "RDS"]
    assert client.state.serving.listeners == (listener(),)


def test_a_type_that_was_not_asked_for_is_ignored():
    assert ClientState(lambda _: None).receive(discovery_pb2.DiscoveryResponse(type_url="x")) == []
