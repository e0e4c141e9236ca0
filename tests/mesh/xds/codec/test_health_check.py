"""What the wire can say of health checks and the model cannot hold is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from mesh.model.cluster import Cluster
from mesh.model.health_check import HealthCheck, HttpHealthCheck
from mesh.xds.codec.codec import decode, encode
from mesh.xds.codec.wire import pack, unpack
from mesh.xds.errors import Rejected


def refused(change: Callable[[Any], Any]) -> str:
    message = unpack(
        encode(Cluster("c", "EDS", health_check=HealthCheck(HttpHealthCheck("/")))), cluster_pb2.Cluster
    )
    change(message.health_checks)
    with pytest.raises(Rejected) as said:
        decode(pack(message))
    return str(said.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m.add(), "health_checks[1]: not supported"),
        (lambda m: m[0].alt_port.SetInParent(), "health_checks[0].alt_port: not supported"),
        (
            lambda m: m[0].custom_health_check.SetInParent(),
            "health_checks[0].custom_health_check: not supported",
        ),
        (
            lambda m: m[0].http_health_check.service_name_matcher.SetInParent(),
            "http_health_check.service_name_matcher: not supported",
        ),
        (
            lambda m: m[0].http_health_check.receive.add(text="xyz"),
            "expected hexadecimal text, got 'xyz'",
        ),
        (
            lambda m: m[0].http_health_check.request_headers_to_add.add(
                header={"key": "a", "value": "%PROTOCOL%"}
            ),
            "a: commands are not supported",
        ),
        (lambda m: m[0].ClearField("healthy_threshold"), "healthy_threshold: is missing"),
    ],
)
def test_the_field_is_named(change: Callable[[Any], Any], message: str) -> None:
    assert message in refused(change)
