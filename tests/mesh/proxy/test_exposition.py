from __future__ import annotations

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mesh.proxy import exposition
from mesh.proxy.stats import Stats

REVIEWS = "outbound|9080|v1|reviews.default.svc.cluster.local"
PASSTHROUGH = "tcp.PassthroughCluster.downstream_cx_total"


@pytest.mark.parametrize(
    ("dotted", "name", "labels"),
    [
        (
            f"cluster.{REVIEWS}.upstream_rq_total",
            "envoy_cluster_upstream_rq_total",
            {"cluster_name": REVIEWS},
        ),
        (
            f"cluster.{REVIEWS}.upstream_rq_5xx",
            "envoy_cluster_upstream_rq",
            {"cluster_name": REVIEWS, "response_code_class": "5xx"},
        ),
        (
            f"cluster.{REVIEWS}.upstream_rq_503",
            "envoy_cluster_upstream_rq",
            {"cluster_name": REVIEWS, "response_code": "503"},
        ),
        ("cluster.a.b.ssl.handshake", "envoy_cluster_ssl_handshake", {"cluster_name": "a.b"}),
        (
            "cluster.x.circuit_breakers.default.cx_open",
            "envoy_cluster_circuit_breakers_default_cx_open",
            {"cluster_name": "x"},
        ),
        (
            "http.inbound_0.0.0.0_9080.downstream_rq_2xx",
            "envoy_http_downstream_rq",
            {"http_conn_manager_prefix": "inbound_0.0.0.0_9080", "response_code_class": "2xx"},
        ),
        (
            "listener.127.0.0.1_15006.downstream_cx_total",
            "envoy_listener_downstream_cx_total",
            {"listener_address": "127.0.0.1_15006"},
        ),
        (PASSTHROUGH, "envoy_tcp_downstream_cx_total", {"tcp_prefix": "PassthroughCluster"}),
        ("listener_manager.lds.update_success", "envoy_listener_manager_lds_update_success", {}),
        ("server.uptime", "envoy_server_uptime", {}),
    ],
)  # fmt: skip
def test_names_and_tags_are_those_of_an_envoy_under_istio(
    dotted: str, name: str, labels: dict[str, str]
) -> None:
    stats = Stats()
    stats.counter(dotted).value = 7
    (family,) = text_string_to_metric_families(exposition.prometheus(stats))
    (sample,) = family.samples
    assert (sample.name.removesuffix("_total"), sample.labels, sample.value) == (
        name.removesuffix("_total"),
        labels,
        7.0,
    )


def test_the_samples_of_a_family_stand_together_under_one_type_line() -> None:
    stats = Stats()
    for cluster in ("a", "b"):
        stats.counter(f"cluster.{cluster}.upstream_rq_total").value = 1
        stats.gauge(f"cluster.{cluster}.upstream_cx_active").value = 2
    families = {
        family.name: family for family in text_string_to_metric_families(exposition.prometheus(stats))
    }
    assert {name: (family.type, len(family.samples)) for name, family in families.items()} == {
        "envoy_cluster_upstream_cx_active": ("gauge", 2),
        "envoy_cluster_upstream_rq": ("counter", 2),
    }


def test_selected_takes_by_name_and_by_use() -> None:
    stats = Stats()
    stats.counter("cluster.a.upstream_rq_total").value = 3
    stats.counter("cluster.a.upstream_rq_timeout")
    stats.gauge("server.live").value = 1
    keep = exposition.selected(stats, lambda name: name.startswith("cluster"), used_only=True)
    assert keep == {"cluster.a.upstream_rq_total": 3}
    assert exposition.plain(keep) == "cluster.a.upstream_rq_total: 3\n"
    assert json.loads(exposition.as_json(keep)) == {
        "stats": [{"name": "cluster.a.upstream_rq_total", "value": 3}]
    }
