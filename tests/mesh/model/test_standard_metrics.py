"""Each rule of Istio's label values, by the label it makes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mesh.model.access_log_entry import AccessLogEntry
from mesh.model.node import Node
from mesh.model.peer import Peer
from mesh.model.standard_metrics import (
    HTTP_LABELS,
    MAX_VALUE,
    TCP_LABELS,
    http_labels,
    is_health_check,
    overflow_labels,
    tcp_labels,
)

NODE = Node(
    name="p-0",
    namespace="default",
    address="10.0.0.1",
    service_account="acc",
    workload="productpage-v1",
    service="productpage",
    labels={"app": "productpage", "version": "v1"},
)
REVIEWS = Peer("reviews-v1", "prod", "reviews", "v1", "reviews", "v1", "Kubernetes")
CLUSTER = "outbound|9080|v1|reviews.default.svc.cluster.local"
SENT = AccessLogEntry(
    "source",
    0.0,
    0.1,
    "GET",
    "/",
    "HTTP/1.1",
    "reviews:9080",
    200,
    upstream_cluster=CLUSTER,
    destination=REVIEWS,
)
RECEIVED = AccessLogEntry(
    "destination",
    0.0,
    0.1,
    "GET",
    "/",
    "HTTP/1.1",
    "any:1",
    200,
    upstream_cluster="inbound|9080||",
    source=REVIEWS,
)


def labels(entry: AccessLogEntry, **changes: Any) -> dict[str, str]:
    return dict(zip(HTTP_LABELS, http_labels(replace(entry, **changes), NODE), strict=True))


def test_there_are_istios_25_labels() -> None:
    assert len(HTTP_LABELS) == len(set(HTTP_LABELS)) == 25


def test_a_connection_has_the_23_that_are_not_about_a_response() -> None:
    found = dict(zip(TCP_LABELS, tcp_labels(SENT, NODE), strict=True))
    assert len(found) == 23
    assert found == {label: value for label, value in labels(SENT).items() if label in TCP_LABELS} | {
        "request_protocol": "tcp"
    }


def test_who_says_nothing_is_known_by_the_namespace_of_its_certificate() -> None:
    principal = "spiffe://cluster.local/ns/shop/sa/till"
    assert labels(RECEIVED, source=Peer(), source_principal=principal)["source_workload_namespace"] == "shop"
    assert labels(RECEIVED, source_principal=principal)["source_workload_namespace"] == "prod"
    assert labels(RECEIVED, source=Peer(), source_principal="x")["source_workload_namespace"] == "unknown"
    far = labels(SENT, destination=Peer(), destination_principal=principal)
    assert far["destination_workload_namespace"] == "shop"


def test_the_reporters_own_side_is_its_node() -> None:
    sent, received = labels(SENT, source=REVIEWS), labels(RECEIVED, destination=REVIEWS)
    assert sent["source_workload"] == received["destination_workload"] == "productpage-v1"
    assert sent["destination_workload"] == received["source_workload"] == "reviews-v1"


def test_the_service_is_the_clusters() -> None:
    found = labels(SENT)
    assert found["destination_service"] == "reviews.default.svc.cluster.local"
    assert (found["destination_service_name"], found["destination_service_namespace"]) == (
        "reviews",
        "default",
    )


def test_a_host_outside_is_its_own_name() -> None:
    found = labels(SENT, upstream_cluster="outbound|443||httpbin.org")
    assert (found["destination_service"], found["destination_service_name"]) == ("httpbin.org", "httpbin.org")


def test_at_the_destination_the_service_is_the_nodes_whatever_host_was_asked_for() -> None:
    assert labels(RECEIVED)["destination_service"] == "productpage.default.svc.cluster.local"


@pytest.mark.parametrize("cluster", ["PassthroughCluster", "BlackHoleCluster"])
def test_special_clusters_are_the_service_name(cluster: str) -> None:
    found = labels(SENT, upstream_cluster=cluster, authority="example.org")
    assert (found["destination_service_name"], found["destination_service"]) == (cluster, "example.org")


def test_an_unknown_host_that_was_blocked_is_the_black_holes() -> None:
    found = labels(SENT, upstream_cluster="", route_name="block_all")
    assert found["destination_service_name"] == "BlackHoleCluster"


def test_without_a_cluster_the_source_says_what_was_asked_for() -> None:
    assert labels(SENT, upstream_cluster="")["destination_service"] == "reviews:9080"


@pytest.mark.parametrize(
    ("entry", "changes", "policy"),
    [
        (SENT, {"tls_version": "TLSv1.3", "source_principal": "spiffe://x"}, "unknown"),
        (RECEIVED, {"tls_version": "TLSv1.3", "source_principal": "spiffe://x"}, "mutual_tls"),
        (RECEIVED, {"tls_version": "TLSv1.3"}, "none"),
        (RECEIVED, {}, "none"),
    ],
)
def test_connection_security_policy(entry: AccessLogEntry, changes: dict[str, Any], policy: str) -> None:
    assert labels(entry, **changes)["connection_security_policy"] == policy


def test_what_is_not_known_is_unknown_but_for_the_grpc_status() -> None:
    found = labels(SENT, destination=Peer(), response_code=0)
    assert found["destination_workload"] == found["source_principal"] == "unknown"
    assert (found["response_code"], found["grpc_response_status"]) == ("0", "")
    assert found["destination_canonical_revision"] == "latest"


def test_grpc_is_told_by_its_status() -> None:
    assert labels(SENT)["request_protocol"] == "http"
    assert labels(SENT, grpc_status="14")["request_protocol"] == "grpc"


def test_a_client_cannot_make_a_label_long() -> None:
    found = labels(SENT, upstream_cluster="", authority="x" * 10_000)
    assert len(found["destination_service"]) == MAX_VALUE


def test_the_overflow_series_keeps_reporter_and_code() -> None:
    found = dict(zip(HTTP_LABELS, overflow_labels(SENT), strict=True))
    assert (found["reporter"], found["response_code"], found["source_workload"]) == (
        "source",
        "200",
        "overflow",
    )


def test_a_health_check_is_one_only_from_the_mesh_and_at_its_callee() -> None:
    check = replace(RECEIVED, user_agent="Envoy/HC", source_principal="spiffe://cluster.local/ns/a/sa/b")
    assert is_health_check(check)
    assert not is_health_check(replace(check, source_principal="")), "anybody can write that user agent"
    assert not is_health_check(replace(check, user_agent="curl/8"))
    assert not is_health_check(replace(check, reporter="source"))
