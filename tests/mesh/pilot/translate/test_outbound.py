from __future__ import annotations

from collections.abc import Callable

from mesh.model.http_filter import FileAccessLog
from mesh.model.listener import HttpConnectionManager, TcpProxy
from mesh.model.node import Node, ServicePort
from mesh.pilot.translate.listeners import listeners
from mesh.pilot.translate.outbound import outbound_listeners
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


def test_every_connection_that_is_only_bytes_is_logged(node: MakeNode, world: MakeWorld) -> None:
    db = node("db-v1", 2, ports=MYSQL, interception="REDIRECT")
    chains = [
        chain
        for listener in listeners(world((db,)), db)
        for chain in (*listener.filter_chains, listener.default_filter_chain)
        if chain is not None
    ]
    assert len(chains) > 5
    assert all(chain.network_filter.access_logs == (FileAccessLog(),) for chain in chains)


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
