from __future__ import annotations

from typing import Any

import pytest

from mesh.model.node import Node, ServicePort


def node(**changes: Any) -> Node:
    known: dict[str, Any] = {
        "name": "reviews-v1-0",
        "namespace": "default",
        "address": "127.64.3.2",
        "service_account": "bookinfo-reviews",
        "workload": "reviews-v1",
        "service": "reviews",
        "ports": (ServicePort("http", 9080, 9080),),
        "labels": {"app": "reviews", "version": "v1"},
        "engine": "envoy",
        "interception": "NONE",
        "outbound_addresses": {"db.default.svc.cluster.local": "127.64.3.10"},
    }
    return Node(**known | changes)


def test_the_id_is_istios() -> None:
    assert node().id == "sidecar~127.64.3.2~reviews-v1-0.default~default.svc.cluster.local"


def test_metadata_carries_the_whole_node() -> None:
    assert Node.from_metadata(node().to_metadata()) == node()


def test_numbers_may_come_back_from_a_protobuf_struct_as_floats() -> None:
    metadata = node().to_metadata()
    metadata["SERVICE"]["ports"][0]["number"] = 9080.0
    assert Node.from_metadata(metadata).ports == node().ports


@pytest.mark.parametrize("key", ["NAME", "NAMESPACE", "INSTANCE_IPS", "SERVICE_ACCOUNT", "WORKLOAD_NAME"])
def test_a_missing_key_is_named(key: str) -> None:
    metadata = node().to_metadata()
    del metadata[key]
    with pytest.raises(ValueError, match=f"{key} is missing"):
        Node.from_metadata(metadata)


@pytest.mark.parametrize(
    ("key", "value"),
    [("ENGINE", "nginx"), ("INTERCEPTION_MODE", "TPROXY"), ("SERVICE", {"ports": [3]}), ("LABELS", 3)],
)
def test_malformed_metadata_is_a_value_error(key: str, value: object) -> None:
    with pytest.raises(ValueError, match="node metadata"):
        Node.from_metadata(node().to_metadata() | {key: value})


def test_canonical_labels_win_over_app_and_version() -> None:
    canonical = {"service.istio.io/canonical-name": "r", "service.istio.io/canonical-revision": "7"}
    peer = node(labels=canonical | {"app": "reviews", "version": "v1"}).peer()
    assert (peer.canonical_service, peer.canonical_revision, peer.app, peer.version) == (
        "r",
        "7",
        "reviews",
        "v1",
    )


def test_without_labels_the_workload_is_the_service_and_latest_the_revision() -> None:
    peer = node(labels={}).peer()
    assert (peer.canonical_service, peer.canonical_revision, peer.app) == ("reviews-v1", "latest", "unknown")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"interception": "REDIRECT"}, True),
        ({"interception": "NONE"}, False),
        ({"type": "router", "address": "10.0.0.1"}, True),
        ({"type": "router", "address": "127.64.9.2"}, False),
    ],
)
def test_who_shares_its_machine_listens_at_its_own_address(changes, expected):
    known = {"address": "127.0.0.1", "interception": "NONE", **changes}
    node = Node("a", "default", service_account="a", workload="a", **known)
    assert node.owns_its_network is expected
