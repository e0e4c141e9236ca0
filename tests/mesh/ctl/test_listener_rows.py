from __future__ import annotations

from typing import Any

import pytest

from mesh.ctl.listener_rows import chain_match, destination, listener_rows

HCM = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def chain(config: dict[str, Any], **match: Any) -> dict[str, Any]:
    return {"filters": [{"typed_config": config}], "filter_chain_match": match}


def inline(*routes: dict[str, Any]) -> dict[str, Any]:
    return {"@type": HCM, "route_config": {"virtual_hosts": [{"routes": list(routes)}]}}


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({"@type": HCM, "rds": {"route_config_name": "9080"}}, "Route: 9080"),
        (
            inline({"match": {"prefix": "/"}, "route": {"cluster": "inbound|9080||"}}),
            "Cluster: inbound|9080||",
        ),
        (inline({"match": {"prefix": "/stats"}, "route": {"cluster": "s"}}), "Inline Route: /stats*"),
        (inline({"match": {"prefix": "/"}, "direct_response": {"status": 404}}), "Inline Route: /*"),
        ({"@type": TCP, "cluster": "PassthroughCluster"}, "Cluster: PassthroughCluster"),
        ({"@type": TCP, "weighted_clusters": {"clusters": [{"name": "a"}, {"name": "b"}]}}, "Cluster: a, b"),
        ({"@type": "x.Echo"}, "Non-HTTP/Non-TCP"),
    ],
)
def test_destination(config: dict[str, Any], text: str) -> None:
    assert destination(chain(config)) == text


def test_match_has_istioctls_words() -> None:
    match = {
        "transport_protocol": "tls",
        "application_protocols": ["istio", "istio-peer-exchange"],
        "destination_port": 9080,
        "server_names": ["a.b"],
    }
    assert (
        chain_match(chain({}, **match))
        == "SNI: a.b; Trans: tls; App: istio,istio-peer-exchange; Addr: *:9080"
    )
    ranges = [{"address_prefix": "10.0.0.0", "prefix_len": 8}, {"address_prefix": "::", "prefix_len": 0}]
    assert chain_match(chain({}, prefix_ranges=ranges)) == "Addr: 10.0.0.0/8,::/0"
    assert chain_match(chain({})) == "ALL"


def test_listeners_are_sorted_by_port_and_the_default_chain_matches_all() -> None:
    def listener(port: int, **parts: Any) -> dict[str, Any]:
        address = {"socket_address": {"address": "0.0.0.0", "port_value": port}}
        return {"active_state": {"listener": {"address": address, **parts}}}

    passthrough = chain({"@type": TCP, "cluster": "P"})
    dump = {
        "configs": [
            {
                "@type": "x.ListenersConfigDump",
                "dynamic_listeners": [
                    listener(15006, default_filter_chain=passthrough),
                    listener(
                        9080,
                        filter_chains=[
                            chain({"@type": TCP, "cluster": "c"}),
                            chain({"@type": TCP, "cluster": "c"}),
                        ],
                    ),
                    {"name": "still warming"},
                ],
            }
        ]
    }
    assert listener_rows(dump) == [
        ("0.0.0.0", "9080", "ALL", "Cluster: c"),
        ("0.0.0.0", "15006", "ALL", "Cluster: P"),
    ]
