"""What an Envoy writes and our proxy does not; and texts."""

from __future__ import annotations

from typing import Any

import pytest

from mesh.ctl import config_dump as dumps


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        ("destination-rule/prod/reviews", "reviews.prod"),
        ("/apis/networking.istio.io/v1/namespaces/prod/virtual-service/reviews", "reviews.prod"),
        ("", ""),
    ],
)
def test_origin_reads_istios_spelling_and_ours(config: str, shown: str) -> None:
    assert dumps.origin({"metadata": {"filter_metadata": {"istio": {"config": config}}}}) == shown


def test_what_came_from_no_object_has_no_origin() -> None:
    assert dumps.origin({}) == ""


@pytest.mark.parametrize(
    ("match", "text"),
    [
        ({"path": "/x"}, "/x"),
        ({"prefix": "/"}, "/*"),
        ({"prefix": "/static"}, "/static*"),
        ({"safe_regex": {"regex": "/a.*"}}, "regex /a.*"),
        ({"path_separated_prefix": "/a"}, "/a/*"),
        (
            {"prefix": "/", "headers": [{"name": "end-user"}], "query_parameters": [{"name": "q"}]},
            "/* if end-user, q",
        ),
        ({}, "/*"),
    ],
)
def test_match_text(match: dict[str, Any], text: str) -> None:
    assert dumps.match_text(match) == text


def test_domains_are_shown_once_and_without_ports() -> None:
    domains = [
        "reviews",
        "reviews:9080",
        "reviews.default",
        "reviews.default:9080",
        "reviews.default.svc",
        "10.0.0.1",
    ]
    assert dumps.domains_text(domains) == "reviews, reviews.default + 2 more..."
    assert dumps.domains_text(["*"]) == "*"


def test_static_and_dynamic_clusters_of_any_type() -> None:
    dump = {
        "configs": [
            {
                "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
                "static_clusters": [{"cluster": {"name": "xds-grpc", "type": "STATIC"}}],
                "dynamic_active_clusters": [
                    {"cluster": {"name": "PassthroughCluster", "type": "ORIGINAL_DST"}},
                    {
                        "cluster": {
                            "name": "outbound|443|v2|httpbin.org",
                            "cluster_type": {"name": "envoy.cluster.eds"},
                        }
                    },
                ],
            }
        ]
    }
    assert dumps.cluster_rows(dump) == [
        ("PassthroughCluster", "-", "-", "-", "ORIGINAL_DST", ""),
        ("httpbin.org", "443", "v2", "outbound", "envoy.cluster.eds", ""),
        ("xds-grpc", "-", "-", "-", "STATIC", ""),
    ]


def test_health_and_addresses_of_endpoints() -> None:
    def host(address: dict[str, Any], **health: Any) -> dict[str, Any]:
        return {"address": address, "health_status": health, "locality": {"region": "eu", "zone": "z"}}

    socket = {"socket_address": {"address": "::1", "port_value": 80}}
    hosts = [
        host(socket, eds_health_status="UNKNOWN"),
        host({"pipe": {"path": "/run/sds"}}, failed_outlier_check=True, eds_health_status="HEALTHY"),
    ]
    rows = dumps.endpoint_rows(
        {"cluster_statuses": [{"name": "c", "host_statuses": hosts}, {"name": "empty"}]}
    )
    assert rows == [
        ("[::1]:80", "HEALTHY", "eu/z", "c"),
        ("unix:///run/sds", "UNHEALTHY", "eu/z", "c"),
    ]


def test_an_empty_dump_has_no_rows() -> None:
    assert dumps.cluster_rows({}) == dumps.route_rows({"configs": []}) == []
