"""Which protocol a cluster speaks: the port's name, then the DestinationRule."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.galley.api.traffic_policy import ConnectionPool
from mesh.model.cluster import Cluster
from mesh.model.node import ServicePort
from mesh.model.tls import UpstreamTls
from mesh.pilot.translate.clusters import with_protocol
from mesh.pilot.translate.destination_rule import Policy

PLAIN = Cluster("c", "EDS", tls=UpstreamTls("sni", ("istio",)))


def spoken(protocol: str, **http: Any) -> tuple[bool, bool, int, tuple[str, ...]]:
    """(http2, as the client, streams at a time, ALPN)."""
    pool = ConnectionPool.model_validate({"http": http}) if http else None
    cluster = with_protocol(PLAIN, ServicePort("p", 80, 80, protocol), Policy(connection_pool=pool))
    assert cluster.tls is not None
    return cluster.http2, cluster.use_client_protocol, cluster.max_concurrent_streams, cluster.tls.alpn


@pytest.mark.parametrize("protocol", ["HTTP2", "GRPC"])
def test_a_port_that_promises_http2_is_spoken_to_in_http2(protocol: str) -> None:
    assert spoken(protocol) == (True, False, 0, ("istio", "h2"))
    assert spoken(protocol, useClientProtocol=True)[:2] == (True, False)


def test_other_ports_are_spoken_to_in_http1() -> None:
    assert spoken("HTTP") == (False, False, 0, ("istio",))
    assert spoken("HTTP", h2UpgradePolicy="DO_NOT_UPGRADE") == (False, False, 0, ("istio",))


def test_a_rule_may_upgrade_or_follow_the_client() -> None:
    assert spoken("HTTP", h2UpgradePolicy="UPGRADE", maxConcurrentStreams=7) == (
        True,
        False,
        7,
        ("istio", "h2"),
    )
    assert spoken("HTTP", useClientProtocol=True) == (False, True, 0, ("istio",))
    assert spoken("TCP", h2UpgradePolicy="UPGRADE")[:2] == (False, False)
