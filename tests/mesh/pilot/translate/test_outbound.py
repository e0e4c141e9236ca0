from __future__ import annotations

from collections.abc import Callable

import pytest

from mesh.model.http_filter import Alpn, FileAccessLog, GrpcAccessLog
from mesh.model.listener import HttpConnectionManager, Listener, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.translate.listeners import listeners
from mesh.pilot.translate.outbound import outbound_listeners
from mesh.pilot.translate.routes import routes
from mesh.pilot.world import World

MakeNode = Callable[..., Node]
MakeWorld = Callable[..., World]
MYSQL = (ServicePort("mysql", 3306, 3306, "TCP"),)


def test_behind_iptables_each_http_port_and_each_tcp_address_has_a_listener(
    node: MakeNode, world: MakeWorld
) -> None:
    web = node("web-v1", 1, interception="REDIRECT")
    made = world((web, node("db-v1", 2, ports=MYSQL), node("db-v2", 3, ports=MYSQL)))
    found = {listener.name: listener for listener in outbound_listeners(made, web)}
    assert set(found) == {"virtualOutbound", "0.0.0.0_9080", "127.70.2.2_3306", "127.70.3.2_3306"}
    assert [name for name, listener in found.items() if listener.bind_to_port] == ["virtualOutbound"]
    chain = found["127.70.2.2_3306"].filter_chains[0]
    assert isinstance(chain.network_filter, TcpProxy)
    assert chain.network_filter.cluster == "outbound|3306||db.default.svc.cluster.local"


@pytest.mark.parametrize(
    ("engine", "cluster", "stats"),
    [("python", "xds-grpc", {"source", "destination"}), ("envoy", "sds-grpc", set())],
)
def test_every_connection_that_is_only_bytes_is_logged_and_counted(
    node: MakeNode, world: MakeWorld, engine: str, cluster: str, stats: set[str]
) -> None:
    db = node("db-v1", 2, ports=MYSQL, interception="REDIRECT", engine=engine)
    proxies = [
        chain.network_filter
        for listener in listeners(world((db,)), db)
        for chain in (*listener.filter_chains, listener.default_filter_chain)
        if chain is not None and isinstance(chain.network_filter, TcpProxy)
    ]
    assert len(proxies) > 5
    for proxy in proxies:
        line, log = proxy.access_logs
        assert line == FileAccessLog(types=("TcpConnectionEnd",))
        assert isinstance(log, GrpcAccessLog)
        assert log.cluster == cluster
        assert (proxy.flush_access_log_on_connected, proxy.access_log_flush_interval_s) == (True, 5.0)
    assert {proxy.stats.reporter for proxy in proxies if proxy.stats is not None} == stats


def test_a_connection_to_the_sidecars_own_port_goes_nowhere(node: MakeNode, world: MakeWorld) -> None:
    web = node(interception="REDIRECT")
    listeners = {listener.name: listener for listener in outbound_listeners(world((web,)), web)}
    virtual = listeners["virtualOutbound"]
    (guard,) = virtual.filter_chains
    assert guard.match.destination_port == 15001
    assert isinstance(guard.network_filter, TcpProxy)
    assert guard.network_filter.cluster == "BlackHoleCluster"
    assert virtual.default_filter_chain is not None


def test_without_interception_there_is_one_http_proxy(node: MakeNode, world: MakeWorld) -> None:
    web = node("web-v1", 1)
    (listener,) = outbound_listeners(world((web, node("db-v1", 2, ports=MYSQL))), web)
    assert (listener.name, listener.bind_to_port) == ("127.70.1.2_15001", True)
    manager = listener.filter_chains[0].network_filter
    assert isinstance(manager, HttpConnectionManager)
    assert manager.route_config_name == "http_proxy"


def test_without_interception_bytes_go_to_the_places_set_aside(node: MakeNode, world: MakeWorld) -> None:
    hosts = [f"{name}.default.svc.cluster.local" for name in ("db", "peer", "web", "nobody")]
    aside = {host: f"127.70.1.{number}" for number, host in enumerate(hosts, 10)}
    web = node("web-v1", 1, outbound_addresses=aside)
    made = world((web, node("db-v1", 2, ports=MYSQL), node("peer-v1", 3, ports=PEER)))
    found = {listener.name: listener for listener in outbound_listeners(made, web)}
    assert set(found) == {"127.70.1.2_15001", "127.70.1.10_3306", "127.70.1.11_7000"}
    assert all(listener.bind_to_port for listener in found.values())
    proxy = found["127.70.1.10_3306"].filter_chains[0].network_filter
    assert isinstance(proxy, TcpProxy)
    assert proxy.cluster == "outbound|3306||db.default.svc.cluster.local"
    assert manager_of(found["127.70.1.11_7000"]).route_config_name == PEER_ROUTES
    assert PEER_ROUTES in [found.name for found in routes(made, web)]


def test_two_services_at_one_address_are_one_place(node: MakeNode, world: MakeWorld) -> None:
    aside = {f"{name}.default.svc.cluster.local": "127.70.1.10" for name in ("db", "copy")}
    web = node("web-v1", 1, outbound_addresses=aside)
    made = world((web, node("db-v1", 2, ports=MYSQL), node("copy-v1", 3, ports=MYSQL)))
    _, place = outbound_listeners(made, web)
    proxy = place.filter_chains[0].network_filter
    assert isinstance(proxy, TcpProxy)
    assert proxy.cluster == "outbound|3306||copy.default.svc.cluster.local"


def test_a_tcp_port_obeys_the_time_limits_of_its_rule(node: MakeNode, world: MakeWorld) -> None:
    web = node("web-v1", 1, interception="REDIRECT")
    rule = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: db}
spec: {host: db, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 0s, maxConnectionDuration: 1h}}}}
"""
    made = world((web, node("db-v1", 2, ports=MYSQL)), rule)
    found = {listener.name: listener for listener in outbound_listeners(made, web)}
    proxy = found["127.70.2.2_3306"].filter_chains[0].network_filter
    assert isinstance(proxy, TcpProxy)
    assert (proxy.idle_timeout_s, proxy.max_connection_duration_s) == (0.0, 3600.0)


PEER = (ServicePort("p2p", 7000, 7000, "AUTO"),)
PEER_ROUTES = "peer.default.svc.cluster.local:7000"


def manager_of(listener: Listener) -> HttpConnectionManager:
    manager = listener.filter_chains[0].network_filter
    assert isinstance(manager, HttpConnectionManager)
    return manager


def test_a_port_that_does_not_say_is_looked_at_by_address(node: MakeNode, world: MakeWorld) -> None:
    web = node("web-v1", 1, interception="REDIRECT")
    made = world((web, node("peer-v1", 2, ports=PEER)))
    found = {listener.name: listener for listener in outbound_listeners(made, web)}
    listener = found["127.70.2.2_7000"]
    assert (listener.inspect_http, listener.inspect_tls) == (True, False)
    assert listener.listener_filters_timeout_s == 5.0
    (http,) = listener.filter_chains
    assert http.match.application_protocols == ("http/1.0", "http/1.1", "h2c")
    assert manager_of(listener).route_config_name == PEER_ROUTES
    assert listener.default_filter_chain is not None
    assert isinstance(listener.default_filter_chain.network_filter, TcpProxy)
    assert listener.default_filter_chain.network_filter.cluster == (
        "outbound|7000||peer.default.svc.cluster.local"
    )


def test_there_the_address_tells_the_service_whatever_the_authority_says(
    node: MakeNode, world: MakeWorld
) -> None:
    rule = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: peer}
spec: {hosts: [peer], http: [{name: mine, route: [{destination: {host: peer}}]}]}
"""
    web = node("web-v1", 1, interception="REDIRECT")
    made = world((web, node("peer-v1", 2, ports=PEER), node("peer-v2", 3, ports=PEER)), rule)
    (config,) = [found for found in routes(made, web) if found.name == PEER_ROUTES]
    (host,) = config.virtual_hosts
    assert host.domains == ("*",)
    assert [route.name for route in host.routes] == ["mine"]
    assert "7000" not in [found.name for found in routes(made, web)]


def test_without_interception_requests_for_it_go_through_the_http_proxy(
    node: MakeNode, world: MakeWorld
) -> None:
    web = node("web-v1", 1)
    made = world((web, node("peer-v1", 2, ports=PEER)))
    (config,) = routes(made, web)
    assert "peer:7000" in [domain for host in config.virtual_hosts for domain in host.domains]


TO_PEER = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec: {hosts: [web], http: [{route: [{destination: {host: peer, port: {number: 7000}}}]}]}
"""


def test_requests_that_may_go_to_such_a_port_say_what_they_are(node: MakeNode, world: MakeWorld) -> None:
    web = node("web-v1", 1, interception="REDIRECT")
    other = node("other-v1", 3, ports=(ServicePort("http", 80, 80),))
    nodes = (web, node("peer-v1", 2, ports=PEER), other)

    def saying(text: str) -> set[str]:
        return {
            listener.name
            for listener in outbound_listeners(world(nodes, text), web)
            if any(
                Alpn() in chain.network_filter.filters
                for chain in listener.filter_chains
                if isinstance(chain.network_filter, HttpConnectionManager)
            )
        }

    assert saying("") == {"127.70.2.2_7000"}
    assert saying(TO_PEER) == {"127.70.2.2_7000", "0.0.0.0_9080"}


ENTRY = """
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: x}
spec: {hosts: [x.example.com], ports: [{number: 9000, name: any, protocol: ""}], resolution: DNS}
"""


def test_a_host_without_an_address_is_told_by_its_authority_and_its_bytes_pass_through(
    node: MakeNode, world: MakeWorld
) -> None:
    web = node("web-v1", 1, interception="REDIRECT")
    found = {listener.name: listener for listener in outbound_listeners(world((web,), ENTRY), web)}
    listener = found["0.0.0.0_9000"]
    assert listener.inspect_http
    assert manager_of(listener).route_config_name == "9000"
    assert listener.default_filter_chain is not None
    assert isinstance(listener.default_filter_chain.network_filter, TcpProxy)
    assert listener.default_filter_chain.network_filter.cluster == "PassthroughCluster"
    assert not found["0.0.0.0_9080"].inspect_http
