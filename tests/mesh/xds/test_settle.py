"""What may be served of what was received."""

from __future__ import annotations

from mesh.model.cluster import Cluster
from mesh.model.endpoint import ClusterLoadAssignment
from mesh.model.http_filter import Router
from mesh.model.listener import FilterChain, HttpConnectionManager, Listener, TcpProxy
from mesh.model.resources import Resources
from mesh.model.route import Forward, Route, RouteConfiguration, RouteMatch, VirtualHost, WeightedCluster
from mesh.xds.settle import Received, settle


def routes(*clusters: str) -> RouteConfiguration:
    action = Forward(tuple(map(WeightedCluster, clusters)))
    return RouteConfiguration("r", (VirtualHost("all", ("*",), (Route(RouteMatch(), action),)),))


def http(port: int = 80) -> Listener:
    return Listener("l", "a", port, (FilterChain("c", HttpConnectionManager("m", (Router(),), "r")),))


def tcp(cluster: str) -> Listener:
    return Listener("t", "a", 81, (FilterChain("c", TcpProxy("s", cluster)),))


def received(clusters=(), endpoints=(), listeners=(), route=None) -> Received:
    return Received(
        {name: Cluster(name, "EDS") for name in clusters},
        {name: ClusterLoadAssignment(name) for name in endpoints},
        {listener.name: listener for listener in listeners},
        {} if route is None else {"r": route},
    )


def serving(*args, **kwargs) -> Resources:
    settled = settle(received(*args, **kwargs), Resources())
    assert not settled.waiting
    return settled.resources


def test_everything_there_is_served_sorted_by_name():
    resources = serving("ba", "ab", [http(), tcp("a")], routes("a", "b"))
    assert [each.name for each in resources.clusters] == ["a", "b"]
    assert [each.name for each in resources.listeners] == ["l", "t"]
    assert resources.routes == (routes("a", "b"),)


def test_a_listener_waits_for_its_routes():
    settled = settle(received("a", "a", [http()]), Resources())
    assert settled.resources.listeners == ()
    assert settled.waiting == {"LDS"}


def test_a_changed_listener_leaves_the_old_one_while_its_routes_are_missing():
    old = serving("a", "a", [tcp("a")])
    changed = http()
    renamed = Listener("t", "a", 82, changed.filter_chains)
    settled = settle(received("a", "a", [renamed]), old)
    assert settled.resources.listeners == (tcp("a"),)


def test_routes_wait_for_the_endpoints_of_their_clusters():
    settled = settle(received("a", "", [http()], routes("a")), Resources())
    assert settled.resources.routes == ()
    assert settled.waiting == {"CDS", "LDS", "RDS"}


def test_changed_routes_leave_the_old_ones_while_a_cluster_is_cold():
    old = serving("a", "a", [http()], routes("a"))
    settled = settle(received("ab", "a", [http()], routes("b")), old)
    assert settled.resources.routes == (routes("a"),)
    assert settled.resources.listeners == (http(),)
    assert settled.waiting == {"CDS", "RDS"}


def test_a_tcp_listener_waits_for_its_own_cluster():
    assert settle(received("a", "", [tcp("a")]), Resources()).waiting == {"CDS", "LDS"}


def test_a_cluster_that_nobody_announced_is_not_waited_for():
    assert serving("", "", [http()], routes("unknown")).routes == (routes("unknown"),)


def test_a_removed_cluster_stays_with_its_endpoints_while_a_route_names_it():
    old = serving("ab", "ab", [http()], routes("b"))
    settled = settle(received("a", "a", [http()], routes("b")), old)
    assert [each.name for each in settled.resources.clusters] == ["a", "b"]
    assert [each.cluster_name for each in settled.resources.endpoints] == ["a", "b"]
    assert not settled.waiting


def test_a_removed_cluster_goes_with_the_last_route_to_it():
    old = serving("ab", "ab", [http()], routes("b"))
    settled = settle(received("a", "a", [http()], routes("a")), old)
    assert [each.name for each in settled.resources.clusters] == ["a"]
    assert [each.cluster_name for each in settled.resources.endpoints] == ["a"]


def test_routes_without_a_listener_are_not_served():
    assert settle(received("a", "a", [], routes("a")), Resources()).resources.routes == ()
