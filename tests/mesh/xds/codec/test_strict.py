"""The first difference is found and named, wherever in a message it hides."""

from __future__ import annotations

import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from google.protobuf import text_format

from mesh.xds.codec.strict import lost_field

TCP = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy"


def cluster(text: str) -> cluster_pb2.Cluster:
    return text_format.Parse(text, cluster_pb2.Cluster())


@pytest.mark.parametrize(
    ("came", "kept", "found"),
    [
        ('name: "a"', 'name: "a"', ""),
        ('name: "a"', 'name: "b"', "name: 'a' is not supported (expected 'b')"),
        ("type: EDS", "type: STATIC", "type: EDS is not supported (expected STATIC)"),
        ("connect_timeout {}", "", "connect_timeout: not supported"),
        ("", "connect_timeout {}", "connect_timeout: is missing"),
        (
            "circuit_breakers { thresholds { max_retries { value: 3 } } }",
            "circuit_breakers { thresholds { max_retries { value: 4 } } }",
            "circuit_breakers.thresholds[0].max_retries.value: 3 is not supported (expected 4)",
        ),
        ("filters {} filters {}", "filters {}", "filters[1]: not supported"),
        ("filters {}", "filters {} filters {}", "filters[1]: is missing"),
        (
            'metadata { filter_metadata { key: "x" value {} } }',
            "metadata {}",
            "metadata.filter_metadata['x']: not supported",
        ),
    ],
)
def test_a_difference_is_named_with_its_path(came: str, kept: str, found: str) -> None:
    assert lost_field(cluster(came), cluster(kept)) == found


def test_lists_of_plain_values_are_compared_too() -> None:
    came, kept = route_pb2.RouteConfiguration(), route_pb2.RouteConfiguration()
    came.virtual_hosts.add(domains=["a", "b"])
    kept.virtual_hosts.add(domains=["a", "c"])
    assert lost_field(came, kept) == "virtual_hosts[0].domains[1]: 'b' is not supported (expected 'c')"


def chain(config: str) -> listener_pb2.Listener:
    text = f'filter_chains {{ filters {{ typed_config {{ [{TCP}] {{ stat_prefix: "s" {config} }} }} }} }}'
    return text_format.Parse(text, listener_pb2.Listener())


def test_packed_messages_are_opened() -> None:
    assert lost_field(chain("idle_timeout {}"), chain("")) == (
        "filter_chains[0].filters[0].typed_config.idle_timeout: not supported"
    )


def test_another_packed_type_is_named() -> None:
    came = chain("")
    came.filter_chains[0].filters[0].typed_config.type_url = "type.googleapis.com/other"
    assert "type.googleapis.com/other is not supported" in lost_field(came, chain(""))
